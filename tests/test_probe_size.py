"""A probe of more than 512 samples is cut to 256, whatever it is made of, and said once."""

from __future__ import annotations

import collections
import warnings
from typing import Any

import numpy as np
import pytest

from tb_featuremap_plugin.monitor.probe_size import bounded_probe, samples_of

IMAGES = np.arange(6000 * 4, dtype=np.float32).reshape(6000, 2, 2)
LABELS = np.arange(6000)
Pair = collections.namedtuple("Pair", "left right")


class BatchEncoding(collections.UserDict[str, Any]):
    """As a tokenizer gives it."""


def cut(inputs, targets=None):
    with pytest.warns(RuntimeWarning, match=r"the probe has 6,000 samples.*the first 256 are used.*at most 512") as said:
        result = bounded_probe(inputs, targets, stacklevel=2)
    assert len(said) == 1
    assert said[0].filename == __file__
    return result


def test_the_first_samples_of_inputs_and_targets_are_kept():
    inputs, targets = cut(IMAGES, LABELS)
    assert np.array_equal(inputs, IMAGES[:256])
    assert np.array_equal(targets, np.arange(256))


def test_a_list_of_arrays_stays_a_list_and_what_has_no_samples_stays_whole():
    (first, second, scale), targets = cut([IMAGES, IMAGES + 1, np.ones(3)], {"class": LABELS, "box": IMAGES})
    assert first.shape == second.shape == (256, 2, 2)
    assert scale.shape == (3,)
    assert {name: array.shape for name, array in targets.items()} == {"class": (256,), "box": (256, 2, 2)}


def test_mappings_and_named_tuples_keep_their_class():
    encoding = BatchEncoding(input_ids=IMAGES, mask=LABELS, none=None)
    inputs, _ = cut(encoding)
    assert type(inputs) is BatchEncoding
    assert inputs["input_ids"].shape == (256, 2, 2)
    assert len(encoding["mask"]) == 6000
    pair, _ = cut(Pair(IMAGES, LABELS))
    assert isinstance(pair, Pair)
    assert pair.right.shape == (256,)


def test_a_list_of_samples_is_a_probe_too():
    images, texts = cut(list(IMAGES), ["text"] * 6000)
    assert len(images) == len(texts) == 256
    assert np.array_equal(images[255], IMAGES[255])


@pytest.mark.parametrize(
    "probe", [IMAGES[:512], [IMAGES[:512], IMAGES[:512]], list(IMAGES[:300]), np.float32(3), None, "text", object(), {}]
)
def test_what_is_small_or_no_batch_is_given_back_as_it_is(probe):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bounded_probe(probe, LABELS)[0] is probe


class Uncuttable:
    shape = (6000, 3)

    def __getitem__(self, index):
        raise NotImplementedError("no slices")


def test_what_cannot_be_sliced_is_left_whole():
    probe = [IMAGES, Uncuttable()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bounded_probe(probe)[0] is probe


def test_tensors_of_torch():
    torch = pytest.importorskip("torch")
    inputs, targets = cut(torch.from_numpy(IMAGES), torch.from_numpy(LABELS))
    assert inputs.shape == (256, 2, 2)
    assert targets.tolist() == list(range(256))
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.ones(6000, 3, 2), torch.full((6000,), 3), batch_first=True)
    assert bounded_probe(packed)[0] is packed


def test_tensors_of_tensorflow():
    tf = pytest.importorskip("tensorflow")
    inputs, _ = cut(tf.constant(IMAGES))
    assert inputs.shape == (256, 2, 2)
    sparse, _ = cut(tf.sparse.from_dense(IMAGES))
    assert np.array_equal(tf.sparse.to_dense(sparse), IMAGES[:256])
    ragged, _ = cut(tf.RaggedTensor.from_row_splits(np.arange(6000), np.arange(6001)))
    assert ragged.to_list() == [[number] for number in range(256)]


def test_arrays_of_jax():
    jnp = pytest.importorskip("jax.numpy")
    assert cut(jnp.asarray(IMAGES))[0].shape == (256, 2, 2)


def test_how_many_samples_there_are():
    assert samples_of({"a": None, "b": [IMAGES, LABELS]}) == 6000
    assert samples_of(object()) is None
