"""What a framework keeps sparse, ragged, quantised, masked or complex becomes dense numbers; what has none is a TypeError that names it."""

from __future__ import annotations

import numpy as np
import pytest

from tb_featuremap_plugin.arrays.dense import padded, real_entries
from tb_featuremap_plugin.arrays.numbers import one_number, whole_number
from tb_featuremap_plugin.arrays.tensors import snapshot, to_numpy, whole_snapshot


class Lazy:
    """Hands out its own buffer."""

    def __init__(self, buffer):
        self.buffer, self.shape, self.dtype = buffer, buffer.shape, buffer.dtype

    def __array__(self, dtype=None, copy=None):
        return self.buffer


class Broken:
    shape, dtype = (3,), np.dtype(np.float32)

    def __array__(self, dtype=None, copy=None):
        raise OSError("the file is gone")


def test_complex_numbers_are_their_magnitude():
    numbers = np.array([3 + 4j, -1j, 0], np.complex64)
    assert to_numpy(numbers, "x").tolist() == [5, 1, 0]
    assert whole_snapshot(numbers, "x").tolist() == numbers.tolist()
    assert to_numpy(np.array([3 + 4j], np.clongdouble), "x").dtype == np.float64


def test_what_is_masked_is_not_a_number():
    masked = np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False])
    np.testing.assert_array_equal(to_numpy(masked, "x"), [1, np.nan, 3])
    np.testing.assert_array_equal(to_numpy(np.ma.masked_array([1, 2, 3], [False, True, False]), "x"), [1, np.nan, 3])
    np.testing.assert_array_equal(to_numpy(np.ma.masked_array([1, 2, 3]), "x"), [1, 2, 3])
    kept = whole_snapshot(masked, "x")
    masked[0] = 9
    assert kept.tolist() == [1, None, 3]


def test_ragged_arrays_of_objects_are_padded():
    ragged = np.empty(2, object)
    ragged[:] = [np.ones((2, 3)), np.full((1, 3), 2.0)]
    np.testing.assert_array_equal(to_numpy(ragged, "x"), [np.ones((2, 3)), [[2, 2, 2], [np.nan] * 3]])
    with pytest.raises(TypeError, match="x is a numpy"):
        to_numpy(np.array([np.ones(2), "a"], object), "x")
    with pytest.raises(ValueError, match="different numbers of axes"):
        padded([np.ones(2), np.ones((2, 2))])


def test_statistics_are_of_real_entries_alone():
    whole = padded([np.arange(6.0).reshape(2, 3), np.full((1, 3), 9.0)])
    np.testing.assert_array_equal(real_entries(whole, 2), [[[0, 3, 9], [1, 4, 9], [2, 5, 9]]])
    np.testing.assert_array_equal(real_entries(whole, None), [[[0, 1, 2, 3, 4, 5, 9, 9, 9]]])
    single = np.ma.masked_array([[1.0, 2.0]], [[True, False]])
    np.testing.assert_array_equal(real_entries(single, 1), [[[2]]])


def test_memory_that_somebody_else_holds_is_copied():
    buffer = np.zeros(3)
    taken = snapshot(Lazy(buffer), "x")
    buffer[:] = 7
    assert not taken.any()


@pytest.mark.parametrize("bad", [Broken(), np.array(["a", "b"]), np.array(["2020-01-01"], "datetime64[D]"), np.zeros(2, [("a", int)])])
def test_what_has_no_numbers_is_a_type_error_that_names_it(bad):
    with pytest.raises(TypeError, match=r"^weights\['a'\] is a "):
        to_numpy(bad, "weights['a']")


def test_scipy():
    sparse = pytest.importorskip("scipy.sparse")
    for make in (sparse.csr_matrix, sparse.coo_matrix, sparse.csr_array):
        array = to_numpy(make(np.eye(3)), "x")
        assert type(array) is np.ndarray
        np.testing.assert_array_equal(array, np.eye(3))


@pytest.mark.filterwarnings("ignore::UserWarning")  # of torch, that these tensors may change
def test_torch():
    torch = pytest.importorskip("torch")
    eye = torch.eye(4)
    for sparse in (eye.to_sparse(), eye.to_sparse_csr(), eye.to_sparse_csc(), eye.to_sparse_bsr((2, 2)), eye.to_mkldnn()):
        np.testing.assert_array_equal(to_numpy(sparse, "x"), np.eye(4))
    rows = torch.tensor([[0.5, -1.0], [2.0, 0.25]])
    quantised = (
        torch.quantize_per_tensor(rows, 0.25, 8, torch.quint8),
        torch.quantize_per_channel(rows, torch.tensor([0.25, 0.25]), torch.tensor([0, 0]), 0, torch.qint8),
        torch.fake_quantize_per_tensor_affine(rows, 0.25, 0, -128, 127),
        rows.to(torch.float8_e5m2),
        rows.to(torch.bfloat16).to_sparse(),
    )
    for tensor in quantised:
        np.testing.assert_array_equal(to_numpy(tensor, "x"), rows)
    for layout in (torch.strided, torch.jagged):
        nested = torch.nested.nested_tensor([torch.ones(2, 3), torch.full((1, 3), 2.0)], layout=layout)
        np.testing.assert_array_equal(to_numpy(nested, "x"), [np.ones((2, 3)), [[2, 2, 2], [np.nan] * 3]])
    assert to_numpy(torch.tensor([3 + 4j], dtype=torch.complex32), "x").tolist() == [5]
    assert to_numpy(torch.tensor([3 + 4j]).conj(), "x").tolist() == [5]
    for meaningless in (torch.ones(3, device="meta"), torch.ones(4, dtype=torch.uint8).view(torch.bits8)):
        with pytest.raises(TypeError, match="x is a torch"):
            to_numpy(meaningless, "x")


