"""What torch's operators do to axes: one entry an operator of `torch.ops.aten`, which all functions and methods are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tb_featuremap_plugin.integrations.common import axes as algebra
from tb_featuremap_plugin.integrations.common.axis_labels import Axis, Labels, Origins, Role, Trust, size_of


@dataclass(frozen=True)
class OperatorCall:
    """One call of an operator.

    Attributes:
        name: such as "add", without the underscore of one that works in place.
        arguments: by their names in the operator's schema.
        outputs: its tensors.
        labels: of a tensor.
        from_input: whether a tensor comes from the model's input.
        origins: that learn.
    """

    name: str
    arguments: dict[str, Any]
    outputs: Sequence[torch.Tensor]
    labels: Callable[[torch.Tensor], Labels]
    from_input: Callable[[torch.Tensor], bool]
    origins: Origins

    @property
    def first(self) -> torch.Tensor:
        """The first tensor that it was given."""
        return next(value for value in self.arguments.values() if isinstance(value, torch.Tensor))

    @property
    def output(self) -> torch.Tensor:
        """Its first tensor."""
        return self.outputs[0]

    def dim(self, key: str = "dim", default: int = 0) -> int:
        """An axis from 0."""
        value = self.arguments.get(key, default)
        return int(value) % max(1, int(self.first.ndim))


Rule = Callable[[OperatorCall], Labels | list[Labels] | None]


def labels_after(call: OperatorCall, *, pointwise: bool) -> list[Labels]:
    """Labels of each output of an operator; of what is not known here unknown ones, unless an output has the shape of an input.

    Args:
        call: of the operator.
        pointwise: whether it works entry by entry.
    """
    rule = RULES.get(call.name) or (_pointwise if pointwise else _same)
    found = rule(call)
    several = found if isinstance(found, list) else [found] * len(call.outputs)
    return [
        labels if labels is not None and labels.shape == tuple(output.shape) else algebra.unknown(output.shape, call.origins)
        for labels, output in zip([*several, *[None] * len(call.outputs)], call.outputs, strict=False)
    ]


def _same(call: OperatorCall) -> Labels | None:
    shape = call.output.shape
    given = [value for value in call.arguments.values() if isinstance(value, torch.Tensor) and value.shape == shape]
    return call.labels(given[0]) if given and not call.name.startswith("linalg") else None


def _pointwise(call: OperatorCall) -> Labels | None:
    given = [call.labels(value) for value in call.arguments.values() if isinstance(value, torch.Tensor) and value.ndim]
    return algebra.join(given, call.origins) if given else None


def _reshape(call: OperatorCall) -> Labels | None:
    if call.first.numel() != call.output.numel() or call.output.numel() == 0:
        return None
    return algebra.reshape(call.labels(call.first), call.output.shape, call.origins)


def _permute(call: OperatorCall) -> Labels:
    ndim = call.first.ndim
    return algebra.permute(call.labels(call.first), [axis % ndim for axis in call.arguments["dims"]])


def _transpose(call: OperatorCall) -> Labels:
    order = list(range(call.first.ndim))
    one, other = (call.dim("dim0"), call.dim("dim1")) if "dim0" in call.arguments else (0, call.first.ndim - 1)
    order[one], order[other] = order[other], order[one]
    return algebra.permute(call.labels(call.first), order)


def _unsqueeze(call: OperatorCall) -> Labels:
    return algebra.insert(call.labels(call.first), call.arguments["dim"] % (call.first.ndim + 1))


def _squeeze(call: OperatorCall) -> Labels:
    ndim, dims = call.first.ndim, call.arguments.get("dim")
    chosen = range(ndim) if dims is None else [axis % ndim for axis in ([dims] if isinstance(dims, int) else dims)]
    return algebra.drop(call.labels(call.first), [axis for axis in chosen if call.first.shape[axis] == 1])


def _expand(call: OperatorCall) -> Labels:
    return algebra.expand(call.labels(call.first), call.output.shape, call.origins)


def _repeat(call: OperatorCall) -> Labels:
    labels = call.labels(call.first)
    axes = ((),) * (call.output.ndim - len(labels.axes)) + labels.axes
    times = [size // max(1, size_of(axis)) for axis, size in zip(axes, call.output.shape, strict=True)]
    return Labels(tuple((call.origins.new(n), *axis) if n > 1 else axis for axis, n in zip(axes, times, strict=True)), labels.channel)


def _select(call: OperatorCall) -> Labels:
    return algebra.select(call.labels(call.first), call.dim())


def _resized(call: OperatorCall) -> list[Labels] | None:
    labels = call.labels(call.first)
    if any(output.ndim != len(labels.axes) for output in call.outputs):
        return None
    return [algebra.resized(labels, output.shape, call.origins) for output in call.outputs]


def _concatenate(call: OperatorCall) -> Labels:
    tensors = [tensor for tensor in call.arguments["tensors"] if tensor.ndim == call.output.ndim]
    at = call.arguments.get("dim", 0) % call.output.ndim
    return algebra.concatenate([call.labels(tensor) for tensor in tensors], at, call.output.shape[at], call.origins)


def _stack(call: OperatorCall) -> Labels:
    given = [call.labels(tensor) for tensor in call.arguments["tensors"]]
    return algebra.stack(given, call.arguments.get("dim", 0) % call.output.ndim, call.origins)


def _reduce(call: OperatorCall) -> Labels:
    labels, ndim, dims = call.labels(call.first), call.first.ndim, call.arguments.get("dim")
    if isinstance(dims, int):
        dims = [dims]
    summed = [axis % ndim for axis in dims] if dims and ndim else list(range(ndim))
    return algebra.keep_as_one(labels, summed, call.origins) if call.output.ndim == ndim else algebra.drop(labels, summed)


def _convolution(call: OperatorCall) -> Labels:
    return algebra.convolve(call.labels(call.first), call.output.shape, int(call.arguments.get("groups", 1) or 1), call.origins)


def _at_axis_1(call: OperatorCall) -> list[Labels]:
    return [algebra.anchored(call.labels(call.first), 1, Trust.NORMALISATION, call.origins)]


def _layer_norm(call: OperatorCall) -> list[Labels]:
    labels, sizes = call.labels(call.first), call.arguments["normalized_shape"]
    return [algebra.anchored(labels, len(labels.axes) - 1, Trust.NORMALISATION, call.origins) if len(sizes) == 1 else labels]


def _product(call: OperatorCall) -> Labels:
    one, other = (call.arguments[key] for key in _OPERANDS.get(call.name, ("self", "mat2")))
    is_weight = (not call.from_input(one), not call.from_input(other))
    return algebra.matrix_product(call.labels(one), call.labels(other), call.origins, is_weight)


_OPERANDS = {"addmm": ("mat1", "mat2"), "baddbmm": ("batch1", "batch2"), "matmul": ("self", "other")}


def _linear(call: OperatorCall) -> Labels:
    return algebra.dense(call.labels(call.first), call.output.shape[-1], call.origins)


def _embedding(call: OperatorCall) -> Labels:
    ids = call.labels(call.arguments["indices"])
    for axis in ids.axes:
        call.origins.claim_axis(axis, Role.POSITION, Trust.NORMALISATION)
    new = call.origins.new(call.output.shape[-1], Role.CHANNEL, Trust.NORMALISATION)
    return Labels((*ids.axes, (new,)), frozenset({new.origin}))


def _index(call: OperatorCall) -> Labels | None:
    """`x[:, i, j]`: the axes of all indices together come where the indexed axes stood, or first where those were apart."""
    labels, indices = call.labels(call.first), call.arguments["indices"]
    used = [axis for axis, index in enumerate(indices) if index is not None]
    given = [indices[axis] for axis in used]
    if any(index.dtype in (torch.bool, torch.uint8) for index in given):
        return None
    joined = algebra.join([call.labels(index) for index in given], call.origins)
    taken = joined.axes
    if len(used) == 1 and len(taken) == 1 and not any(map(call.origins.is_sample, taken[0])):
        taken = (_moved(labels.axes[used[0]], taken[0], size_of(taken[0]), call.origins),)
    apart = used != list(range(used[0], used[-1] + 1))
    at = 0 if apart else used[0]
    rest = [axis for index, axis in enumerate(labels.axes) if index not in used]
    changed = Labels((*rest[:at], *taken, *rest[at:]), labels.channel)
    if len(used) == 1 and len(taken) == 1:
        return algebra.moved_channel(labels, changed)
    return changed


def _moved(axis: Axis, index: Axis, size: int, origins: Origins) -> Axis:
    """An axis of which some entries were taken; all in another order are not the same samples."""
    known = [factor for factor in axis if origins.role(factor) and not origins.is_sample(factor)]
    return (origins.new(size, like=known[0]),) if known else index if not any(map(origins.is_sample, axis)) else (origins.new(size),)


def _index_select(call: OperatorCall) -> Labels:
    labels, at = call.labels(call.first), call.dim()
    return algebra.moved_channel(
        labels, algebra.replace_axis(labels, at, [algebra.with_size(labels.axes[at], call.output.shape[at], call.origins)])
    )


def _gather(call: OperatorCall) -> Labels:
    at, index, labels = call.dim(), call.labels(call.arguments["index"]), call.labels(call.first)
    fitting = algebra.resized(labels, call.output.shape, call.origins)
    axes = [
        algebra.join([Labels((one,)), Labels((other,))], call.origins).axes[0] if axis != at else other
        for axis, (one, other) in enumerate(zip(index.axes, fitting.axes, strict=True))
    ]
    return Labels(tuple(axes), fitting.channel)


def _windows(call: OperatorCall) -> Labels:
    """`x.unfold(dim, size, step)`: windows along an axis, and positions within them as the last one."""
    labels, at = call.labels(call.first), call.dim("dimension")
    moved = algebra.replace_axis(labels, at, [algebra.with_size(labels.axes[at], call.output.shape[at], call.origins)])
    inner = call.origins.new(call.output.shape[-1], Role.POSITION, Trust.JOINED)
    return Labels((*moved.axes, (inner,)), moved.channel)


def _patches(call: OperatorCall) -> Labels | None:
    """`F.unfold`: [samples, channels * window, positions]."""
    labels = call.labels(call.first)
    if len(labels.axes) != 4:
        return None
    before, channels, _, _ = labels.axes
    window = call.origins.new(call.output.shape[1] // max(1, size_of(channels)), Role.POSITION, Trust.JOINED)
    positions = call.origins.new(call.output.shape[2], Role.POSITION, Trust.JOINED)
    return Labels((before, (*channels, window), (positions,)), frozenset(factor.origin for factor in channels))


def _unpatched(call: OperatorCall) -> Labels | None:
    """`F.fold`: the way back."""
    labels, shape = call.labels(call.first), call.output.shape
    if len(labels.axes) != 3 or len(shape) != 4:
        return None
    before, patches, _ = labels.axes
    size = shape[1]
    channels = patches[:1] if patches and patches[0].size == size else (call.origins.new(size, Role.CHANNEL, Trust.JOINED),)
    space = [(call.origins.new(n, Role.POSITION, Trust.JOINED),) for n in shape[2:]]
    return Labels((before, channels, *space), frozenset(factor.origin for factor in channels))


def _attention(call: OperatorCall) -> list[Labels]:
    query, key, value = (call.labels(call.arguments[key]) for key in ("query", "key", "value"))
    return [attended(query, key, value, call.origins)]


def attended(query: Labels, key: Labels, value: Labels, origins: Origins) -> Labels:
    """Of attention over [*batch, positions, channels]: the queries' positions with the values' channels."""
    before = algebra.join([Labels(labels.axes[:-2]) for labels in (value, key, query) if len(labels.axes) == len(query.axes)], origins)
    return Labels((*before.axes, query.axes[-2], value.axes[-1]), value.channel)


def _regions(call: OperatorCall) -> Labels:
    """Regions cut out of maps: how many there are of which sample is not known."""
    labels, shape = call.labels(call.first), call.output.shape
    space = [(call.origins.new(size, Role.POSITION, Trust.JOINED),) for size in shape[2:]]
    channels = algebra.with_size(labels.axes[1], shape[1], call.origins)
    return Labels(((call.origins.new(shape[0]),), channels, *space), labels.channel | {factor.origin for factor in channels})


def _rules(rule: Rule, *names: str) -> dict[str, Rule]:
    return dict.fromkeys(names, rule)


_NORMS = ("native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "_batch_norm_with_update", "_native_batch_norm_legit", "batch_norm")
_SUMS = (
    "mean",
    "sum",
    "amax",
    "amin",
    "prod",
    "var",
    "std",
    "var_mean",
    "std_mean",
    "logsumexp",
    "linalg_vector_norm",
    "norm",
    "any",
    "all",
)
_POOLS = (
    *("max_pool1d", "max_pool2d", "max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d"),
    *("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"),
    *("mkldnn_adaptive_avg_pool2d", "fractional_max_pool2d", "fractional_max_pool3d", "max_unpool2d", "max_unpool3d"),
)
_PADS = tuple(f"{kind}_pad{n}d" for kind in ("reflection", "replication") for n in (1, 2, 3))
_UPSAMPLES = tuple(
    f"{prefix}upsample_{kind}"
    for prefix in ("", "_")
    for kind in (
        *("nearest1d", "nearest2d", "nearest3d", "linear1d", "bilinear2d", "bicubic2d", "trilinear3d", "bilinear2d_aa", "bicubic2d_aa"),
        *("nearest_exact1d", "nearest_exact2d", "nearest_exact3d"),
    )
)

RULES: dict[str, Rule] = {
    **_rules(_reshape, "view", "_unsafe_view", "reshape", "_reshape_alias", "view_copy", "flatten", "unflatten", "resize"),
    **_rules(_permute, "permute", "permute_copy"),
    **_rules(_transpose, "transpose", "t", "transpose_copy", "t_copy", "swapaxes", "numpy_T"),
    **_rules(_unsqueeze, "unsqueeze", "unsqueeze_copy"),
    **_rules(_squeeze, "squeeze", "squeeze_copy"),
    **_rules(_expand, "expand", "expand_copy", "broadcast_to"),
    **_rules(_repeat, "repeat", "tile"),
    **_rules(_select, "select", "unbind", "select_copy"),
    **_rules(_resized, "slice", "split", "split_with_sizes", "chunk", "narrow", "topk", "glu", "constant_pad_nd", "grid_sampler_2d"),
    **_rules(_resized, "grid_sampler_3d", "pixel_shuffle", "pixel_unshuffle", "_fft_r2c", "_fft_c2r", "_fft_c2c", "unsafe_split", "pad"),
    **_rules(_resized, "cudnn_grid_sampler", "unsafe_chunk", "unsafe_split_with_sizes", *_POOLS, *_PADS, *_UPSAMPLES),
    **_rules(_concatenate, "cat", "concat"),
    **_rules(_stack, "stack"),
    **_rules(_reduce, *_SUMS, "argmax", "argmin", "max", "min", "median", "nanmedian", "mode", "count_nonzero", "nansum", "kthvalue"),
    **_rules(
        _convolution, "convolution", "_convolution", "convolution_overrideable", "mkldnn_convolution", "cudnn_convolution", "deform_conv2d"
    ),
    **_rules(_at_axis_1, *_NORMS, "native_group_norm"),
    **_rules(_layer_norm, "native_layer_norm", "_fused_rms_norm", "rms_norm"),
    **_rules(_product, "mm", "bmm", "addmm", "baddbmm", "_int_mm"),
    **_rules(_linear, "linear", "mkldnn_linear", "_mkl_linear", "linear_dynamic", "linear_dynamic_fp16", "linear_relu_dynamic"),
    **_rules(_embedding, "embedding"),
    **_rules(_index, "index"),
    **_rules(_index_select, "index_select"),
    **_rules(_gather, "gather"),
    **_rules(_windows, "unfold"),
    **_rules(_patches, "im2col"),
    **_rules(_unpatched, "col2im"),
    **_rules(_attention, "_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_for_cpu"),
    **_rules(_attention, "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention"),
    **_rules(_regions, "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool"),
    **_rules(_pointwise, "copy", "where", "lerp", "addcmul", "addcdiv", "masked_fill", "maximum", "minimum", "clamp"),
}
"""What an operator does to the axes of its tensors; one that is not listed keeps those of the input that its output has the shape of."""

CONTRACTIONS = frozenset(name for name, rule in RULES.items() if rule in (_product, _linear, _convolution))
"""Operators that multiply and sum up."""
