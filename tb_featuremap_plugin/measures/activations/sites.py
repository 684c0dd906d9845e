"""First stage of activation statistics: samples folded away, one *site* (a channel at a position) at a time.

Where sums over samples would lose the spread, they are shifted by the first sample, and so keep one of 5e-6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.scratch_buffers import ones, scratch_buffer
from tb_featuremap_plugin.arrays.short_rows import reduce_rows, rows_side_by_side

Array = npt.NDArray[Any]

LEAST_SPREAD = 0.25
"""Share of the sum of squares that is left about the mean: below it, float32 would lose more than a bit of the deviation."""

_FEW_SITES = 8
"""Above one site in so many it is quicker to shift all."""

_MAX_BYTE_COUNT = 255
_SQUARABLE = (1e-12, 1e15)
"""Outside of these magnitudes float32 squares and their sums lose what they should measure: float64 then, block by block."""


@dataclass
class Sites:
    """Statistics of some sites, each an array [sites]; all of finite values only.

    Attributes:
        low, high: extremes over the samples; +Inf and -Inf where no value is finite.
        mean: over the samples; 0 where no value is finite.
        m2: sum of squared deviations from `mean`; None where there is one sample only.
        finite: how many values are finite; None where all are.
        bad: counts of NaN, +Inf and -Inf, [3, sites]; None where there are none.
        least, most: extremes of all sites.
        zeros, saturated: counts; None where there are none.
        channel_low, channel_high: extremes of the block's channels, where they are known.
    """

    low: Array
    high: Array
    mean: Array
    m2: Array | None
    finite: Array | None
    bad: Array | None
    least: float
    most: float
    zeros: Array | None = None
    saturated: Array | None = None
    channel_low: Array | None = None
    channel_high: Array | None = None


def fold_samples(block: Array) -> Sites:
    """Statistics of a block [samples, sites] of float32 or float64; `zeros` and `saturated` are left to the caller."""
    low, high = np.minimum.reduce(block, axis=0), np.maximum.reduce(block, axis=0)
    least, most = float(np.minimum.reduce(low)), float(np.maximum.reduce(high))
    if not (least > -np.inf and most < np.inf):
        return _fold_some_finite(block)
    mean, m2 = _finite_moments(_squarable(block, least, most))
    return Sites(low, high, mean, m2, None, None, least, most)


def take_sample(block: Array, fold: Fold) -> Sites:
    """As `fold_samples` of a single sample [1, sites], of which nothing is to be folded: extremes are taken by channel at once."""
    only = block[0]
    arranged = fold.arrange(only)
    low, high = fold.min(arranged), fold.max(arranged)
    least, most = float(np.minimum.reduce(low)), float(np.maximum.reduce(high))
    if not (least > -np.inf and most < np.inf):
        return _fold_some_finite(block)
    mean = _squarable(block, least, most)[0]
    return Sites(only, only, mean, None, None, None, least, most, channel_low=low, channel_high=high)


def _squarable(block: Array, least: float, most: float) -> Array:
    largest = max(-least, most)
    if largest and not _SQUARABLE[0] < largest < _SQUARABLE[1]:
        return block.astype(np.float64, copy=False)
    return block


def count(mask: Array) -> Array:
    """How many of the samples a mask [samples, sites] holds for, as [sites] of whole numbers."""
    if len(mask) == 1:
        only: Array = mask[0].view(np.uint8)
        return only
    narrow = len(mask) <= _MAX_BYTE_COUNT
    result: Array = np.add.reduce(mask.view(np.uint8), axis=0, dtype=np.uint8 if narrow else np.int64)
    return result


def concatenate(parts: Sequence[Sites], samples: int) -> Sites:
    """Sites side by side."""
    if len(parts) == 1:
        return parts[0]

    def together(name: str, missing: float = 0.0) -> Array | None:
        arrays = [getattr(part, name) for part in parts]
        if all(array is None for array in arrays):
            return None
        shapes = [part.low.shape if name != "bad" else (3, *part.low.shape) for part in parts]
        filled = [np.full(shape, missing) if array is None else array for array, shape in zip(arrays, shapes, strict=True)]
        return np.concatenate(filled, axis=-1)

    low, high, mean = (np.concatenate([getattr(part, name) for part in parts]) for name in ("low", "high", "mean"))
    least, most = min(part.least for part in parts), max(part.most for part in parts)
    finite = together("finite", float(samples))
    return Sites(low, high, mean, together("m2"), finite, together("bad"), least, most, together("zeros"), together("saturated"))


def _finite_moments(block: Array) -> tuple[Array, Array]:
    """By sums of values and of squares, which BLAS adds up; shifted where a site's mean is so far from 0 that these say little."""
    weights, spare = ones(len(block), block.dtype.char), scratch_buffer("squares", block.dtype.type, block.shape)
    total, squares = np.dot(weights, block), np.dot(weights, np.multiply(block, block, out=spare))
    mean = total / block.dtype.type(len(block))
    m2 = squares - total * mean
    lost = np.flatnonzero(m2 < LEAST_SPREAD * squares)
    if len(lost) * _FEW_SITES > len(mean):
        return _moments(np.subtract(block, block[0], out=spare), block[0], len(block))
    if len(lost):
        chosen = block[:, lost]
        mean[lost], m2[lost] = _moments(chosen - chosen[0], chosen[0], len(block))
    return mean, m2