def test_torch_within_its_transforms():
    torch = pytest.importorskip("torch")
    told = []

    def loss(values):
        try:
            to_numpy(values, "x")
        except TypeError as error:
            told.append(str(error))
        return values.sum()

    torch.func.grad(loss)(torch.ones(3))
    torch.func.vmap(loss)(torch.ones(3, 2))
    assert len(told) == 2


def test_torch_on_a_mesh_of_one(tmp_path):
    torch = pytest.importorskip("torch")
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        tensor = distribute_tensor(torch.arange(6.0), init_device_mesh("cpu", (1,)), [Shard(0)])
        assert to_numpy(tensor, "x").tolist() == list(range(6))
    finally:
        torch.distributed.destroy_process_group()


def test_tensorflow():
    tf = pytest.importorskip("tensorflow")
    slices = tf.IndexedSlices(tf.constant([[1.0, 2], [3, 4], [5, 6]]), tf.constant([2, 0, 2]), tf.constant([4, 2]))
    np.testing.assert_array_equal(to_numpy(slices, "x"), [[3, 4], [0, 0], [6, 8], [0, 0]])
    np.testing.assert_array_equal(to_numpy(tf.sparse.from_dense(np.eye(3)), "x"), np.eye(3))
    ragged = tf.ragged.constant([[1.0], [np.nan, 3.0]])
    taken = whole_snapshot(ragged, "x")
    np.testing.assert_array_equal(np.ma.getmaskarray(taken), [[False, True], [False, False]])
    np.testing.assert_array_equal(real_entries(taken, None), [[[1, np.nan, 3]]])
    for bad in (tf.constant(["a"]), tf.ragged.constant([["a"], []]), tf.IndexedSlices(tf.ones((1, 2)), tf.constant([0]))):
        with pytest.raises(TypeError, match="x is a tensorflow"):
            to_numpy(bad, "x")


def test_jax():
    jax = pytest.importorskip("jax")
    from jax.experimental import sparse

    np.testing.assert_array_equal(to_numpy(sparse.BCOO.fromdense(np.eye(3)), "x"), np.eye(3))
    assert to_numpy(jax.numpy.array([3 + 4j]), "x").tolist() == [5]
    assert to_numpy(jax.numpy.array([1, -2], "int4"), "x").tolist() == [1, -2]
    deleted = jax.numpy.ones(3)
    deleted.delete()
    for bad in (deleted, jax.random.key(0)):
        with pytest.raises(TypeError, match="x is a "):
            to_numpy(bad, "x")


@pytest.mark.parametrize("value", [3, 3.0, np.int64(3), np.float32(3), np.array(3), np.array([3.0])])
def test_whole_numbers_are_numbers_of_any_kind(value):
    assert whole_number(value) == 3


@pytest.mark.parametrize("value", [3.5, "3", None, [3, 4], np.ones(2), float("nan"), float("inf"), object(), {}, 3j])
def test_other_things_are_not(value):
    assert whole_number(value) is None


def test_counters_of_the_frameworks_are_whole_numbers():
    tf, torch, jax = (pytest.importorskip(name) for name in ("tensorflow", "torch", "jax"))
    import keras

    counters = [tf.Variable(3), tf.Variable(3.0), tf.constant(3), tf.constant(3.0), torch.tensor(3), torch.tensor([3.0])]
    optimizer = keras.optimizers.SGD()
    optimizer.build([keras.Variable(np.ones(2))])
    optimizer.iterations.assign(3)
    counters += [jax.numpy.array(3), jax.numpy.float32(3), keras.Variable(3), optimizer.iterations]
    assert [whole_number(counter) for counter in counters] == [3] * len(counters)


def test_one_number_of_anything():
    assert one_number(np.array([1.0, 2.0]), "loss") == 1.5
    assert np.isnan(one_number(np.ones(0), "loss"))
    with pytest.raises(TypeError, match="learning_rate is a list"):
        one_number(["a"], "learning_rate")
