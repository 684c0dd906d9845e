"""Any framework's tensor as NumPy."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tb_featuremap_plugin.arrays.tensors import dtype_name, snapshot, to_numpy


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool"])
def test_numpy_arrays_pass_through(dtype):
    array = np.ones((2, 3), dtype)
    assert to_numpy(array, "data") is array
    assert dtype_name(array) == dtype


def test_numbers_lists_and_odd_dtypes():
    assert to_numpy(3, "data").shape == ()
    np.testing.assert_array_equal(to_numpy([[1.5, 2], [3, 4]], "data"), [[1.5, 2], [3, 4]])
    assert to_numpy(np.ones(3, ">f4"), "data").dtype.isnative
    assert to_numpy(np.ones(3, np.longdouble), "data").dtype == np.float64


@pytest.mark.parametrize("bad", ["text", None, [1, "a"], np.array([object()]), [[1, 2], [3]], {"a": 1}])
def test_what_is_no_array_of_real_numbers_is_a_type_error_that_names_it(bad):
    with pytest.raises(TypeError, match=r"^kernel is a "):
        to_numpy(bad, "kernel")


def test_a_snapshot_does_not_change_with_its_array():
    array = np.zeros((3, 4), np.float32)
    for taken in (snapshot(array, "data"), snapshot(array[::2], "data"), snapshot(array.T, "data")):
        array[:] = 7
        assert not taken.any()
        array[:] = 0


def test_a_snapshot_keeps_the_memory_order():
    assert snapshot(np.ones((3, 4), order="F"), "data").flags.f_contiguous


@pytest.mark.torch
def test_torch():
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6, dtype=torch.float32, requires_grad=True).reshape(2, 3)
    np.testing.assert_array_equal(to_numpy(tensor, "data"), np.arange(6).reshape(2, 3))
    half = torch.tensor([1.5, -2], dtype=torch.bfloat16)
    assert to_numpy(half, "data").dtype == np.float32
    assert dtype_name(half) == "bfloat16"
    np.testing.assert_array_equal(to_numpy(half, "data"), [1.5, -2])
    np.testing.assert_array_equal(to_numpy(torch.eye(2).to_sparse(), "data"), np.eye(2))
    weight = torch.nn.Parameter(torch.zeros(4))
    taken = snapshot(weight, "data")
    with torch.no_grad():
        weight += 1
    assert not taken.any()
    assert to_numpy(weight, "data").all()
    with pytest.raises(TypeError, match="data is a torch"):
        to_numpy(torch.ones(2, device="meta"), "data")


@pytest.mark.tensorflow
def test_tensorflow():
    tf = pytest.importorskip("tensorflow")
    tensor = tf.reshape(tf.range(6.0), (2, 3))
    array = to_numpy(tensor, "data")
    np.testing.assert_array_equal(array, np.arange(6).reshape(2, 3))
    assert np.shares_memory(array, to_numpy(tensor, "data"))
    half = tf.constant([1.5, -2], tf.bfloat16)
    assert to_numpy(half, "data").dtype == np.float32
    assert dtype_name(half) == "bfloat16"
    variable = tf.Variable(tf.zeros(4))
    read, taken = snapshot(variable.read_value(), "data"), snapshot(variable, "data")
    variable.assign_add(tf.ones(4))
    assert not taken.any()
    assert not read.any()
    assert to_numpy(variable, "data").all()

    @tf.function
    def symbolic(tensor):
        with pytest.raises(TypeError, match="values cannot be read"):
            to_numpy(tensor, "data")

    symbolic(tensor)


@pytest.mark.tensorflow
def test_keras_variables():
    pytest.importorskip("tensorflow")
    keras = pytest.importorskip("keras")
    variable = keras.Variable(np.ones((2, 2), np.float32))
    taken = snapshot(variable, "value")
    variable.assign(np.zeros((2, 2)))
    np.testing.assert_array_equal(taken, np.ones((2, 2)))
    assert dtype_name(variable) == "float32"


@pytest.mark.jax
def test_jax():
    jax = pytest.importorskip("jax")
    tensor = jax.numpy.arange(6, dtype=jax.numpy.float32)
    np.testing.assert_array_equal(to_numpy(tensor, "data"), np.arange(6))
    half = tensor.astype(jax.numpy.bfloat16)
    assert to_numpy(half, "data").dtype == np.float32
    assert dtype_name(half) == "bfloat16"
    taken = snapshot(tensor, "data")
    jax.jit(lambda values: values + 1, donate_argnums=0)(tensor).block_until_ready()
    np.testing.assert_array_equal(taken, np.arange(6))
    with pytest.raises(TypeError, match="values cannot be read"):
        jax.jit(lambda values: to_numpy(values, "data"))(jax.numpy.ones(3))


def test_no_framework_is_imported():
    code = (
        "import sys, numpy, tb_featuremap_plugin as fm, tb_featuremap_plugin.arrays.tensors as arrays\n"
        "import tb_featuremap_plugin.writer, tb_featuremap_plugin.summary\n"
        "arrays.to_numpy(numpy.ones(3), 'x')\n"
        "fm.summary.feature_maps_pb('a', numpy.ones((1, 2, 2, 3)))\n"
        "print(fm.summary.feature_maps('a', numpy.ones((1, 2, 2, 3)), 1))\n"
        "print([name for name in ('tensorflow', 'keras', 'torch', 'jax') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split("\n")[:2] == ["False", "[]"]
