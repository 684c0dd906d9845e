"""What the axes of an operation's outputs mean, by those of its operands: one rule for each primitive of JAX that moves axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tb_featuremap_plugin.integrations.jax.axes import (
    CHANNEL,
    SAME,
    SAMPLE,
    SPACE,
    UNKNOWN,
    Axes,
    Axis,
    Factor,
    axis,
    combined,
    filled,
    is_of_parameter,
    parameter_of,
    reshaped,
    resized,
    space,
)

Shape = tuple[int, ...]
Rule = Callable[[Any, Sequence[Axes], Shape], Axes]


def axes_after(equation: Any, operands: Sequence[Axes], shape: Shape) -> Axes:
    """The axes of an equation's output.

    Args:
        equation: of a jaxpr.
        operands: axes of its inputs.
        shape: of the output.
    """
    rule = _RULES.get(equation.primitive.name, _alike)
    return rule(equation, operands, shape)


def kernel_layout(equation: Any, operands: Sequence[Axes]) -> tuple[str, str] | None:
    """The parameter that an equation multiplies data with, and the layout of it, such as "HWIO"; None where it multiplies no parameter."""
    roles = _roles(equation, operands)
    letters: dict[int, str] = {}
    names: set[str] = set()
    for one, letter in roles:
        for factor in one:
            if not is_of_parameter(factor) or factor.size != factor.total:
                return None
            name, index = parameter_of(factor)
            names.add(name)
            letters[index] = letter
    if len(names) != 1:
        return None
    short = [letter for one, letter in roles if not one]
    missing = [index for index in range(len(letters) + len(short)) if index not in letters]
    letters.update(zip(missing, short, strict=False))  # axes of one entry bear no label: they keep their order
    return names.pop(), "".join(letter for _, letter in sorted(letters.items()))


def _roles(equation: Any, operands: Sequence[Axes]) -> list[tuple[Axis, str]]:
    """The axes of what could be a kernel, each with what it is: O, I, or one of space."""
    if equation.primitive.name == "conv_general_dilated":
        outputs, inputs, *places = equation.params["dimension_numbers"].rhs_spec
        letters = ("O", "I", *("DHW"[-len(places) :] if places else ""))
        roles = sorted(zip((outputs, inputs, *places), letters, strict=True))
        return [(operands[1][index], letter) for index, letter in roles]
    if equation.primitive.name == "dot_general":
        contracted, _ = equation.params["dimension_numbers"]
        side = _weights(operands)
        if side is not None:
            return [(one, "I" if index in contracted[side] else "O") for index, one in enumerate(operands[side])]
    return []


def _weights(operands: Sequence[Axes]) -> int | None:
    """Which of two operands is made of parameters alone, where the other one is not."""
    made = [all(is_of_parameter(factor) for one in axes for factor in one) and any(one for one in axes) for axes in operands]
    return made.index(True) if sum(made) == 1 else None


def _alike(_: Any, operands: Sequence[Axes], shape: Shape) -> Axes:
    """Entry by entry, the operands of equal rank together; unknown where the output is of another shape than all of them."""
    fitting = [axes for axes in operands if len(axes) == len(shape)]
    if not fitting:
        return filled(SAME if not any(axes for axes in operands) else UNKNOWN, shape)
    return tuple(combined([axes[index] for axes in fitting], size) for index, size in enumerate(shape))


def _windowed(_: Any, operands: Sequence[Axes], shape: Shape) -> Axes:
    """Slices, paddings, pooling, concatenation: axes stay what they are, and change in length."""
    axes = [one for one in operands if len(one) == len(shape)]
    if not axes:
        return filled(UNKNOWN, shape)
    return tuple(_of_length([one[index] for one in axes], size) for index, size in enumerate(shape))


def _of_length(candidates: Sequence[Axis], size: int) -> Axis:
    telling = [one for one in candidates if any(factor.known and not is_of_parameter(factor) for factor in one)]
    one = (telling or [candidate for candidate in candidates if candidate] or [()])[0]
    return resized(one, size) if one else axis(SAME, size)


def _transpose(equation: Any, operands: Sequence[Axes], _: Shape) -> Axes:
    return tuple(operands[0][index] for index in equation.params["permutation"])


def _reshape(_: Any, operands: Sequence[Axes], shape: Shape) -> Axes:
    return reshaped(operands[0], shape)


def _broadcast(equation: Any, operands: Sequence[Axes], shape: Shape) -> Axes:
    result = [axis(SAME, size) for size in shape]
    for old, new in zip(operands[0], equation.params["broadcast_dimensions"], strict=True):
        if old:
            result[int(new)] = old
    return tuple(result)


def _without(name: str) -> Rule:
    def rule(equation: Any, operands: Sequence[Axes], shape: Shape) -> Axes:
        gone = {int(index) % max(len(operands[0]), 1) for index in equation.params[name]}
        return tuple(one for index, one in enumerate(operands[0]) if index not in gone)

    return rule


def _convolution(equation: Any, operands: Sequence[Axes], shape: Shape) -> Axes:
    numbers = equation.params["dimension_numbers"]
    batch, _, *places = numbers.lhs_spec
    _, channel_out, *places_out = numbers.out_spec
    result: list[Axis] = [()] * len(shape)
    result[numbers.out_spec[0]] = operands[0][batch]
    result[channel_out] = axis(CHANNEL, shape[channel_out])
    labels = [_place(operands[0][index], number) for number, index in enumerate(places)]
    if len(set(labels)) < len(labels):
        labels = [space(number) for number in range(len(places))]
    for label, index in zip(labels, places_out, strict=True):
        result[index] = axis(label, shape[index])
    return tuple(result)


def _place(one: Axis, number: int) -> str:
    """A convolution moves over space, whatever its axis was taken for before."""
    label = one[0].label if len(one) == 1 else UNKNOWN
    return label if label.startswith(SPACE) else space(number)


def _product(equation: Any, operands: Sequence[Axes], shape: Shape) -> Axes:
    (contracted, batched) = equation.params["dimension_numbers"]
    weights = _weights(operands)
    free = [[index for index in range(len(axes)) if index not in (*contracted[side], *batched[side])] for side, axes in enumerate(operands)]
    batch = [[operands[0][left], operands[1][right]] for left, right in zip(*batched, strict=True)]
    result = [combined(one, size) for one, size in zip(batch, shape, strict=False)]
    sizes = iter(shape[len(result) :])
    kept = [[(operands[side][index], next(sizes)) for index in free[side]] for side in (0, 1)]
    if weights is not None:
        data = 1 - weights
        summed = [operands[data][index] for index in contracted[data]]
        others = [one for one, _ in kept[data]] + result
        kept[weights] = _made(kept[weights], _made_label(summed, others))
    named = [one for side in (0, 1) for one, _ in kept[side]]
    return (*result, *_distinct(named, result))


def _made_label(summed: Sequence[Axis], others: Sequence[Axis]) -> str:
    """What a matrix puts out: channels; where it mixes places and leaves channels alone, places."""
    labels = {factor.label for one in summed for factor in one}
    has_channels = any(factor.label == CHANNEL for one in others for factor in one)
    if not has_channels:
        return CHANNEL
    return labels.pop() if len(labels) == 1 and next(iter(labels)).startswith(SPACE) else UNKNOWN


def _made(axes: Sequence[tuple[Axis, int]], label: str) -> list[tuple[Axis, int]]:
    """Axes of a kernel's outputs, as parts of one axis."""
    total = math.prod(size for _, size in axes)
    result: list[tuple[Axis, int]] = []
    stride = total
    for _, size in axes:
        stride //= size
        result.append((() if size == 1 else (Factor(label, size, stride, total),), size))
    return result


