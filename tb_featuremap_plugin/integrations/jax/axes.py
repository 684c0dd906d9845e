"""What each axis of an array means, kept through reshapes and products: an axis is a product of factors that bear labels.

An image batch [8, 32, 32, 3] has the axes (sample 8), (space0 32), (space1 32), (channel 3). Cut into windows and flattened to
[8 * 16, 64, 3] its first axis is the product of sample 8 and two parts of the space axes, and `canonical` can take it apart again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

SAMPLE, CHANNEL, SPACE = "sample", "channel", "space"
UNKNOWN = ""
"""Label of what could be anything."""
SAME = "="
"""Label of an axis along which nothing was said to differ: broadcast numbers, constants, masks. Any other label is better."""
_MOST_SPACE_AXES = 3


@dataclass(frozen=True)
class Factor:
    """A part of an axis: of the index `i` along an axis of `total` entries it is `i // stride % size`.

    Attributes:
        label: SAMPLE, CHANNEL, `space(0)` and so on, the name of a parameter's axis, UNKNOWN or SAME.
        size: how many values it takes.
        stride, total: where it lies in the axis that it comes from; a whole axis has stride 1 and total `size`.
    """

    label: str
    size: int
    stride: int = 1
    total: int = 0

    def __post_init__(self) -> None:
        if not self.total:
            object.__setattr__(self, "total", self.size)

    @property
    def known(self) -> bool:
        """Whether its label says anything."""
        return self.label not in (UNKNOWN, SAME)


Axis: TypeAlias = tuple[Factor, ...]
"""Factors from the slowest to the fastest; none for an axis of one entry."""
Axes: TypeAlias = tuple[Axis, ...]


def space(index: int) -> str:
    """The label of the axis of space of this number."""
    return f"{SPACE}{index}"


def axis(label: str, size: int) -> Axis:
    """A whole axis of one label."""
    return () if size == 1 else (Factor(label, size),)


def axes_of(labels: Sequence[str], shape: Sequence[int]) -> Axes:
    """Whole axes by their labels."""
    return tuple(axis(label, size) for label, size in zip(labels, shape, strict=True))


def filled(label: str, shape: Sequence[int]) -> Axes:
    """Axes that all have one label."""
    return axes_of([label] * len(shape), shape)


def reshaped(axes: Axes, shape: Sequence[int]) -> Axes:
    """Axes after a reshape: factors are handed on in order, and split or put together where the new sizes ask for it."""
    waiting = [factor for one in axes for factor in one]
    result: list[Axis] = []
    for size in shape:
        taken, waiting = _take(waiting, size)
        if taken is None:
            return filled(UNKNOWN, shape)
        result.append(merged(taken))
    return _settled(result)


def _settled(axes: Sequence[Axis]) -> Axes:
    """Axes in which channels moved into space or changed their order are taken for what they are now.

    A pixel shuffle moves parts of the channels into the axes of space: those are longer then, and what is left of the channels is all of
    them. A channel shuffle puts the parts of one axis into another order: its channels have new numbers.
    """
    moved = any(_has_part_of_channels(one) and any(factor.label.startswith(SPACE) for factor in one) for one in axes)
    result = []
    for one in axes:
        labels = {factor.label for factor in one}
        size = math.prod(factor.size for factor in one)
        if moved and _has_part_of_channels(one):
            places = [label for label in labels if label.startswith(SPACE)]
            result.append(axis(places[0] if len(places) == 1 else UNKNOWN if places else CHANNEL, size))
        elif labels == {CHANNEL} and len(one) > 1 and size == one[0].total:
            result.append(axis(CHANNEL, size))
        else:
            result.append(one)
    return tuple(result)


def _has_part_of_channels(one: Axis) -> bool:
    return any(factor.label == CHANNEL and factor.size < factor.total for factor in one)


def _take(factors: list[Factor], size: int) -> tuple[list[Factor] | None, list[Factor]]:
    """The first factors whose sizes multiply to `size`, the last one split if need be, and the rest."""
    taken: list[Factor] = []
    left, rest = size, list(factors)
    while left > 1:
        if not rest:
            return None, rest
        first = rest.pop(0)
        if left % first.size == 0:
            taken.append(first)
            left //= first.size
        elif first.size % left == 0:
            inner = first.size // left
            taken.append(replace(first, size=left, stride=first.stride * inner))
            rest.insert(0, replace(first, size=inner))
            left = 1
        else:
            return None, rest
    return taken, rest


def merged(factors: Iterable[Factor]) -> Axis:
    """Factors with neighbours that are the outer and the inner part of one axis put together again."""
    result: list[Factor] = []
    for factor in factors:
        last = result[-1] if result else None
        fits = last is not None and (last.label, last.total) == (factor.label, factor.total)
        if last is not None and fits and last.stride == factor.stride * factor.size:
            result[-1] = replace(factor, size=last.size * factor.size)
        else:
            result.append(factor)
    return tuple(result)


def resized(old: Axis, size: int) -> Axis:
    """An axis of which windows, slices or paddings left another number of entries: still what it was, if it was one thing."""
    if math.prod(factor.size for factor in old) == size:
        return old
    labels = {factor.label for factor in old}
    label = labels.pop() if len(labels) == 1 else UNKNOWN
    return axis(label if label != SAMPLE else UNKNOWN, size)


def combined(candidates: Sequence[Axis], size: int) -> Axis:
    """What an axis of `size` entries is by several operands that meet in it; unknown where two of them say different things."""
    fitting = [one for one in candidates if math.prod(factor.size for factor in one) == size and one]
    telling = [one for one in fitting if any(factor.known for factor in one)]
    data = [one for one in telling if not any(is_of_parameter(factor) for factor in one)] or telling
    if data:
        return data[0] if all(one == data[0] for one in data) else axis(UNKNOWN, size)
    unknown = any(factor.label == UNKNOWN for one in fitting for factor in one)
    return axis(UNKNOWN if unknown else SAME, size)


_PARAMETER = "parameter "


def parameter_axis(name: str, index: int) -> str:
    """The label of a parameter's own axis."""
    return f"{_PARAMETER}{index} {name}"


