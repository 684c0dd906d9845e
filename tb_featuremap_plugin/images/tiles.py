"""Pixels of feature maps: large tiles averaged down, values quantised by channel."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.short_rows import FEW, repeated, rows_side_by_side, side_by_side
from tb_featuremap_plugin.schema.pictures import NAN_CODE, NEG_INF_CODE, POS_INF_CODE, TOP_CODE

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]

LARGEST_SIDE = 128
"""Above this many pixels a side, tiles are averaged down: a card shows hundreds of them."""

Encode = Callable[[Array, Array, Array], Codes]

_BLOCK = 1 << 17
_WORD = 8
_SHORTEST_ROW = 16
_NARROW = (np.dtype(np.float32), np.dtype(np.float16))
_SMALLEST_SPAN, _LARGEST_SPAN = 1e-30, 1e30
"""Outside of these spans of a channel, float32 cannot hold codes per unit; float64 can."""

_LARGEST_SINGLE = float(np.finfo(np.float32).max)

_CODE_ROUNDING = 1e-4
"""Codes that four roundings to float32 of numbers up to 252 may be wrong by, with some to spare."""


@dataclass(frozen=True)
class Range:
    """What codes span: `low` and `high` of each channel, [channels]; NaN where nothing is finite.

    Attributes:
        finite: whether all values are.
    """

    low: Float32
    high: Float32
    finite: bool


def is_narrow(dtype: np.dtype[Any]) -> bool:
    """Whether float32 holds every number of a dtype as it is."""
    return dtype in _NARROW or dtype.itemsize <= 2


def needs_double(array: Array) -> bool:
    """Whether an array holds finite numbers that float32 cannot: they are stored as they are, whatever the precision."""
    if array.dtype != np.float64 or not array.size:
        return False
    with np.errstate(over="ignore"):
        lost = ~np.isfinite(array.astype(np.float32))
    return bool(lost.any() and np.isfinite(array[lost]).any())


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
    low, high = _below(np.min(maps, axis=axes)), _above(np.max(maps, axis=axes))
    if np.isfinite(low).all() and np.isfinite(high).all():
        return Range(low, high, True)
    finite = _is_finite(maps)
    low = np.min(maps, axis=axes, where=finite, initial=np.inf)
    high = np.max(maps, axis=axes, where=finite, initial=-np.inf)
    empty = low > high
    return Range(np.where(empty, np.nan, _below(low)), np.where(empty, np.nan, _above(high)), False)


def quantise(maps: Array, span: Range) -> Codes:
    """Codes of [images, channels, *space] by the range of each channel; NaN and Inf have codes of their own."""
    if 0 < maps.size <= FEW and span.finite and maps.dtype == np.float32:
        return _quantise_few(maps, span)
    images, channels = maps.shape[:2]
    flat = maps.reshape(images, channels, math.prod(maps.shape[2:]))
    codes = np.empty(flat.shape, np.uint8)
    if not codes.size:
        return codes.reshape(maps.shape)
    low = span.low.astype(np.float64)
    width = span.high - low
    scale = np.divide(TOP_CODE, width, out=np.zeros_like(width), where=width > 0)
    work = np.float32 if maps.dtype in _NARROW and _fits_float32(width, scale) else np.float64
    encode = _encode if span.finite else _encode_any
    with np.errstate(all="ignore"):
        low, scale = low.astype(work), scale.astype(work)
        if flat.strides[1] < flat.strides[2] and channels >= _SHORTEST_ROW:
            _quantise_by_position(flat, codes, low, scale, encode)
        else:
            _quantise_by_channel(flat, codes, low, scale, encode)
    return codes.reshape(maps.shape)


def dequantise(codes: Codes, low: Float32, high: Float32) -> Float32:
    """The values that codes stand for, the inverse of `quantise` up to `quantisation_error`.

    Args:
        codes: [images, channels, *space].
        low, high: the range of each channel, [channels]; NaN where nothing was finite.
    """
    column = (-1, *(1,) * (codes.ndim - 2))
    lowest, highest = low.astype(np.float64).reshape(column), high.astype(np.float64).reshape(column)
    with np.errstate(all="ignore"):
        values: Float32 = (lowest + (highest - lowest) * codes / TOP_CODE).astype(np.float32)
    for code, meaning in ((NEG_INF_CODE, -np.inf), (POS_INF_CODE, np.inf), (NAN_CODE, np.nan)):
        values[codes == code] = meaning
    return values


def quantisation_error(low: Float32, high: Float32) -> Float32:
    """How far a finite value that `dequantise` gives lies from the one that was quantised, at most, [channels].

    Half a code, and what float32 rounds away: in a code's place, which is computed in float32, and in `low` and the value itself.
    """
    lowest, highest = low.astype(np.float64), high.astype(np.float64)
    with np.errstate(all="ignore"):
        rounding = np.finfo(np.float32).eps * np.maximum(abs(lowest), abs(highest)) + np.finfo(np.float32).smallest_subnormal
        bound = (highest - lowest) / TOP_CODE * (0.5 + _CODE_ROUNDING) + rounding
        result: Float32 = np.nextafter(bound.astype(np.float32), np.float32(np.inf))
    return np.where(np.isnan(result), np.float32(0), result)


def _quantise_few(maps: Array, span: Range) -> Codes:
    low, width = span.low.tolist(), (span.high.astype(np.float64) - span.low).tolist()
    scale = [TOP_CODE / size if size > 0 else 0.0 for size in width]
    rows = zip(itertools.cycle(low), itertools.cycle(scale), maps.reshape(-1, math.prod(maps.shape[2:])).tolist(), strict=False)
    codes = [int((value - least) * levels + 0.5) for least, levels, row in rows for value in row]
    return np.array(codes, np.uint8).reshape(maps.shape)


def _quantise_by_position(flat: Array, codes: Codes, low: Array, scale: Array, encode: Encode) -> None:
    """Where the channels of a position lie side by side: rows of several positions at a time."""
    images, channels, positions = flat.shape
    step = max(1, _BLOCK // channels)
    count = rows_side_by_side(step, channels)
    low, scale = repeated(low, count), repeated(scale, count)
    for image in range(images):
        for start in range(0, positions, step):
            rows = flat[image, :, start : start + step].T.astype(scale.dtype, order="C", copy=False)
            fitting = math.gcd(count, len(rows))
            part = slice(0, fitting * channels)
            levels = encode(side_by_side(rows, fitting), low[part], scale[part])
            _store_transposed(codes[image, :, start : start + step], levels.reshape(rows.shape))


def _quantise_by_channel(flat: Array, codes: Codes, low: Array, scale: Array, encode: Encode) -> None:
    images, channels, positions = flat.shape
    step = max(1, _BLOCK // positions)
    for image in range(images):
        for channel in range(0, channels, step):
            chosen = slice(channel, channel + step)
            for start in range(0, positions, _BLOCK):
                block = image, chosen, slice(start, start + _BLOCK)
                codes[block] = encode(flat[block].astype(scale.dtype, order="C", copy=False), low[chosen, None], scale[chosen, None])


def _store_transposed(target: Codes, codes: Codes) -> None:
    """Stores [positions, channels] as [channels, positions]: first eight bytes at a time, which halves the time."""
    positions, channels = codes.shape
    if channels % _WORD:
        target[...] = codes.T
        return
    words = np.ascontiguousarray(codes.view(np.uint64).T).view(np.uint8)
    target.reshape(channels // _WORD, _WORD, positions)[...] = words.reshape(-1, positions, _WORD).transpose(0, 2, 1)


def _encode(values: Array, low: Array, scale: Array) -> Codes:
    levels = (values - low) * scale if low.any() else values * scale
    levels += 0.5
    return levels.astype(np.uint8)


def _encode_any(values: Array, low: Array, scale: Array) -> Codes:
    finite = _is_finite(values)
    codes = _encode(np.where(finite, values, low), np.where(np.isnan(low), 0, low), scale)
    if not finite.all():
        codes[~finite & (values > 0)] = POS_INF_CODE
        codes[~finite & (values < 0)] = NEG_INF_CODE
        codes[np.isnan(values)] = NAN_CODE
    return codes


def _is_finite(values: Array) -> npt.NDArray[np.bool_]:
    """Whether float32 can hold each value: what it cannot hold is infinite in every picture."""
    return np.isfinite(values) if values.dtype in _NARROW else np.abs(values) <= _LARGEST_SINGLE


def _fits_float32(width: Array, scale: Array) -> bool:
    return bool(np.fmax.reduce(width) < _LARGEST_SPAN and scale.max() < TOP_CODE / _SMALLEST_SPAN) or not width.any()


def _below(values: Array) -> Float32:
    """The largest float32 that is not above each value: rounded to the nearest, a range would end before what it is to hold."""
    single = _single(values)
    with np.errstate(over="ignore"):
        return np.where(single > _double(values), np.nextafter(single, np.float32(-np.inf)), single)


def _above(values: Array) -> Float32:
    """The smallest float32 that is not below each value."""
    single = _single(values)
    with np.errstate(over="ignore"):
        return np.where((single < _double(values)) & np.isfinite(single), np.nextafter(single, np.float32(np.inf)), single)


def _double(values: Array) -> Array:
    """As pixels are compared and coded: whole numbers above 2**53 are rounded alike."""
    double: Array = values.astype(np.float64)
    return double


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