def _moments(shifted: Array, shift: Array, counts: Array | int) -> tuple[Array, Array]:
    total = np.add.reduce(shifted, axis=0)
    np.multiply(shifted, shifted, out=shifted)
    squares = np.add.reduce(shifted, axis=0)
    offset = total / counts
    return shift + offset, np.maximum(squares - total * offset, 0)


def _fold_some_finite(block: Array) -> Sites:
    block = block.astype(np.float64, copy=False)
    finite = np.isfinite(block)
    counts = np.add.reduce(finite, axis=0, dtype=np.float64)
    low = np.minimum.reduce(block, axis=0, where=finite, initial=np.inf)
    high = np.maximum.reduce(block, axis=0, where=finite, initial=-np.inf)
    shift = np.where(counts > 0, low, 0)
    mean, m2 = _moments(np.where(finite, block - shift, 0), shift, np.maximum(counts, 1))
    bad = np.stack([count(mask) for mask in (np.isnan(block), np.isposinf(block), np.isneginf(block))])
    return Sites(low, high, mean, m2 if len(block) > 1 else None, counts, bad, float(low.min()), float(high.max()))


_SHORTEST_RUN = 16
"""Below this many values side by side NumPy's reductions spend their time on overhead, and a transposed copy is quicker."""


class Fold:
    """Folds arrays [sites] of one block into their channels.

    Args:
        channels: which channels the sites belong to.
        positions: how many sites each of them has in the block.
        channels_last: whether the sites of a position, or those of a channel, lie side by side.
    """

    def __init__(self, channels: slice, positions: int, channels_last: bool) -> None:
        count = channels.stop - channels.start
        self.channels = channels
        self.positions = positions
        self._shape = (positions, count) if channels_last else (count, positions)
        self._transpose = self._shape[1] < _SHORTEST_RUN < self._shape[0]
        self._axis = int(channels_last == self._transpose)

    def arrange(self, sites: Array) -> Array:
        """The sites as a matrix of channels and positions, so that folding goes along memory."""
        matrix = sites.reshape(self._shape)
        return np.ascontiguousarray(matrix.T) if self._transpose else matrix

    def sum(self, matrix: Array) -> Array:
        """Sum of each channel of an arranged matrix."""
        weights = ones(self.positions, matrix.dtype.char)
        result: Array = np.dot(matrix, weights) if self._axis else np.dot(weights, matrix)
        return result

    def min(self, matrix: Array) -> Array:
        """Least value of each channel of an arranged matrix."""
        return self._reduce(np.minimum, matrix)

    def max(self, matrix: Array) -> Array:
        """Largest value of each channel of an arranged matrix."""
        return self._reduce(np.maximum, matrix)

    def count(self, counts: Array) -> Array:
        """Sum of whole numbers over each channel, from [sites]."""
        return self.sum(self.arrange(counts).astype(np.float32))

    def count_marks(self, marks: Array) -> Array:
        """As `count`, of zeros and ones as bytes: bytes add up faster, as long as 255 are enough."""
        matrix = self.arrange(marks)
        if self._axis or self.positions // rows_side_by_side(*matrix.shape) > _MAX_BYTE_COUNT:
            return self.count(marks)
        return reduce_rows(np.add, matrix, np.uint8)

    def spread_out(self, per_channel: Array) -> Array:
        """A value a channel, shaped to broadcast against an arranged matrix."""
        return per_channel[:, None] if self._axis else per_channel[None, :]

    def _reduce(self, ufunc: np.ufunc, matrix: Array) -> Array:
        if not self._axis:
            return reduce_rows(ufunc, matrix)
        result: Array = ufunc.reduce(matrix, axis=1)
        return result
