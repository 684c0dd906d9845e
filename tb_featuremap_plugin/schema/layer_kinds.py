"""What a layer is, by what frameworks and libraries on top of them call it, and which of its variables is its kernel."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tb_featuremap_plugin.schema import activations
from tb_featuremap_plugin.schema.activations import bare
from tb_featuremap_plugin.schema.network import Layer, RunRecord

CONVOLUTION, DEPTHWISE, TRANSPOSED, DENSE = "convolution", "depthwise", "transposed", "dense"
ATTENTION, RECURRENT, EMBEDDING = "attention", "recurrent", "embedding"
NORMALISATION, SCALE, POOLING, ACTIVATION, SHAPE = "normalisation", "scale", "pooling", "activation", "shape"

CONVOLUTIONS = frozenset({CONVOLUTION, DEPTHWISE, TRANSPOSED})

_PLAIN = ("kernel", "weight", "w")
_OF_ATTENTION = (*_PLAIN, "in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
_OF_RECURRENT = ("kernel", "recurrent_kernel", "weight_ih", "weight_hh", "weight_hr")


@dataclass(frozen=True)
class LayerKind:
    """What a layer is.

    Attributes:
        name: as Keras or, where Keras has none, torch calls it, without the number of its axes.
        family: one of the constants of this module. Layers of the family "shape" put out what they get, in another shape or with holes;
            those of "normalisation" rescale it to a fixed spread; those of "scale" multiply it by a number a channel.
        aliases: other names, in any spelling; `find` ignores case, punctuation and the number of axes.
        kernels: last parts of the names of the variables that multiply what comes in; () if there are none, None if that is not known.
        to_channels: that of the one whose filters make the layer's channels, where it need not be the largest.
    """

    name: str
    family: str
    aliases: tuple[str, ...] = ()
    kernels: tuple[str, ...] | None = ()
    to_channels: str = ""


LAYER_KINDS: tuple[LayerKind, ...] = (
    LayerKind("conv", CONVOLUTION, ("convolution", "conv_local", "locally_connected"), _PLAIN),
    LayerKind("separable_conv", CONVOLUTION, ("separable_convolution",), ("depthwise_kernel", "pointwise_kernel"), "pointwise_kernel"),
    LayerKind("conv_lstm", CONVOLUTION, ("conv_lstm_cell",), ("kernel", "recurrent_kernel")),
    LayerKind("depthwise_conv", DEPTHWISE, ("depthwise_convolution",), (*_PLAIN, "depthwise_kernel")),
    LayerKind(
        "conv_transpose",
        TRANSPOSED,
        ("convolution_transpose", "transposed_conv", "transposed_convolution", "deconv", "deconvolution", "depthwise_conv_transpose"),
        _PLAIN,
    ),
    LayerKind("dense", DENSE, ("linear", "fully_connected", "fc", "dense_general", "linear_general", "lazy_linear"), _PLAIN),
    LayerKind("einsum_dense", DENSE, ("einsum",), _PLAIN),
    LayerKind("bilinear", DENSE, (), _PLAIN),
    LayerKind(
        "multi_head_attention",
        ATTENTION,
        ("multi_head_dot_product_attention", "self_attention", "cross_attention", "scaled_dot_product_attention"),
        _OF_ATTENTION,
    ),
    LayerKind("group_query_attention", ATTENTION, ("grouped_query_attention", "multi_query_attention"), _OF_ATTENTION),
    LayerKind("attention", ATTENTION, ("dot_product_attention", "luong_attention"), _OF_ATTENTION),
    LayerKind("additive_attention", ATTENTION, ("bahdanau_attention",), _OF_ATTENTION),
    LayerKind("lstm", RECURRENT, ("lstm_cell", "optimized_lstm_cell", "cudnn_lstm"), _OF_RECURRENT),
    LayerKind("gru", RECURRENT, ("gru_cell", "mgu_cell", "cudnn_gru"), _OF_RECURRENT),
    LayerKind("simple_rnn", RECURRENT, ("rnn", "rnn_cell", "simple_rnn_cell", "simple_cell", "stacked_rnn_cells"), _OF_RECURRENT),
    LayerKind("bidirectional", RECURRENT, (), _OF_RECURRENT),
    LayerKind("embedding", EMBEDDING, ("embed", "embedding_bag", "reversible_embedding", "token_embedding")),
    LayerKind("batch_normalization", NORMALISATION, ("batch_norm", "sync_batch_norm", "frozen_batch_norm", "frozen_bn", "bn")),
    LayerKind("instance_normalization", NORMALISATION, ("instance_norm",)),
    LayerKind("layer_normalization", NORMALISATION, ("layer_norm", "ln")),
    LayerKind("rms_normalization", NORMALISATION, ("rms_norm", "t5_layer_norm", "llama_rms_norm")),
    LayerKind("group_normalization", NORMALISATION, ("group_norm",)),
    LayerKind("unit_normalization", NORMALISATION),
    LayerKind("normalization", NORMALISATION, ("norm",)),
    LayerKind("local_response_norm", NORMALISATION, ("local_response_normalization", "cross_map_lrn", "lrn")),
    LayerKind("spectral_normalization", NORMALISATION, ("spectral_norm",), None),
    LayerKind("weight_normalization", NORMALISATION, ("weight_norm",), None),
    LayerKind("layer_scale", SCALE),
    LayerKind("rescaling", SCALE),
    LayerKind("max_pooling", POOLING, ("max_pool", "global_max_pooling", "global_max_pool", "adaptive_max_pooling", "adaptive_max_pool")),
    LayerKind(
        "average_pooling",
        POOLING,
        (
            *("average_pool", "avg_pool", "global_average_pooling", "global_avg_pool"),
            *("adaptive_average_pooling", "adaptive_average_pool", "adaptive_avg_pool"),
        ),
    ),
    LayerKind("lp_pool", POOLING),
    LayerKind("fractional_max_pool", POOLING),
    LayerKind("max_unpool", POOLING),
    LayerKind("activation", ACTIVATION),
    LayerKind("flatten", SHAPE, ("unflatten",)),
    LayerKind("reshape", SHAPE),
    LayerKind("permute", SHAPE),
    LayerKind("squeeze", SHAPE, ("unsqueeze",)),
    LayerKind("identity", SHAPE),
    LayerKind(
        "dropout",
        SHAPE,
        (
            *("spatial_dropout", "alpha_dropout", "gaussian_dropout", "feature_alpha_dropout"),
            *("drop_path", "stochastic_depth"),
        ),
    ),
    LayerKind("activity_regularization", SHAPE),
)

_WORDS: tuple[LayerKind, ...] = (
    LayerKind("attention", ATTENTION, (), None),
    LayerKind("depthwiseconv", DEPTHWISE, (), None),
    LayerKind("conv", CONVOLUTION, (), None),
    LayerKind("dense", DENSE, (), None),
    LayerKind("lstm", RECURRENT, (), None),
    LayerKind("embed", EMBEDDING, (), None),
    LayerKind("norm", NORMALISATION),
    LayerKind("pool", POOLING),
    LayerKind("activation", ACTIVATION),
    LayerKind("softmax", ACTIVATION),
    LayerKind("relu", ACTIVATION),
    LayerKind("elu", ACTIVATION),
    LayerKind("flatten", SHAPE),
    LayerKind("dropout", SHAPE),
    LayerKind("reshape", SHAPE),
    LayerKind("identity", SHAPE),
    LayerKind("permute", SHAPE),
    LayerKind("squeeze", SHAPE),
)
"""Kinds of users' own classes, by the first of these words that their name holds: "std_conv2d", "evo_norm"."""

