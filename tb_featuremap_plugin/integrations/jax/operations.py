"""What JAX's primitives do to axes: one entry for each that moves them, on the algebra of `integrations/common/axes.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tb_featuremap_plugin.integrations.common import axes as algebra
from tb_featuremap_plugin.integrations.common.axis_labels import Axis, Labels, Origins, Role, Trust, size_of

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """One equation of a jaxpr.

    Attributes:
        name: of the primitive.
        params: of the equation.
        operands: labels of what it was given.
        from_input: of each operand, whether it comes from the model's input.
        shapes: of the outputs.
        origins: that learn.
    """

    name: str
    params: Mapping[str, Any]
    operands: Sequence[Labels]
    from_input: Sequence[bool]
    shapes: Sequence[Shape]
    origins: Origins

    @property
    def first(self) -> Labels:
        """Labels of the first operand."""
        return self.operands[0]

    @property
    def shape(self) -> Shape:
        """Of the first output."""
        return self.shapes[0]


Rule = Callable[[Operation], Labels | list[Labels] | None]


def labels_after(operation: Operation) -> list[Labels]:
    """Labels of each output of an equation; unknown ones where they do not fit its shape.

    An output of what comes from no input is a constant or a parameter, whose axes are put aside.
    """
    found = _RULES.get(operation.name, _alike)(operation) if operation.operands else None
    several = found if isinstance(found, list) else [found] * len(operation.shapes)
    return [
        labels
        if labels is not None and labels.shape == shape
        else algebra.unknown(shape, operation.origins, aside=not any(operation.from_input))
        for labels, shape in zip(several, operation.shapes, strict=True)
    ]


def _alike(operation: Operation) -> Labels | None:
    """Entry by entry, the operands of equal rank together; of an operation that is not known the same."""
    rank = len(operation.shape)
    fitting = [(labels, data) for labels, data in zip(operation.operands, operation.from_input, strict=True) if len(labels.axes) == rank]
    if not fitting or not rank:
        return None
    fitting.sort(key=lambda one: (not one[1], -size_of(factor for axis in one[0].axes for factor in axis)))
    joined = algebra.join([labels for labels, _ in fitting], operation.origins)
    if operation.name == "mul":
        _note_gain([labels for labels, data in fitting if not data], joined, operation.origins)
    data = [labels for labels, is_data in fitting if is_data]
    return replace(joined, channel=data[0].channel) if len(data) == 1 and data[0].channel and joined.axes == data[0].axes else joined


def _note_gain(gains: Sequence[Labels], product: Labels, origins: Origins) -> None:
    """Numbers that differ along one axis alone are a gain a channel, as that of a normalisation."""
    for gain in gains:
        long = [at for at, axis in enumerate(gain.axes) if size_of(axis) > 1]
        if len(long) == 1 and len(product.axes) > 1 and size_of(gain.axes[long[0]]) == size_of(product.axes[long[0]]):
            origins.claim_axis(product.axes[long[0]], Role.CHANNEL, Trust.JOINED)


def _resized(operation: Operation) -> list[Labels]:
    """Slices, paddings, pooling: axes stay what they are, and change in length."""
    return [algebra.resized(operation.first, shape, operation.origins) for shape in operation.shapes]


def _concatenate(operation: Operation) -> Labels:
    at = operation.params["dimension"]
    return algebra.concatenate(operation.operands, at, operation.shape[at], operation.origins)


def _transpose(operation: Operation) -> Labels:
    return algebra.permute(operation.first, operation.params["permutation"])


def _reshape(operation: Operation) -> Labels | None:
    return algebra.reshape(operation.first, operation.shape, operation.origins) if 0 not in operation.shape else None


def _broadcast(operation: Operation) -> Labels:
    axes: list[Axis] = [() if size == 1 else (operation.origins.new(size, aside=True),) for size in operation.shape]
    for axis, at in zip(operation.first.axes, operation.params["broadcast_dimensions"], strict=True):
        axes[at] = axis if size_of(axis) == operation.shape[at] else (*axis, *axes[at])
    return Labels(tuple(axes), operation.first.channel)


def _without(name: str) -> Rule:
    return lambda operation: algebra.drop(operation.first, [at % max(1, len(operation.first.axes)) for at in operation.params[name]])


def _convolution(operation: Operation) -> Labels | None:
    if operation.params["batch_group_count"] != 1:
        return None
    numbers, groups = operation.params["dimension_numbers"], operation.params["feature_group_count"]
    given = algebra.permute(operation.first, numbers.lhs_spec)
    made = algebra.convolve(given, [operation.shape[at] for at in numbers.out_spec], groups, operation.origins)
    back = sorted(range(len(numbers.out_spec)), key=lambda at: int(numbers.out_spec[at]))
    return algebra.permute(made, back)


def _product(operation: Operation) -> Labels:
    one, other = operation.operands
    summed, batched = operation.params["dimension_numbers"]
    is_weight = [not data and any(operation.from_input) for data in operation.from_input]
    for side in (0, 1):
        if is_weight[1 - side] and len(summed[side]) == 1:
            axis = operation.operands[side].axes[summed[side][0]]
            if algebra.holds_channels(operation.operands[side], axis):
                operation.origins.claim_axis(axis, Role.CHANNEL, Trust.DENSE)
    return algebra.contract(one, other, summed, batched, operation.origins, (is_weight[0], is_weight[1]))


def _gather(operation: Operation) -> Labels | None:
    """Rows of a table by numbers; a table of the model's own has channels, and its numbers are of positions."""
    numbers, sizes = operation.params["dimension_numbers"], operation.params["slice_sizes"]
    table, indices, origins = operation.first, operation.operands[1], operation.origins
    together = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    kept = [at for at in range(len(table.axes)) if at not in together]
    taken = list(indices.axes[:-1])
    is_table = not operation.from_input[0] and operation.from_input[1]
    if is_table:
        for axis in taken:
            origins.claim_axis(axis, Role.POSITION, Trust.NORMALISATION)
    elif len(together) == len(taken) == 1 and not operation.from_input[1]:
        taken = [_chosen(table.axes[together[0]], size_of(taken[0]), origins)]
    axes: list[Axis] = [()] * len(operation.shape)
    channel = set(table.channel)
    for at, place in zip(kept, numbers.offset_dims, strict=True):
        axes[place] = algebra.with_size(table.axes[at], sizes[at], origins)
        if is_table and sizes[at] > 1:
            axes[place] = (origins.new(sizes[at], Role.CHANNEL, Trust.NORMALISATION),)
            channel = {axes[place][0].origin}
        elif channel & {factor.origin for factor in table.axes[at]}:
            channel |= {factor.origin for factor in axes[place]}
    rest = iter(taken)
    return Labels(
        tuple(axis if at in numbers.offset_dims else next(rest, ()) for at, axis in enumerate(axes)),
        frozenset(channel),
    )