def _distinct(axes: Sequence[Axis], before: Sequence[Axis]) -> list[Axis]:
    """The second axis of two that say the same, as those of queries and keys do, is not known."""
    seen = {factor for one in before for factor in one if factor.known}
    result: list[Axis] = []
    for one in axes:
        again = any(factor in seen for factor in one)
        result.append(axis(UNKNOWN, math.prod(factor.size for factor in one)) if again else one)
        seen.update(factor for factor in one if factor.known)
    return result


def _gather(equation: Any, operands: Sequence[Axes], shape: Shape) -> Axes:
    """Rows of a table, by numbers: the numbers' axes, then the table's; a table of parameters has channels."""
    numbers = equation.params["dimension_numbers"]
    sizes = equation.params["slice_sizes"]
    table, indices = operands[0], list(operands[1][:-1])
    dropped = {*numbers.collapsed_slice_dims, *getattr(numbers, "operand_batching_dims", ())}
    left = [index for index in range(len(table)) if index not in dropped]
    result: list[Axis] = [()] * len(shape)
    for index, place in zip(left, numbers.offset_dims, strict=True):
        one = table[index]
        parameter = bool(one) and all(is_of_parameter(factor) for factor in one)
        result[place] = axis(CHANNEL, shape[place]) if parameter else resized(one, sizes[index])
    for place in range(len(shape)):
        if place not in numbers.offset_dims:
            result[place] = resized(indices.pop(0), shape[place]) if indices else axis(UNKNOWN, shape[place])
    return tuple(result)


def _like_first(_: Any, operands: Sequence[Axes], shape: Shape) -> Axes:
    return operands[0] if len(operands[0]) == len(shape) else filled(UNKNOWN, shape)


def _constant(_: Any, operands: Sequence[Axes], shape: Shape) -> Axes:
    return filled(SAME, shape)


_WINDOWED = (
    *("slice", "dynamic_slice", "pad", "concatenate", "split", "reduce_window", "reduce_window_sum", "reduce_window_max"),
    *("reduce_window_min", "select_and_gather_add", "cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"),
)
_REDUCTIONS = ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "argmax", "argmin")
_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_WINDOWED, _windowed),
    **dict.fromkeys(_REDUCTIONS, _without("axes")),
    **dict.fromkeys(("dynamic_update_slice", "scatter", "scatter-add", "scatter_add", "sort", "rev", "copy"), _like_first),
    **dict.fromkeys(("iota", "random_bits", "random_seed", "random_wrap"), _constant),
    "squeeze": _without("dimensions"),
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_in_dim": _broadcast,
    "conv_general_dilated": _convolution,
    "dot_general": _product,
    "gather": _gather,
}


def input_axes(shape: Shape, data_format: str, samples: int, *, whole_numbers: bool) -> Axes:
    """What the axes of a probe are taken for until an operation says more.

    Args:
        shape: of the input.
        data_format: "channels_last" or "channels_first".
        samples: in the probe.
        whole_numbers: whether it holds whole numbers, as tokens do: those have no channels.
    """
    if not shape or shape[0] != samples:
        return filled(UNKNOWN, shape)
    rest = len(shape) - 1
    if whole_numbers and rest == 1:
        labels = [space(0)]
    elif data_format == "channels_first":
        labels = [CHANNEL, *map(space, range(rest - 1))] if rest else []
    else:
        labels = [*map(space, range(rest - 1)), CHANNEL] if rest else []
    return tuple(axis(label, size) for label, size in zip([SAMPLE, *labels], shape, strict=True))