STATE_NAMES = frozenset({"moving_mean", "moving_variance", "running_mean", "running_var", "num_batches_tracked", "seed"})
"""Last parts of the names of variables that training does not change but the layer itself: moving statistics, counters, seeds."""

_NOT_KERNELS = frozenset(
    {
        *("bias", "bias_k", "bias_v", "gamma", "beta", "scale", "offset", "alpha", "layer_scale", "logit_scale", "weight_g", "original0"),
        *("embeddings", "embedding", "cls_token", "class_token", "mask_token", "dist_token", "relative_position_bias_table"),
    }
)
"""Last parts of the names of variables that are no kernels of any layer, however many axes they have."""

_AXES = re.compile(r"[123]d")
_OF_RECURRENT_LAYER = re.compile(r"_l\d+(_reverse)?$")
_KERNEL_AXES = 2


def _key(kind: str | None) -> str:
    return _AXES.sub("", bare(kind))


_BY_NAME = {_key(name): one for one in LAYER_KINDS for name in (one.name, *one.aliases)}
_KERNEL_NAMES = frozenset(name for one in LAYER_KINDS for name in one.kernels or ())


@lru_cache(maxsize=1024)
def find(kind: str | None) -> LayerKind | None:
    """What a layer of this kind is, in any spelling: "Conv2d", "conv_2d", "conv2d"; None if it is not known here."""
    key = _key(kind)
    if key in _BY_NAME:
        return _BY_NAME[key]
    if activations.find(kind) is not None:
        return _BY_NAME["activation"]
    word = next((one for one in _WORDS if one.name in key), None)
    return _BY_NAME["convtranspose"] if word is not None and word.family == CONVOLUTION and "transpose" in key else word


