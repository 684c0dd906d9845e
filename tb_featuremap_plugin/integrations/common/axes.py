"""What becomes of the meaning of axes when arrays are reshaped, permuted, joined, multiplied: functions from labels to labels.

All are pure, but that they teach `Origins` what axes mean. Nothing here knows a framework.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tb_featuremap_plugin.integrations.common.axis_labels import (
    Axis,
    Factor,
    Labels,
    Origins,
    Role,
    Shape,
    Trust,
    merged,
    replace_size,
    size_of,
)


def unknown(shape: Shape, origins: Origins, *, aside: bool = False) -> Labels:
    """Labels of an array of which nothing is known; `aside` as of `Origins.new`."""
    return Labels(tuple((origins.new(size, aside=aside),) for size in shape))


def reshape(labels: Labels, shape: Shape, origins: Origins) -> Labels:
    """After a reshape in row-major order: the digits stay in order, and are grouped anew; last axes of the same sizes are left alone."""
    same = 0
    while same < min(len(shape), len(labels.axes)) and size_of(labels.axes[-1 - same]) == shape[len(shape) - 1 - same]:
        same += 1
    changed, kept = labels.axes[: len(labels.axes) - same], labels.axes[len(labels.axes) - same :]
    waiting = [factor for axis in changed for factor in axis][::-1]
    axes = [_take(waiting, size, origins) for size in shape[: len(shape) - same]]
    if any(factor.size > 1 for factor in waiting):  # cannot happen where the sizes are those of the same array
        return unknown(shape, origins)
    if kept:  # samples of one entry that no new axis took, as in [1, 3, 4] to [3, 4]
        kept = ((*(factor for factor in waiting if origins.is_sample(factor)), *kept[0]), *kept[1:])
    return replace(labels, axes=(*axes, *kept))


def _take(waiting: list[Factor], size: int, origins: Origins) -> Axis:
    """The next factors whose product is `size`; the first is cut where it is too large. Takes them off the end of the list."""
    if size == 1:
        return (waiting.pop(),) if waiting and waiting[-1].size == 1 else ()
    taken: list[Factor] = []
    missing = size
    while missing > 1 and waiting:
        factor = waiting.pop()
        if missing % factor.size == 0:
            taken.append(factor)
            missing //= factor.size
        elif factor.size % missing == 0:
            rest = factor.size // missing
            taken.append(replace_size(factor, missing, factor.stride * rest))
            waiting.append(replace_size(factor, rest, factor.stride))
            missing = 1
        else:
            return _scrambled(waiting, [*taken, factor], size, origins)
    return merged(taken)


def _scrambled(waiting: list[Factor], taken: list[Factor], size: int, origins: Origins) -> Axis:
    """An axis whose borders cut through factors, as a wrong `view` makes them: nothing is known of it, nor of what is left of them."""
    total = size_of(taken)
    while total % size and waiting:
        total *= waiting[-1].size
        taken.append(waiting.pop())
    if total % size == 0 and total > size:
        waiting.append(origins.new(total // size))
    return (origins.new(size),)


def permute(labels: Labels, order: Sequence[int]) -> Labels:
    """With the axes in another order."""
    return replace(labels, axes=tuple(labels.axes[axis] for axis in order))


def insert(labels: Labels, at: int) -> Labels:
    """With an axis of size 1 before axis `at`."""
    return replace(labels, axes=(*labels.axes[:at], (), *labels.axes[at:]))


def drop(labels: Labels, axes: Iterable[int]) -> Labels:
    """Without some axes: one entry was selected, or all were summed up."""
    gone = set(axes)
    return replace(labels, axes=tuple(axis for index, axis in enumerate(labels.axes) if index not in gone))


def keep_as_one(labels: Labels, axes: Iterable[int], origins: Origins) -> Labels:
    """With some axes summed up that are kept with size 1; what is the channel stays it."""
    summed = set(axes)

    def rest(axis: Axis) -> Axis:
        return (origins.new(1, like=axis[0]),) if axis and not origins.is_sample(axis[0]) else ()

    kept = tuple(rest(axis) if index in summed else axis for index, axis in enumerate(labels.axes))
    return moved_channel(labels, replace(labels, axes=kept))


def with_size(axis: Axis, size: int, origins: Origins) -> Axis:
    """An axis that was pooled, padded, sliced, shuffled or convolved to another size: another one of the same meaning."""
    if size_of(axis) == size:
        return axis
    inner = size_of(axis[1:])
    if len(axis) > 1 and size % inner == 0:
        return (*with_size(axis[:1], size // inner, origins), *axis[1:]) if size != inner else axis[1:]
    known = [factor for factor in axis if origins.role(factor)]
    plain = len(axis) == 1 or not any(origins.is_sample(factor) for factor in axis)
    return (origins.new(size, like=known[0] if known and plain else axis[0] if len(axis) == 1 else None),)


def resized(labels: Labels, shape: Shape, origins: Origins) -> Labels:
    """Of a function that keeps the order and the meaning of axes: pooling, padding, interpolation, slices."""
    return moved_channel(
        labels, replace(labels, axes=tuple(with_size(axis, size, origins) for axis, size in zip(labels.axes, shape, strict=True)))
    )


def moved_channel(before: Labels, after: Labels) -> Labels:
    """With channels that follow their axis to a new origin."""
    found = set(before.channel)
    for old, new in zip(before.axes, after.axes, strict=True):
        if {factor.origin for factor in old} & before.channel:
            found |= {factor.origin for factor in new if factor not in old}
    return replace(after, channel=frozenset(found))


def expand(labels: Labels, shape: Shape, origins: Origins) -> Labels:
    """Broadcast to a shape of as many axes or more: what is repeated is not known to be anything, until it meets what is."""
    axes = ((),) * (len(shape) - len(labels.axes)) + labels.axes
    grown = tuple(axis if size_of(axis) == size else (*axis, origins.new(size)) for axis, size in zip(axes, shape, strict=True))
    return replace(labels, axes=grown)


def select(labels: Labels, at: int) -> Labels:
    """One entry of an axis, which is gone then."""
    return drop(labels, [at])


def replace_axis(labels: Labels, at: int, axes: Sequence[Axis]) -> Labels:
    """With other axes in the place of one."""
    return replace(labels, axes=(*labels.axes[:at], *axes, *labels.axes[at + 1 :]))


def with_channel(labels: Labels, at: int, origins: Origins) -> Labels:
    """With the channels at one axis; samples that were merged into it stay samples."""
    return replace(labels, channel=frozenset(factor.origin for factor in labels.axes[at] if not origins.is_sample(factor)))


def join(all_labels: Sequence[Labels], origins: Origins) -> Labels:
    """Of a function of several arrays, entry by entry, with broadcasting: what is known of one is known of all."""
    ndim = max((len(labels.axes) for labels in all_labels), default=0)
    padded = [((),) * (ndim - len(labels.axes)) + labels.axes for labels in all_labels]
    axes = tuple(_joined([axes[at] for axes in padded], origins) for at in range(ndim))
    pointed = [(labels, at) for labels, own in zip(all_labels, padded, strict=True) for at in range(ndim) if _points(own[at], labels)]
    found = Labels(axes)
    return with_channel(found, _strongest(pointed, padded, axes, origins), origins) if pointed else found


def _points(axis: Axis, labels: Labels) -> bool:
    return any(factor.origin in labels.channel for factor in axis)


def _strongest(pointed: Sequence[tuple[Labels, int]], padded: Sequence[tuple[Axis, ...]], axes: tuple[Axis, ...], origins: Origins) -> int:
    """Which axis holds the channels, of those that the arrays say: the one that is surest, and that most of them agree on."""

    def weight(at: int) -> tuple[int, int, int]:
        role_and_trust = [origins.meaning(factor) for factor in axes[at]]
        trust = max((trust for trust, role in role_and_trust if role == Role.CHANNEL), default=Trust.NOTHING)
        agreed = sum(any(origins.role(factor) == Role.CHANNEL for factor in own[at]) for own in padded)
        return trust, agreed, size_of(axes[at])

    return max(dict.fromkeys(at for _, at in pointed), key=weight)


def _joined(found: Sequence[Axis], origins: Origins) -> Axis:
    """One axis of several arrays."""
    size = max((size_of(axis) for axis in found), default=1)
    whole = [axis for axis in found if size_of(axis) == size and axis]
    if not whole:
        return ()
    sure = max(whole, key=lambda axis: _certainty(axis, origins))
    for axis in whole:
        _learn(axis, sure, origins)
    best = max(whole, key=lambda axis: (not any(map(origins.is_aside, axis)), *_certainty(axis, origins)))
    if size > 1:
        ones = [factor for axis in found if size_of(axis) == 1 for factor in axis if origins.is_sample(factor)]
        return (*ones[:1], *best) if not any(map(origins.is_sample, best)) else best
    return best


def _certainty(axis: Axis, origins: Origins) -> tuple[bool, int]:
    """Samples before everything else, then what is sure."""
    meanings = [origins.meaning(factor) for factor in axis]
    return any(role == Role.SAMPLE for _, role in meanings), min((trust for trust, _ in meanings), default=Trust.NOTHING)


def _learn(axis: Axis, known: Axis, origins: Origins) -> None:
    """What meets a known axis entry by entry and was not known means the same."""
    factors, others = ([factor for factor in one if factor.size > 1] or list(one) for one in (axis, known))
    if axis == known or [factor.size for factor in factors] != [factor.size for factor in others]:
        return
    for factor, other in zip(factors, others, strict=True):
        role = origins.role(other)
        if origins.role(factor) == Role.UNKNOWN and role != Role.UNKNOWN:
            origins.claim(factor, role, Trust.JOINED)


def concatenate(all_labels: Sequence[Labels], at: int, size: int, origins: Origins) -> Labels:
    """Arrays one after the other along an axis; all samples after all samples are a new axis of parts, and the samples."""
    pieces = [labels.axes[at] for labels in all_labels]
    others = join([replace_axis(labels, at, [()]) for labels in all_labels], origins)
    first = pieces[0]
    if any(map(origins.is_sample, first)) and all(piece == first for piece in pieces):
        return replace_axis(others, at, [(origins.new(len(pieces)), *first) if len(pieces) > 1 else first])
    if any(origins.is_sample(factor) for piece in pieces for factor in piece):
        return replace_axis(others, at, [(origins.new(size),)])
    factors = [factor for piece in pieces for factor in piece]
    known = max(factors, key=lambda factor: origins.meaning(factor)[0], default=None)
    new = (origins.new(size, like=known),)
    channel = frozenset(origin for labels in all_labels for origin in labels.channel)
    if any(_points(labels.axes[at], labels) for labels in all_labels):
        channel |= {new[0].origin}
    return replace(replace_axis(others, at, [new]), channel=channel | others.channel)


def stack(all_labels: Sequence[Labels], at: int, origins: Origins) -> Labels:
    """Arrays side by side along a new axis."""
    joined = join(all_labels, origins)
    return replace(joined, axes=(*joined.axes[:at], (origins.new(len(all_labels)),), *joined.axes[at:]))


def convolve(labels: Labels, shape: Shape, groups: int, origins: Origins) -> Labels:
    """Of a convolution of [samples, channels, *space]: a source that wins over all others.

    Args:
        labels: of its input.
        shape: of its output.
        groups: of channels. Where the samples were merged into the channels, one group or more each, they stay there.
        origins: that learn.
    """
    before, channels, *space = labels.axes
    origins.claim_axis(channels, Role.CHANNEL, Trust.CONVOLUTION)
    for axis in space:
        origins.claim_axis(axis, Role.POSITION, Trust.CONVOLUTION)
    positions = [with_size(axis, size, origins) for axis, size in zip(space, shape[2:], strict=True)]
    for axis in positions:
        origins.claim_axis(axis, Role.POSITION, Trust.CONVOLUTION)
    samples: Axis = ()
    if channels and origins.is_sample(channels[0]) and groups % channels[0].size == 0:
        samples = channels[:1]
    new = origins.new(shape[1] // size_of(samples), Role.CHANNEL, Trust.CONVOLUTION)
    return Labels((before, (*samples, new), *positions), frozenset({new.origin}))


def dense(labels: Labels, size: int, origins: Origins, trust: Trust = Trust.DENSE) -> Labels:
    """Of a layer that makes new channels of the last axis: a dense layer, attention, a recurrent layer."""
    origins.claim_axis(labels.axes[-1], Role.CHANNEL, trust)
    new = origins.new(size, Role.CHANNEL, trust)
    return Labels((*labels.axes[:-1], (new,)), frozenset({new.origin}))


def anchored(labels: Labels, at: int, trust: Trust, origins: Origins) -> Labels:
    """Of a layer that says which axis holds the channels, such as a batch normalisation.

    Where parts of other axes were merged into it, as neighbouring pixels are into channels, they are channels of their own from here on.
    """
    others = {factor.origin for axis in (*labels.axes[:at], *labels.axes[at + 1 :]) for factor in axis}
    if len(labels.axes[at]) > 1 and any(factor.origin in others for factor in labels.axes[at]):
        labels = replace_axis(labels, at, [(origins.new(size_of(labels.axes[at])),)])
    origins.claim_axis(labels.axes[at], Role.CHANNEL, trust)
    return with_channel(labels, at, origins)


def matrix_product(one: Labels, other: Labels, origins: Origins, is_weight: tuple[bool, bool] = (False, False)) -> Labels:
    """Of [*batch, m, k] times [*batch, k, n].

    Args:
        one, other: the operands, of equally many axes.
        origins: that learn.
        is_weight: of each operand, whether it does not come from the input.
    """
    batch = range(len(one.axes) - 2)
    return contract(one, other, ([len(one.axes) - 1], [len(one.axes) - 2]), (batch, batch), origins, is_weight)


def contract(
    one: Labels,
    other: Labels,
    summed: tuple[Sequence[int], Sequence[int]],
    batched: tuple[Sequence[int], Sequence[int]],
    origins: Origins,
    is_weight: tuple[bool, bool] = (False, False),
) -> Labels:
    """Of a product of two arrays that is summed over some axes of both: [*batched, *rest of one, *rest of the other].

    Args:
        one, other: the operands.
        summed: the axes of each that are multiplied and summed.
        batched: the axes of each that go along.
        origins: that learn.
        is_weight: of each operand, whether it does not come from the input.
    """
    pairs = zip(*batched, strict=True)
    batch = tuple(_joined((one.axes[left], other.axes[right]), origins) for left, right in pairs)
    both = (one, other)
    rest = [tuple(axis for at, axis in enumerate(both[side].axes) if at not in {*summed[side], *batched[side]}) for side in (0, 1)]
    channels = [other.channel, one.channel]
    for side in (1, 0):
        if is_weight[side]:
            gone = [factor for at in summed[1 - side] for factor in both[1 - side].axes[at]]
            rest[side], found = _projected(both[1 - side], gone, [size_of(axis) for axis in rest[side]], origins)
            channels[1 - side] = found
            break
    for axes in ((*rest[0], *rest[1]), (*batch, *rest[0], *rest[1])):
        present = {factor.origin for axis in axes for factor in axis}
        kept = next((channel & present for channel in channels if channel & present), None)
        if kept is not None:
            return Labels((*batch, *rest[0], *rest[1]), kept)
    return Labels((*batch, *rest[0], *rest[1]))


def holds_channels(labels: Labels, factors: Iterable[Factor]) -> bool:
    """Whether these factors of an array are its channels, or it is not known of others that they are."""
    present = {factor.origin for axis in labels.axes for factor in axis} & labels.channel
    return not present or any(factor.origin in present for factor in factors)


def _projected(labels: Labels, summed: Sequence[Factor], sizes: Sequence[int], origins: Origins) -> tuple[tuple[Axis, ...], frozenset[int]]:
    """The axes that a weight makes of `summed`, and the channels: new channels, or new positions where `summed` held positions."""
    is_channel = holds_channels(labels, summed)
    new = origins.new(math.prod(sizes), Role.CHANNEL if is_channel else Role.POSITION, Trust.DENSE)
    made = reshape(Labels(((new,),)), sizes, origins)
    return made.axes, frozenset({new.origin}) if is_channel else labels.channel