def is_of_parameter(factor: Factor) -> bool:
    """Whether this is an axis of a parameter and not of the data."""
    return factor.label.startswith(_PARAMETER)


def parameter_of(factor: Factor) -> tuple[str, int]:
    """The parameter's name and the number of the axis."""
    index, _, name = factor.label.removeprefix(_PARAMETER).partition(" ")
    return name, int(index)


@dataclass(frozen=True)
class Canonical:
    """How an array is brought to [samples, channels, *space]: reshape to `factors`, transpose by `order`, reshape to `shape`."""

    factors: tuple[int, ...]
    order: tuple[int, ...]
    shape: tuple[int, ...]


def canonical(axes: Axes, samples: int) -> Canonical | None:
    """How to bring an array to [samples, channels, *space]; None where an axis is not known for certain.

    Args:
        axes: of the array.
        samples: in the probe.
    """
    factors = [factor for one in axes for factor in one]
    if not all(factor.known and not is_of_parameter(factor) for factor in factors):
        return None
    labels = sorted({factor.label for factor in factors} - {SAMPLE, CHANNEL})
    groups = [[index for index, factor in enumerate(factors) if factor.label == label] for label in (SAMPLE, CHANNEL, *labels)]
    for group in groups:
        group.sort(key=lambda index: -factors[index].stride)
        if len({(factors[index].stride, factors[index].total) for index in group}) != len(group):
            return None
    sizes = [math.prod(factors[index].size for index in group) for group in groups]
    if sizes[0] != samples or len(labels) > _MOST_SPACE_AXES:
        return None
    return Canonical(tuple(factor.size for factor in factors), tuple(index for group in groups for index in group), tuple(sizes))