def is_known(kind: str | None) -> bool:
    """Whether a layer of this kind stands in the catalogue by its name, and is not only guessed from a word in it."""
    return _key(kind) in _BY_NAME or activations.find(kind) is not None


def family_of(kind: str | None) -> str:
    """The family of a layer of this kind; "" if it is not known here."""
    known = find(kind)
    return known.family if known is not None else ""


def leaf_of(variable: str) -> str:
    """The last part of a variable's name: "kernel" of "conv1/kernel", "weight_ih" of "rnn.weight_ih_l0_reverse"."""
    leaf = variable.partition(":")[0].replace(".", "/").rpartition("/")[2]
    return _OF_RECURRENT_LAYER.sub("", leaf)


def is_kernel(variable: str, shape: Sequence[int] | None, kind: str | None) -> bool:
    """Whether a variable multiplies what its layer gets: a matrix or a convolution's filters; not a bias, a scale or an embedding.

    Args:
        variable: its name.
        shape: None if unknown; then the name decides.
        kind: of its layer; None if unknown. Of a kind that is not known here, every variable of two axes or more is a kernel, but those
            that are called bias, scale, token or embedding.
    """
    leaf, known = leaf_of(variable), find(kind)
    if leaf in _NOT_KERNELS or leaf in STATE_NAMES:
        return False
    names = known.kernels if known is not None else None
    if shape is None:
        return leaf in (_KERNEL_NAMES if names is None else names)
    if len(shape) < _KERNEL_AXES:
        return False
    if names is None:
        return "embed" not in variable.lower()
    return bool(names)


def multiplies(variable: str, shape: Sequence[int] | None, layer: Layer | None) -> bool:
    """Whether a variable is a kernel of its layer: as the layer says, or else as `is_kernel` does by names.

    Args:
        variable: its name.
        shape: None if unknown.
        layer: that it belongs to; None if unknown.
    """
    if layer is not None and layer.kernels is not None:
        return variable in layer.kernels
    return is_kernel(variable, shape, layer.kind if layer is not None else None)


def kernel_of(layer: Layer, shapes: Mapping[str, Sequence[int]]) -> str | None:
    """The variable that stands for a layer: the kernel that makes its channels, or else the largest, of equal ones the first.

    None if the layer has no kernel.

    Args:
        layer: the layer.
        shapes: of variables, by name.
    """
    kernels = [name for name in layer.weights if multiplies(name, shapes.get(name), layer)]
    known = find(layer.kind)
    to_channels = [name for name in kernels if known is not None and leaf_of(name) == known.to_channels]
    return max(to_channels or kernels, key=lambda name: math.prod(shapes[name]) if name in shapes else 0, default=None)


def kernels_of(record: RunRecord) -> dict[str, str]:
    """The kernel of each layer of a run that has one, by the layer's name."""
    found = ((layer.name, kernel_of(layer, record.variable_shapes)) for layer in record.layers)
    return {layer: kernel for layer, kernel in found if kernel is not None}
