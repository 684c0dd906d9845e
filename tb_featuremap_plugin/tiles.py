"""Pixels of feature maps: large tiles averaged down, values quantised by channel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]

LARGEST_SIDE = 128
"""Above this many pixels a side, tiles are averaged down: a card shows hundreds of them."""

LEVELS = 252
NEG_INF_CODE, POS_INF_CODE, NAN_CODE = 253, 254, 255

_BLOCK = 1 << 16
_SHORTEST_ROW = 16
_NARROW = (np.dtype(np.float32), np.dtype(np.float16))
_SMALLEST_SPAN, _LARGEST_SPAN = 1e-30, 1e30
"""Outside of these spans of a channel, float32 cannot hold codes per unit; float64 can."""


@dataclass(frozen=True)
class Range:
    """What codes span: `low` and `high` of each channel, [channels]; NaN where nothing is finite.

    Attributes:
        finite: whether all values are.
    """

    low: Float32
    high: Float32
    finite: bool


def reduction(space: tuple[int, ...]) -> int:
    """Side of the squares that tiles are averaged over: 1 is full size."""
    return max(1, -(-max(space, default=1) // LARGEST_SIDE))


def average(maps: Array, side: int) -> Array:
    """Means over squares (cubes) of `side` along each axis of space, at the far edges over what is there; NaN wherever one is.

    Args:
        maps: [images, channels, *space].
        side: 1 returns the maps as they are.
    """
    if side == 1:
        return maps
    wide = maps.dtype.itemsize > 2 and maps.dtype != np.float32
    result = maps.astype(np.float64 if wide else np.float32, copy=False)
    with np.errstate(all="ignore"):
        for axis in range(2, maps.ndim):
            result = _average_axis(result, side, axis)
    return result


def measure_range(maps: Array) -> Range:
    """The finite range of each channel of [images, channels, *space]."""
    axes = (0, *range(2, maps.ndim))
    if not maps.size:
        nothing = np.full(maps.shape[1], np.nan, np.float32)
        return Range(nothing, nothing, True)
    low, high = np.min(maps, axis=axes), np.max(maps, axis=axes)
    if np.isfinite(low).all() and np.isfinite(high).all():
        return Range(_single(low), _single(high), True)
    finite = np.isfinite(maps)
    low = np.min(maps, axis=axes, where=finite, initial=np.inf)
    high = np.max(maps, axis=axes, where=finite, initial=-np.inf)
    empty = low > high
    return Range(np.where(empty, np.nan, _single(low)), np.where(empty, np.nan, _single(high)), False)


def quantise(maps: Array, span: Range) -> Codes:
    """Codes of [images, channels, *space] by the range of each channel; NaN and Inf have codes of their own."""
    images, channels = maps.shape[:2]
    flat = maps.reshape(images, channels, math.prod(maps.shape[2:]))
    codes = np.empty(flat.shape, np.uint8)
    if not codes.size:
        return codes.reshape(maps.shape)
    low = span.low.astype(np.float64)
    width = span.high - low
    scale = np.divide(LEVELS, width, out=np.zeros_like(width), where=width > 0)
    work = np.float32 if maps.dtype in _NARROW and _fits_float32(width, scale) else np.float64
    by_position = flat.strides[1] < flat.strides[2] and channels >= _SHORTEST_ROW
    encode = _encode if span.finite else _encode_any
    with np.errstate(all="ignore"):
        low, scale = low.astype(work), scale.astype(work)
        for block in _blocks(flat.shape, by_position):
            _, chosen, _ = block
            if by_position:
                codes[block] = encode(flat[block].T.astype(work, copy=False), low, scale).T
            else:
                codes[block] = encode(flat[block].astype(work, order="C", copy=False), low[chosen, None], scale[chosen, None])
    return codes.reshape(maps.shape)


def _encode(values: Array, low: Array, scale: Array) -> Codes:
    levels = values - low
    levels *= scale
    levels += 0.5
    return levels.astype(np.uint8)


def _encode_any(values: Array, low: Array, scale: Array) -> Codes:
    finite = np.isfinite(values)
    codes = _encode(np.where(finite, values, low), np.where(np.isnan(low), 0, low), scale)
    if not finite.all():
        codes[~finite & (values > 0)] = POS_INF_CODE
        codes[~finite & (values < 0)] = NEG_INF_CODE
        codes[np.isnan(values)] = NAN_CODE
    return codes


def _blocks(shape: tuple[int, ...], by_position: bool) -> Iterator[tuple[int, slice, slice]]:
    images, channels, positions = shape
    step_positions = max(1, _BLOCK // channels) if by_position else _BLOCK
    step_channels = channels if by_position else max(1, _BLOCK // max(1, positions))
    for image in range(images):
        for channel in range(0, channels, step_channels):
            for position in range(0, positions, step_positions):
                yield image, slice(channel, channel + step_channels), slice(position, position + step_positions)


def _fits_float32(width: Array, scale: Array) -> bool:
    return bool(np.fmax.reduce(width) < _LARGEST_SPAN and scale.max() < LEVELS / _SMALLEST_SPAN) or not width.any()


def _single(values: Array) -> Float32:
    with np.errstate(over="ignore"):
        single: Float32 = values.astype(np.float32)
    return single


def _average_axis(maps: Array, side: int, axis: int) -> Array:
    size = maps.shape[axis]
    if not size:
        return maps
    total = _every(maps, 0, side, axis).copy(order="K")
    for offset in range(1, min(side, size)):
        part = _every(maps, offset, side, axis)
        head = [slice(None)] * maps.ndim
        head[axis] = slice(0, part.shape[axis])
        total[tuple(head)] += part
    counts = np.full(total.shape[axis], side)
    counts[-1] = size - side * (total.shape[axis] - 1)
    shape = [1] * maps.ndim
    shape[axis] = -1
    average: Array = total / counts.reshape(shape).astype(total.dtype)
    return average


def _every(maps: Array, offset: int, side: int, axis: int) -> Array:
    index = [slice(None)] * maps.ndim
    index[axis] = slice(offset, None, side)
    every: Array = maps[tuple(index)]
    return every
