"""Which axis is which in Keras' layers, against what was built."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")

import keras
from keras import layers as L
from keras import ops

from tb_featuremap_plugin.integrations.keras.guarded_pass import Guard
from tb_featuremap_plugin.integrations.keras.layer_axes import layouts_of
from tb_featuremap_plugin.integrations.keras.leaf_layers import blocks, named_layers
from tb_featuremap_plugin.integrations.keras.probe_pass import ProbePass
from tb_featuremap_plugin.integrations.keras.probes import as_tensors

IMAGES = np.zeros((4, 10, 11, 3), np.float32)
SERIES = np.zeros((4, 7, 5), np.float32)


def layouts(model, probe):
    model(probe)
    found = ProbePass(model, as_tensors(probe), named_layers(model), blocks(model), lambda trace: trace.calls, Guard(model))
    return layouts_of(found.trace.calls, found.samples)


class OwnCode(keras.Model):
    """Between its layers stand a product, a transpose of samples, a reshape that merges rows with samples, and a mean."""

    def __init__(self):
        super().__init__()
        self.conv, self.act, self.norm = L.Conv2D(6, 3, padding="same", name="conv"), L.ReLU(name="act"), L.LayerNormalization(name="norm")
        self.turned, self.rows = L.Dense(5, name="turned"), L.Dense(3, name="rows")
        self.dense, self.head = L.Dense(8, name="dense"), L.Dense(2, name="head")

    def call(self, x):
        x = self.norm(self.act(self.conv(x) * 2))
        self.turned(ops.transpose(x, (1, 0, 2, 3)))
        self.rows(ops.reshape(x, (-1, 11, 6)))
        return self.head(ops.mean(self.dense(x), axis=(1, 2)))


def test_what_own_code_shuffles_is_unknown():
    expected = {"conv": "NHWC", "act": "NHWC", "norm": "NHWC", "turned": "unknown", "rows": "unknown", "dense": "NHWC", "head": "NC"}
    assert layouts(OwnCode(), IMAGES) == expected


def test_permute_reshape_and_an_axis_of_channels():
    given = keras.Input((10, 11, 3))
    x = L.Permute((3, 1, 2), name="permute")(L.Conv2D(6, 3, padding="same", name="conv")(given))
    x = L.ReLU(name="act")(L.BatchNormalization(axis=1, name="norm")(x))
    x = L.Dense(4, name="dense")(L.Reshape((6, 110), name="reshape")(x))
    found = layouts(keras.Model(given, x), IMAGES)
    assert found == {"conv": "NHWC", "permute": "NCHW", "norm": "NCHW", "act": "NCHW", "reshape": "NCW", "dense": "NWC"}


def test_series_attention_and_heads():
    given = keras.Input((7, 5))
    x = L.LSTM(6, return_sequences=True, name="lstm")(given)
    x = L.MultiHeadAttention(2, 3, name="attention")(x, x) + x
    heads = L.EinsumDense("abc,cde->abde", (None, 2, 3), name="heads")(x)
    scores = L.Softmax(name="scores")(ops.einsum("abde,acde->adbc", heads, heads))
    last = L.Bidirectional(L.GRU(3), name="last")(x)
    found = layouts(keras.Model(given, [scores, last]), SERIES)
    assert found == {"lstm": "NWC", "attention": "NWC", "heads": "unknown", "scores": "unknown", "last": "NC"}


def test_a_reshape_is_what_the_convolution_after_it_reads():
    model = keras.Sequential([keras.Input((5,)), L.Dense(128), L.Reshape((4, 4, 8), name="maps"), L.Conv2DTranspose(3, 4, name="up")])
    assert layouts(model, np.zeros((3, 5), np.float32)) == {model.layers[0].name: "NC", "maps": "NHWC", "up": "NHWC"}


def test_time_distributed_blocks_and_channels_first():
    class Block(L.Layer):
        def __init__(self):
            super().__init__(name="block")
            self.inner = L.Conv2D(3, 3, padding="same", name="inner")

        def call(self, x):
            return x + self.inner(x)

    given = keras.Input((6, 10, 11, 3))
    frames = layouts(keras.Model(given, L.TimeDistributed(L.Conv2D(5, 3), name="frames")(given)), np.zeros((4, 6, 10, 11, 3), np.float32))
    assert frames == {"frames": "NDHWC"}
    stage = keras.Sequential([L.Conv2D(5, 3, name="last")], name="stage")
    assert layouts(keras.Sequential([keras.Input((10, 11, 3)), Block(), stage]), IMAGES) == dict.fromkeys(
        ("inner", "block", "last", "stage"), "NHWC"
    )
    first = keras.Sequential([keras.Input((3, 10, 11)), L.MaxPooling2D(2, data_format="channels_first", name="pool"), L.ReLU(name="act")])
    if keras.backend.backend() != "tensorflow":
        assert layouts(first, np.zeros((4, 3, 10, 11), np.float32)) == {"pool": "NCHW", "act": "NCHW"}


def test_an_operation_between_layers_of_a_functional_model_may_have_moved_its_axes():
    inputs = keras.Input((7, 5))
    turned = ops.transpose(L.Conv1D(4, 3, padding="same", name="conv")(inputs), (0, 2, 1))
    normalised = L.BatchNormalization(axis=1, name="norm")(L.ReLU(name="act")(turned))
    known = layouts(keras.Model(inputs, L.Dense(2)(L.Flatten()(normalised))), SERIES)
    assert known["conv"] == "NWC"
    assert known["act"] == "unknown"
    assert known["norm"] == "NCW"
