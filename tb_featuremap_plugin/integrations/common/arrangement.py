"""How an array whose axes are known is put into a layout: samples, channels and at most three axes of space."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tb_featuremap_plugin.arrays.layouts import FEATURE_MAP_LAYOUTS
from tb_featuremap_plugin.integrations.common.axis_labels import Axis, Factor, Labels, Origins, Role, Trust, merged, size_of

_SPACE = {0: "", 1: "W", 2: "HW", 3: "DHW"}
_MOST_SPACE = 3


@dataclass(frozen=True)
class Arrangement:
    """What to do with an array before it has a layout: a reshape, a permutation, a reshape; nothing where `order` is empty.

    Attributes:
        shape: of the array that this was made for.
        layout: that it then has, one of `FEATURE_MAP_LAYOUTS`.
        split: shape with merged axes taken apart.
        order: of the axes of `split`.
        joined: the shape in the end.
    """

    shape: tuple[int, ...]
    layout: str
    split: tuple[int, ...] = ()
    order: tuple[int, ...] = ()
    joined: tuple[int, ...] = ()


def arrangement(labels: Labels, origins: Origins) -> Arrangement | None:
    """How to lay out an array; None where it is not certain which axis holds the samples and which the channels.

    Samples that something was merged into, such as windows, are taken apart: they come first, what was merged becomes space, and windows of
    a height and a width become that again. Of more than three axes of space the outer ones are merged.

    Args:
        labels: of the array.
        origins: what was learnt of its axes.
    """
    samples = _samples(labels, origins)
    heads = _spread_channel(labels, origins) if samples else ()
    if samples and heads:
        return _taken_apart(labels, heads, samples, origins)
    channel = _channel_axis(labels, origins) if samples else None
    if samples is None or channel is None:
        return None
    return _as_it_is(labels, channel, origins) or _taken_apart(labels, [channel], samples, origins)


def _samples(labels: Labels, origins: Origins) -> list[Factor] | None:
    """The factors that together are all samples, the outermost first; None if there are no such, or more than one set."""
    found = [factor for axis in labels.axes for factor in axis if origins.is_sample(factor)]
    ordered = sorted(found, key=lambda factor: -factor.stride)
    whole = merged(ordered)
    return ordered if origins.sample is not None and len(whole) == 1 and whole[0].size == origins.sample.size else None


def _spread_channel(labels: Labels, origins: Origins) -> list[int]:
    """The axes that together are the channels, one after the other, as heads and the units of a head are; [] where one axis holds them."""
    found = [at for at, axis in enumerate(labels.axes) if any(factor.origin in labels.channel for factor in axis)]
    factors = [factor for at in found for factor in labels.axes[at]]
    whole = len({factor.origin for factor in factors}) == 1 and len(merged(factors)) == 1
    return found if len(found) > 1 and whole and not any(map(origins.is_sample, factors)) else []


def _channel_axis(labels: Labels, origins: Origins) -> int | None:
    """The axis whose factors, but for samples, are the channels; None if that is not certain."""
    wanted = [at for at, axis in enumerate(labels.axes) if any(factor.origin in labels.channel for factor in axis)]
    if not wanted:
        return _surest(range(len(labels.axes)), labels, origins, exact=False)
    pure = [at for at in wanted if all(factor.origin in labels.channel for factor in labels.axes[at] if factor.size > 1)]
    free = [at for at in wanted if not any(origins.is_sample(factor) for factor in labels.axes[at])]
    for candidates in ([at for at in pure if at in free], free, wanted):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            return _surest(candidates, labels, origins, exact=True)
    return None


def _surest(candidates: Iterable[int], labels: Labels, origins: Origins, *, exact: bool) -> int | None:
    """The one axis that is most surely channels.

    Args:
        candidates: axes.
        labels: of the array.
        origins: what was learnt.
        exact: whether what was learnt of a whole axis says nothing of its digits.
    """
    best: dict[int, int] = {}
    for at in candidates:
        large = [factor for factor in labels.axes[at] if factor.size > 1 and not origins.is_sample(factor)] or labels.axes[at]
        known = [origins.meaning(factor) if not exact else origins.own_meaning(factor) for factor in large]
        if known and all(role == Role.CHANNEL for _, role in known):
            best[at] = min(trust for trust, _ in known)
    top = [at for at, trust in best.items() if trust == max(best.values())]
    return top[0] if len(top) == 1 else None


def _as_it_is(labels: Labels, channel: int, origins: Origins) -> Arrangement | None:
    """The layout of an array each of whose axes is one thing, if it has a name."""
    if any(_is_flattened(axis, origins) for at, axis in enumerate(labels.axes) if at != channel):
        return None
    letters, space = [], 0
    for at, axis in enumerate(labels.axes):
        samples = [factor for factor in axis if origins.is_sample(factor)]
        if samples and (at == channel or size_of(samples) != size_of(axis)):
            return None
        if at == channel and _hides_channel(axis, labels):
            return None
        letters.append("N" if samples else "C" if at == channel else "S")
        space += letters[-1] == "S"
    if space > _MOST_SPACE:
        return None
    names = iter(_SPACE[space])
    layout = "".join(next(names) if letter == "S" else letter for letter in letters)
    return Arrangement(labels.shape, layout) if layout in FEATURE_MAP_LAYOUTS else None


def _is_flattened(axis: Axis, origins: Origins) -> bool:
    """Whether an axis is a whole height and a whole width that a convolution moved over, as the tokens of an image are."""
    parts = [factor for factor in axis if factor.size > 1]
    return len(parts) > 1 and all(
        factor.is_whole and not origins.is_sample(factor) and origins.meaning(factor) == (Trust.CONVOLUTION, Role.POSITION)
        for factor in parts
    )


def _hides_channel(axis: Axis, labels: Labels) -> bool:
    """Whether an axis is a single channel that positions were merged into."""
    own = [factor for factor in axis if factor.origin in labels.channel]
    return bool(own) and size_of(own) == 1 < size_of(axis)


def _taken_apart(labels: Labels, channel: Sequence[int], samples: Sequence[Factor], origins: Origins) -> Arrangement:
    factors = [(at, factor) for at, axis in enumerate(labels.axes) for factor in axis]
    own = {at for at, factor in factors if factor in samples}
    hidden = any(_hides_channel(labels.axes[at], labels) for at in channel)
    channels = [
        index
        for index, (at, factor) in enumerate(factors)
        if at in channel and factor not in samples and (factor.origin in labels.channel or not (hidden or at in own))
    ]
    first = [next(index for index, (_, factor) in enumerate(factors) if factor == sample) for sample in samples]
    groups = _groups(factors, {*first, *channels})
    rest = [index for group in groups for index in group]
    sizes = [factor.size for _, factor in factors]

    def size(indices: Iterable[int]) -> int:
        return size_of(factors[index][1] for index in indices)

    space = tuple(size(group) for group in groups)
    last = channel[-1] == len(labels.axes) - 1 and channel[0] > 0
    order = (*first, *rest, *channels) if last else (*first, *channels, *rest)
    joined = (size(first), *space, size(channels)) if last else (size(first), size(channels), *space)
    letters = _SPACE[len(groups)]
    return Arrangement(labels.shape, f"N{letters}C" if last else f"NC{letters}", tuple(sizes), order, joined)


def _groups(factors: Sequence[tuple[int, Factor]], used: set[int]) -> list[list[int]]:
    """Which factors make an axis of space each, three at most."""
    by_axis: dict[int, list[int]] = {}
    by_origin: dict[int, list[int]] = {}
    for index, (at, factor) in enumerate(factors):
        if index not in used:
            by_axis.setdefault(at, []).append(index)
            by_origin.setdefault(factor.origin, []).append(index)
    again = [sorted(group, key=lambda index: -factors[index][1].stride) for group in by_origin.values()]
    complete = all(len(merged(factors[index][1] for index in group)) == 1 for group in again)
    whole = all(merged(factors[index][1] for index in group)[0].is_whole for group in again)
    groups = again if complete and whole and len(again) <= _MOST_SPACE else list(by_axis.values())
    outer = len(groups) - _MOST_SPACE + 1
    return groups if outer < 2 else [[index for group in groups[:outer] for index in group], *groups[outer:]]