def _chosen(axis: Axis, size: int, origins: Origins) -> Axis:
    """Entries of an axis in another order: what it is, but not the same samples."""
    sample = any(map(origins.is_sample, axis))
    return (origins.new(size, like=axis[0] if len(axis) == 1 and not sample else None),)


def _turned(at: Callable[[Operation], Sequence[int]]) -> Rule:
    """Entries along some axes come in another order."""

    def rule(operation: Operation) -> list[Labels]:
        moved = []
        for labels, shape in zip(operation.operands, operation.shapes, strict=False):
            axes = list(labels.axes)
            for axis in at(operation):
                axes[axis] = _chosen(axes[axis], shape[axis], operation.origins)
            moved.append(algebra.moved_channel(labels, Labels(tuple(axes), labels.channel)))
        return moved

    return rule


def _updated(operation: Operation) -> Labels | None:
    """A part of an array is written anew: the array is what it was, or, if it is none of the data's, what is written."""
    updates = operation.operands[2 if operation.name.startswith("scatter") else 1]
    if operation.from_input[0]:
        return operation.first
    if operation.name.startswith("scatter") or len(updates.axes) != len(operation.shape):
        return None
    return algebra.join([algebra.resized(updates, operation.shape, operation.origins), operation.first], operation.origins)


def _unknown(_: Operation) -> None:
    return None


_RESIZED = (
    *("slice", "dynamic_slice", "pad", "split", "reduce_window", "reduce_window_sum", "reduce_window_max"),
    *("reduce_window_min", "select_and_gather_add", "select_and_scatter_add", "fft", "top_k"),
)
_REDUCTIONS = (*("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "reduce_xor", "argmax", "argmin"),)
_NOT_KNOWN = (
    *("iota", "random_bits", "random_seed", "random_wrap", "random_fold_in", "random_unwrap", "cholesky", "eig", "eigh", "lu", "qr", "svd"),
    *("schur", "hessenberg", "householder_product", "triangular_solve", "tridiagonal", "tridiagonal_solve", "custom_linear_solve"),
    *("pure_callback", "io_callback", "ffi_call", "all_gather", "all_to_all", "reduce_scatter", "ragged_dot", "ragged_dot_general"),
    *("while", "cond", "scan", "geqrf", "ormqr", "linear_solve", "lu_pivots_to_permutation", "pallas_call", "shard_map"),
)
_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_RESIZED, _resized),
    **dict.fromkeys(_REDUCTIONS, _without("axes")),
    **dict.fromkeys(("dynamic_update_slice", "scatter", "scatter-add", "scatter_add", "scatter-mul", "scatter_mul"), _updated),
    **dict.fromkeys(_NOT_KNOWN, _unknown),
    "rev": _turned(lambda operation: operation.params["dimensions"]),
    "sort": _turned(lambda operation: [operation.params["dimension"]]),
    "concatenate": _concatenate,
    "squeeze": _without("dimensions"),
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_in_dim": _broadcast,
    "conv_general_dilated": _convolution,
    "dot_general": _product,
    "gather": _gather,
}
"""What a primitive does to the axes of its operands; one that is not listed keeps them, where its output has their shape."""


def input_labels(shape: Shape, data_format: str, samples: int, origins: Origins, *, whole_numbers: bool) -> Labels:
    """What the axes of a probe are taken for until an operation says more.

    Args:
        shape: of the input.
        data_format: "channels_last" or "channels_first": of the latter it is not known, for sequences have their channels last there too.
        samples: in the probe.
        origins: that learn.
        whole_numbers: whether it holds whole numbers, as tokens do: those have no channels.
    """
    labels = algebra.unknown(shape, origins)
    if not shape or shape[0] != samples:
        return labels
    labels = algebra.replace_axis(labels, 0, [(origins.samples(samples),)])
    if len(shape) > 1 and data_format == "channels_last" and not (whole_numbers and len(shape) == 2):
        origins.claim_axis(labels.axes[-1], Role.CHANNEL, Trust.INPUT)
        labels = algebra.with_channel(labels, len(shape) - 1, origins)
    return labels
