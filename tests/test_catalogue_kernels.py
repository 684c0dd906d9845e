"""The kernel of a layer, for every layer of Keras and torch that has variables: nothing here reads a table to know what is right."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import pytest

from tb_featuremap_plugin.schema import layer_kinds
from tb_featuremap_plugin.schema.network import Layer, RunRecord

keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from tb_featuremap_plugin.integrations.keras import layer_info as keras_info  # noqa: E402
from tb_featuremap_plugin.integrations.keras.leaf_layers import variables_of  # noqa: E402
from tb_featuremap_plugin.integrations.torch import layer_info as torch_info  # noqa: E402

L = keras.layers
CONVOLVED = {1: (2, 9, 4), 2: (2, 9, 9, 4), 3: (2, 5, 5, 5, 4)}


def later(module, name, *arguments, **options):
    """Makes a layer of a class when it is called: not every class that is named here is in every release."""
    return lambda: getattr(module, name)(*arguments, **options)


KERAS_KERNELS = {
    "Dense": (lambda: L.Dense(3), (2, 7), lambda layer: layer.kernel),
    "EinsumDense": (lambda: L.EinsumDense("abc,cde->abde", (None, 3, 2), bias_axes="de"), (2, 4, 7), lambda layer: layer.kernel),
    "SimpleRNN": (lambda: L.SimpleRNN(3), (2, 4, 7), lambda layer: layer.cell.kernel),
    "LSTM": (lambda: L.LSTM(3), (2, 4, 7), lambda layer: layer.cell.kernel),
    "GRU": (lambda: L.GRU(3), (2, 4, 7), lambda layer: layer.cell.kernel),
    "Bidirectional": (lambda: L.Bidirectional(L.LSTM(3)), (2, 4, 7), lambda layer: layer.forward_layer.cell.kernel),
    "TimeDistributed": (lambda: L.TimeDistributed(L.Dense(3)), (2, 4, 7), lambda layer: layer.layer.kernel),
    "SpectralNormalization": (lambda: L.SpectralNormalization(L.Dense(3)), (2, 7), lambda layer: layer.layer.kernel),
    **{
        f"{name}{axes}D{suffix}": (make, CONVOLVED[axes], lambda layer: layer.kernel)
        for axes in (1, 2, 3)
        for name, suffix, make in (
            ("Conv", "", later(L, f"Conv{axes}D", 3, 2)),
            ("Conv", "Transpose", later(L, f"Conv{axes}DTranspose", 3, 2)),
            ("DepthwiseConv", "", later(L, f"DepthwiseConv{axes}D", 2)),
        )
        if hasattr(L, f"{name}{axes}D{suffix}")
    },
    **{
        f"SeparableConv{axes}D": (
            later(L, f"SeparableConv{axes}D", 3, 4),  # the depthwise kernel is larger
            CONVOLVED[axes],
            lambda layer: layer.pointwise_kernel,
        )
        for axes in (1, 2)
    },
    **{
        f"ConvLSTM{axes}D": (
            later(L, f"ConvLSTM{axes}D", 3, 2),
            (2, 3, *CONVOLVED[axes][1:]),
            lambda layer: layer.cell.kernel,
        )
        for axes in (1, 2, 3)
    },
}
"""How one is made, what comes in, and its kernel by the attribute that Keras documents: more comes in than goes round in recurrent ones."""

KERAS_WITHOUT = {
    "BatchNormalization": (lambda: L.BatchNormalization(), (4, 7)),
    "LayerNormalization": (lambda: L.LayerNormalization(axis=(1, 2)), (4, 7, 3)),
    "GroupNormalization": (lambda: L.GroupNormalization(1), (4, 5, 7)),
    "RMSNormalization": (lambda: L.RMSNormalization(), (4, 7)),
    "Normalization": (lambda: L.Normalization(), (4, 7)),
    "PReLU": (lambda: L.PReLU(), (4, 5, 7)),
    "Embedding": (lambda: L.Embedding(9, 4), (4, 7)),
    "ReversibleEmbedding": (lambda: L.ReversibleEmbedding(9, 4), (4, 7)),
    "Attention": (lambda: L.Attention(use_scale=True), [(2, 3, 4), (2, 3, 4)]),
    "AdditiveAttention": (lambda: L.AdditiveAttention(), [(2, 3, 4), (2, 3, 4)]),
}
KERAS_ATTENTION = {
    "MultiHeadAttention": lambda: L.MultiHeadAttention(2, 3),
    "GroupedQueryAttention": lambda: L.GroupQueryAttention(3, 4, 2),
}
KERAS_PARTS_AND_HOSTS = {"FlaxLayer", "JaxLayer", "GRUCell", "LSTMCell", "SimpleRNNCell", "RNN", "STFTSpectrogram"}
"""Cells are parts of layers, RNN is made of them; the others host foreign code or have no weights that train."""


def kernel_by_catalogue(layer):
    weights, _ = variables_of(layer)
    record = RunRecord(
        layers=(Layer("it", kind=keras_info.kind_of(layer), weights=tuple(variable.path for variable in weights)),),
        variable_shapes={variable.path: tuple(variable.shape) for variable in weights},
    )
    return layer_kinds.kernels_of(record).get("it")


def random_input(shape, layer):
    rng = np.random.default_rng(1)
    whole = "Embedding" in type(layer).__name__
    return rng.integers(0, 9, shape) if whole else rng.normal(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize("name", KERAS_KERNELS)
def test_the_kernel_of_a_keras_layer_is_what_its_output_hangs_on(name):
    make, shape, kernel = KERAS_KERNELS[name]
    layer = make()
    one, other = random_input(shape, layer), random_input(shape, layer) + 1
    layer(one)
    named = kernel_by_catalogue(layer)
    assert named == kernel(layer).path
    if name == "Bidirectional":
        return  # two of them
    for variable in variables_of(layer)[0]:
        if variable.path == named:
            variable.assign(np.zeros(variable.shape, np.float32))
    first, second = (np.asarray(keras.ops.convert_to_numpy(layer(x))) for x in (one, other))
    if not name.startswith("SpectralNormalization"):  # it divides by the norm of the kernel
        np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.parametrize("name", KERAS_WITHOUT)
def test_keras_layers_without_a_kernel(name):
    make, shape = KERAS_WITHOUT[name]
    layer = make()
    layer([random_input(one, layer) for one in shape] if isinstance(shape, list) else random_input(shape, layer))
    assert sum(map(len, variables_of(layer))) > 0
    assert kernel_by_catalogue(layer) is None


@pytest.mark.parametrize("name", KERAS_ATTENTION)
def test_the_kernel_of_keras_attention_is_a_projection(name):
    layer = KERAS_ATTENTION[name]()
    layer(random_input((2, 4, 8), layer), random_input((2, 4, 8), layer))
    kernel = kernel_by_catalogue(layer)
    assert kernel.endswith("/kernel")
    biases = [variable.path for variable in variables_of(layer)[0] if variable.path.endswith("bias")]
    assert any(len(variable.shape) > 1 for variable in variables_of(layer)[0] if variable.path in biases)
    assert not any(layer_kinds.is_kernel(bias, (2, 3), keras_info.kind_of(layer)) for bias in biases)


def test_every_keras_layer_with_weights_was_looked_at():
    classes = {value for value in vars(keras.layers).values() if inspect.isclass(value) and issubclass(value, L.Layer)}
    marks = ("self.add_weight(", "EinsumDense(", "add_variable(")
    own = {cls for cls in classes if any(mark in source for mark in marks for source in sources(cls, "keras", {L.Layer}))}
    looked_at = {*KERAS_KERNELS, *KERAS_WITHOUT, *KERAS_ATTENTION, *KERAS_PARTS_AND_HOSTS}
    assert {cls.__name__ for cls in own} - looked_at == set()


def sources(cls, package, roots):
    return [inspect.getsource(base) for base in cls.__mro__ if base.__module__.partition(".")[0] == package and base not in roots]


TORCH_KERNELS = {
    "Linear": (lambda: nn.Linear(7, 3), "weight"),
    "Bilinear": (lambda: nn.Bilinear(7, 5, 3), "weight"),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(8, 2, add_bias_kv=True), "in_proj_weight"),
    "RNN": (lambda: nn.RNN(7, 3, num_layers=2), "weight_ih_l0"),
    "LSTM": (lambda: nn.LSTM(7, 3, bidirectional=True), "weight_ih_l0"),
    "GRU": (lambda: nn.GRU(3, 7), "weight_hh_l0"),
    "RNNCell": (lambda: nn.RNNCell(7, 3), "weight_ih"),
    "LSTMCell": (lambda: nn.LSTMCell(7, 3), "weight_ih"),
    "GRUCell": (lambda: nn.GRUCell(7, 3), "weight_ih"),
    **{f"Conv{axes}d": (later(nn, f"Conv{axes}d", 4, 3, 2), "weight") for axes in (1, 2, 3)},
    **{f"ConvTranspose{axes}d": (later(nn, f"ConvTranspose{axes}d", 4, 3, 2), "weight") for axes in (1, 2, 3)},
}
TORCH_WITHOUT = {
    **{f"BatchNorm{axes}d": later(nn, f"BatchNorm{axes}d", 4) for axes in (1, 2, 3)},
    **{f"InstanceNorm{axes}d": later(nn, f"InstanceNorm{axes}d", 4, affine=True) for axes in (1, 2, 3)},
    "SyncBatchNorm": lambda: nn.SyncBatchNorm(4),
    "LayerNorm": lambda: nn.LayerNorm((4, 5, 5)),
    "RMSNorm": lambda: nn.RMSNorm((4, 5)),
    "GroupNorm": lambda: nn.GroupNorm(2, 4),
    "PReLU": lambda: nn.PReLU(4),
    "Embedding": lambda: nn.Embedding(9, 4),
    "EmbeddingBag": lambda: nn.EmbeddingBag(9, 4),
}


def torch_kernel(module):
    parameters = {f"tok.{name}": tuple(value.shape) for name, value in module.named_parameters()}
    layer = Layer("tok", kind=torch_info.kind_of(module), weights=tuple(parameters))
    return layer_kinds.kernel_of(layer, parameters)


@pytest.mark.parametrize("name", TORCH_KERNELS)
def test_the_kernel_of_a_torch_module(name):
    make, expected = TORCH_KERNELS[name]
    assert torch_kernel(make()) == f"tok.{expected}"


@pytest.mark.parametrize("name", TORCH_WITHOUT)
def test_torch_modules_without_a_kernel(name):
    module = TORCH_WITHOUT[name]()
    assert any(True for _ in module.parameters())
    assert torch_kernel(module) is None


def test_every_torch_module_with_parameters_was_looked_at():
    classes = {value for value in vars(nn).values() if inspect.isclass(value) and issubclass(value, nn.Module)}
    own = {cls.__name__ for cls in classes if any("Parameter(" in source for source in sources(cls, "torch", {nn.Module}))}
    rest = {name for name in own if not name.startswith("Lazy")} - {"ParameterDict", "ParameterList", "RNNBase", "RNNCellBase"}
    assert rest - {*TORCH_KERNELS, *TORCH_WITHOUT} == set()


@pytest.mark.parametrize(
    ("variable", "shape", "kind", "expected"),
    [
        ("block/w1", (7, 3), None, True),
        ("block/w1", (7,), None, False),
        ("block/pos_embedding", (7, 3), None, False),
        ("block/layer_scale", (7, 1, 1), "cn_block", False),
        ("scale/gamma", (7, 1, 1), "layer_scale", False),
        ("vit.cls_token", (1, 1, 7), "vision_transformer", False),
        ("conv1/kernel", None, "conv2d", True),
        ("conv1/bias", None, "conv2d", False),
        ("rnn.weight_hh_l1_reverse", None, "lstm", True),
        ("conv1/filters", (3, 3, 1, 4), "conv2d", True),
        ("tok.weight", (90, 8), "embedding", False),
        ("norm.weight", (4, 5, 5), "layer_normalization", False),
        ("query/bias", (2, 3), "multi_head_attention", False),
        ("layer/weight", (4, 4), "evo_norm", False),
        ("layer/weight", (4, 4), "equalized_conv2d", True),
    ],
)
def test_what_a_kernel_is(variable, shape, kind, expected):
    assert layer_kinds.is_kernel(variable, shape, kind) == expected


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        ("conv2d", "convolution"), ("Conv2D", "convolution"), ("conv_1d", "convolution"), ("separable_conv2d", "convolution"),
        ("depthwise_conv2d", "depthwise"), ("conv2d_transpose", "transposed"), ("ConvTranspose2d", "transposed"),
        ("depthwise_conv2d_transpose", "transposed"), ("std_conv2d", "convolution"), ("my_conv_transpose", "transposed"),
        ("dense", "dense"), ("Linear", "dense"), ("einsum_dense", "dense"), ("DenseGeneral", "dense"),
        ("multi_head_attention", "attention"), ("multihead_attention", "attention"), ("window_attention", "attention"),
        ("lstm", "recurrent"), ("GRUCell", "recurrent"), ("OptimizedLSTMCell", "recurrent"), ("bidirectional", "recurrent"),
        ("embedding", "embedding"), ("Embed", "embedding"), ("batch_normalization", "normalisation"), ("BatchNorm2d", "normalisation"),
        ("layer_norm", "normalisation"), ("LlamaRMSNorm", "normalisation"), ("max_pooling2d", "pooling"), ("AdaptiveAvgPool2d", "pooling"),
        ("relu", "activation"), ("hardtanh", "activation"), ("activation", "activation"), ("softmax", "activation"),
        ("flatten", "shape"), ("spatial_dropout2d", "shape"), ("dropout", "shape"), ("identity", "shape"), ("layer_scale", "scale"),
        ("add", ""), ("", ""), (None, ""),
    ],
)  # fmt: skip
def test_families(kind, family):
    assert layer_kinds.family_of(kind) == family


def test_equal_kernels_are_stood_for_by_the_first():
    layer = Layer("attention", kind="multi_head_attention", weights=("a/bias", "a/query/kernel", "a/key/kernel", "a/value/kernel"))
    shapes = {"a/bias": (400, 400), "a/query/kernel": (8, 2, 3), "a/key/kernel": (8, 2, 3), "a/value/kernel": (8, 2, 4)}
    assert layer_kinds.kernel_of(layer, shapes) == "a/value/kernel"
    assert layer_kinds.kernel_of(dataclasses.replace(layer, weights=layer.weights[:3]), shapes) == "a/query/kernel"
