"""Pixels of feature maps: chosen images and channels, averaged down where large, quantised by channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

LARGEST_SIDE = 128
"""Above this many pixels a side, tiles are averaged down: a card shows hundreds of them."""

LEVELS = 252
NEG_INF_CODE, POS_INF_CODE, NAN_CODE = 253, 254, 255


@dataclass(frozen=True)
class Quantised:
    """Codes [images, channels, *space], and the range [channels] that codes 0 to `LEVELS` span."""

    codes: npt.NDArray[np.uint8]
    low: Float32
    high: Float32


def reduction(space: tuple[int, ...]) -> int:
    """Side of the squares that tiles are averaged over: 1 is full size."""
    return max(1, -(-max(space, default=1) // LARGEST_SIDE))


def average(maps: Array, side: int) -> Array:
    """Means over squares (cubes) of `side` along each axis of space; at the far edges over what is there.

    Args:
        maps: [images, channels, *space].
        side: 1 returns the maps as they are.
    """
    if side == 1:
        return maps
    result = maps.astype(np.float64 if maps.dtype.itemsize > 4 else np.float32, copy=False)
    for axis in range(2, maps.ndim):
        result = _average_axis(result, side, axis)
    return result


def quantise(maps: Array) -> Quantised:
    """Quantises [images, channels, *space] by the finite range of each channel; NaN and Inf have codes of their own."""
    axes = (0, *range(2, maps.ndim))
    with np.errstate(all="ignore"):
        values = maps.astype(np.float64)
        finite = np.isfinite(values)
        low = np.min(values, axis=axes, where=finite, initial=np.inf).astype(np.float32)
        high = np.max(values, axis=axes, where=finite, initial=-np.inf).astype(np.float32)
        empty = low > high
        low[empty], high[empty] = np.nan, np.nan
        shape = (1, -1) + (1,) * (maps.ndim - 2)
        span = (high.astype(np.float64) - low).reshape(shape)
        codes = np.rint((values - low.reshape(shape)) * np.where(span > 0, LEVELS / np.where(span > 0, span, 1), 0))
        codes = np.where(finite, np.clip(codes, 0, LEVELS), 0).astype(np.uint8)
        codes[np.isnan(values)], codes[np.isposinf(values)], codes[np.isneginf(values)] = NAN_CODE, POS_INF_CODE, NEG_INF_CODE
    return Quantised(codes, low, high)


def _average_axis(maps: Array, side: int, axis: int) -> Array:
    size = maps.shape[axis]
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
    total /= counts.reshape(shape).astype(total.dtype)
    return total


def _every(maps: Array, offset: int, side: int, axis: int) -> Array:
    index = [slice(None)] * maps.ndim
    index[axis] = slice(offset, None, side)
    return maps[tuple(index)]
