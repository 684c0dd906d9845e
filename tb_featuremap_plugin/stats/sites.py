"""First stage of activation statistics: samples folded away, one *site* (a channel at a position) at a time.

Sums over samples are shifted by the first sample, and so keep a spread of 5e-6 that plain float32 sums would lose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_MAX_BYTE_COUNT = 255


@dataclass
class Sites:
    """Statistics of some sites, each an array [sites]; all of finite values only.

    Attributes:
        low, high: extremes over the samples; +Inf and -Inf where no value is finite.
        mean: over the samples; 0 where no value is finite.
        m2: sum of squared deviations from `mean`; None where there is one sample only.
        counts: finite values; None where all are.
        bad: counts of NaN, +Inf and -Inf, each [sites]; None where there are none.
    """

    low: Array
    high: Array
    mean: Array
    m2: Array | None
    counts: Array | None
    bad: tuple[Array, Array, Array] | None


def fold_samples(block: Array) -> Sites:
    """Statistics of a block [samples, sites] of float32 or float64."""
    low, high = np.minimum.reduce(block, axis=0), np.maximum.reduce(block, axis=0)
    if not _all_finite(low, high):
        return _fold_some_finite(block)
    if len(block) == 1:
        return Sites(low, high, block[0], None, None, None)
    mean, m2 = _moments(block - block[0], block[0], len(block))
    return Sites(low, high, mean, m2, None, None)


def count(mask: Array) -> Array:
    """How many of the samples a mask [samples, sites] holds for, as [sites] of whole numbers."""
    if len(mask) == 1:
        return mask[0].view(np.uint8)
    narrow = len(mask) <= _MAX_BYTE_COUNT
    result: Array = np.add.reduce(mask.view(np.uint8), axis=0, dtype=np.uint8 if narrow else np.int64)
    return result


def _all_finite(low: Array, high: Array) -> bool:
    least, most = low.min(initial=np.inf), high.max(initial=-np.inf)
    return bool(least > -np.inf and most < np.inf)


def _moments(shifted: Array, shift: Array, counts: Array | int) -> tuple[Array, Array]:
    total = np.add.reduce(shifted, axis=0)
    np.multiply(shifted, shifted, out=shifted)
    squares = np.add.reduce(shifted, axis=0)
    offset = total / counts
    return shift + offset, np.maximum(squares - total * offset, 0)


def _fold_some_finite(block: Array) -> Sites:
    finite = np.isfinite(block)
    counts = np.add.reduce(finite, axis=0, dtype=block.dtype)
    low = np.minimum.reduce(block, axis=0, where=finite, initial=np.inf)
    high = np.maximum.reduce(block, axis=0, where=finite, initial=-np.inf)
    shift = np.where(counts > 0, low, 0)
    with np.errstate(invalid="ignore"):
        shifted = np.where(finite, block - shift, 0)
    mean, m2 = _moments(shifted, shift, np.maximum(counts, 1))
    bad = (count(np.isnan(block)), count(np.isposinf(block)), count(np.isneginf(block)))
    return Sites(low, high, mean, m2 if len(block) > 1 else None, counts, bad)
