"""Numbers of kernels: statistics of each filter, and for large kernels norms and slices in place of the values."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

FILTER_STATISTICS = ("min", "max", "mean", "std", "norm", "nan", "pos_inf", "neg_inf")

LARGEST_EXACT_BYTES = 1_000_000
"""A kernel of at most this size in float32 is stored as it is."""

LARGEST_NORM_SIDE = 512
"""Above this many filters or inputs the picture of norms is reduced by blocks."""


def filter_stats(kernel: Array) -> Float32:
    """Statistics of each filter, [len(FILTER_STATISTICS), filters]; of finite values, NaN where there are none.

    Args:
        kernel: [filters, inputs, *space].
    """
    with np.errstate(all="ignore"):
        values = kernel.reshape(len(kernel), -1).astype(np.float64)
        finite = np.isfinite(values)
        counts = finite.sum(axis=1)
        known = np.where(counts, counts, np.nan)
        kept = np.where(finite, values, 0)
        mean = kept.sum(axis=1) / known
        deviation = np.where(finite, values - mean[:, None], 0)
        low = np.min(values, axis=1, where=finite, initial=np.inf)
        high = np.max(values, axis=1, where=finite, initial=-np.inf)
        rows = [
            np.where(counts, low, np.nan), np.where(counts, high, np.nan), mean, np.sqrt((deviation * deviation).sum(axis=1) / known),
            np.sqrt((kept * kept).sum(axis=1)) * known / known,
            np.isnan(values).sum(axis=1), np.isposinf(values).sum(axis=1), np.isneginf(values).sum(axis=1),
        ]  # fmt: skip
        return np.asarray(rows, np.float32)


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether a kernel of this shape is stored as norms and slices."""
    return int(np.prod(shape, dtype=np.int64)) * 4 > LARGEST_EXACT_BYTES


def norms(kernel: Array, minus: Array | None = None) -> Float32:
    """Root of the sum of squares over space, [filters, inputs]: of a kernel, or of its difference to another one.

    Args:
        kernel: [filters, inputs, *space].
        minus: of the same shape.
    """
    with np.errstate(all="ignore"):
        difference = kernel.astype(np.float64) - (0 if minus is None else minus)
        squares = (difference * difference).reshape(*kernel.shape[:2], -1).sum(axis=2)
        return np.sqrt(squares).astype(np.float32)


def norm_blocks(shape: tuple[int, int]) -> tuple[int, int]:
    """Filters and inputs that one entry of a reduced picture of norms stands for."""
    return -(-shape[0] // LARGEST_NORM_SIDE), -(-shape[1] // LARGEST_NORM_SIDE)


def reduce_norms(picture: Float32, blocks: tuple[int, int]) -> Float32:
    """Root mean square over blocks of [filters, inputs]; at the far edges over what is there."""
    if blocks == (1, 1):
        return picture
    squares = picture.astype(np.float64) ** 2
    for axis, side in enumerate(blocks):
        starts = np.arange(0, squares.shape[axis], side)
        sizes = np.diff(np.append(starts, squares.shape[axis])).reshape((-1, 1) if axis == 0 else (1, -1))
        squares = np.add.reduceat(squares, starts, axis=axis) / sizes
    return np.sqrt(squares).astype(np.float32)


def strongest_inputs(picture: Float32) -> npt.NDArray[np.int32]:
    """Of each filter the input with the largest norm, [filters]; NaN counts as none."""
    return np.argmax(np.where(np.isnan(picture), -1, picture), axis=1).astype(np.int32)
