"""Numbers of kernels: statistics of each filter, and for large kernels norms and slices in place of the values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.scratch_buffers import ones, scratch_buffer
from tb_featuremap_plugin.schema.columns import FILTER_COLUMNS

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

LARGEST_EXACT_BYTES = 1_000_000
"""A kernel of at most this size in float32 is stored as it is."""

LARGEST_NORM_SIDE = 512
"""Above this many filters or inputs the picture of norms is reduced by blocks."""

_BLOCK = 1 << 15
"""Entries of a block of squares: 256 KB of float64."""

_NORMS_AT_ONCE = 1 << 18
"""Entries of the picture of norms that are computed before they are reduced: of a large dense kernel it is as large as the kernel."""

_STATS_BLOCK = 1 << 14
"""Values of a block of filters in float64: 128 KB, which stay in a core's own cache."""

_LEAST_SPREAD = 1e-6


def filter_stats(kernel: Array) -> Float32:
    """Statistics of each filter, [len(FILTER_COLUMNS), filters]; of finite values, NaN where there are none.

    Args:
        kernel: [filters, inputs, *space].
    """
    matrix = _filters_last(kernel)
    table = None if matrix is None else _stats_of_columns(matrix)
    return _stats_of_rows(kernel) if table is None else table


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether a kernel of this shape is stored as norms and slices."""
    return math.prod(shape) * 4 > LARGEST_EXACT_BYTES


def squared_norms(kernel: Array, minus: Array | None = None) -> Array:
    """Sums of squares over space, [filters, inputs] in float64: of a kernel, or of its difference to another one.

    Memory is read, and written, in the order in which the kernel lies.

    Args:
        kernel: [filters, inputs, *space].
        minus: of the same shape.
    """
    filters, inputs = kernel.shape[:2]
    if not kernel.size:
        return np.zeros((filters, inputs))
    if kernel.strides[0] < kernel.strides[1]:
        swapped: Array = squared_norms(kernel.swapaxes(0, 1), None if minus is None else minus.swapaxes(0, 1)).T
        return swapped
    squares = np.zeros((filters, inputs))
    size = math.prod(kernel.shape[2:])
    together = size > 1 and kernel.flags.c_contiguous
    places = [()] if together else list(np.ndindex(*kernel.shape[2:]))
    step = max(1, _BLOCK // (inputs * size if together else inputs))
    for start in range(0, filters, step):
        block = slice(start, start + step)
        for number, place in enumerate(places):
            at = (block, ..., *place)
            own, other = kernel[at], None if minus is None else minus[at]
            memory = squares[block] if not (together or number) else scratch_buffer("filter squares", np.float64, own.shape)
            found = _squared(own, other, memory)
            if together:
                squares[block] = np.dot(found.reshape(-1, size), ones(size, "d")).reshape(-1, inputs)
            elif number:
                squares[block] += found
    return squares


def large_kernel(kernel: Array, others: dict[str, Array], side: int = LARGEST_NORM_SIDE) -> tuple[tuple[int, int], dict[str, Array]]:
    """Filters and inputs that an entry of the picture of norms stands for, and the sections of a large kernel's record.

    Args:
        kernel: [filters, inputs, *space].
        others: of the same shape, by the name of the section that holds the norms of the kernel's difference to them.
        side: entries a side of the picture of norms, at most.
    """
    blocks = norm_blocks((kernel.shape[0], kernel.shape[1]), side)
    step = blocks[0] * max(1, _NORMS_AT_ONCE // max(1, blocks[0] * kernel.shape[1]))
    parts: dict[str, list[Array]] = {name: [] for name in ("norms", "slices", "slice_inputs", *others)}
    for start in range(0, len(kernel), step):
        part = kernel[start : start + step]
        squares = squared_norms(part)
        strongest = strongest_inputs(squares)
        parts["norms"].append(reduced_norms(squares, blocks))
        parts["slices"].append(np.ascontiguousarray(part[np.arange(len(part)), strongest], np.float32))
        parts["slice_inputs"].append(strongest)
        for name, other in others.items():
            parts[name].append(reduced_norms(squared_norms(part, other[start : start + step]), blocks))
    return blocks, {name: np.concatenate(found) for name, found in parts.items()}


def norm_blocks(shape: tuple[int, int], side: int = LARGEST_NORM_SIDE) -> tuple[int, int]:
    """Filters and inputs that one entry of a reduced picture of norms stands for."""
    return -(-shape[0] // side), -(-shape[1] // side)


def reduced_norms(squares: Array, blocks: tuple[int, int]) -> Float32:
    """Root mean square over blocks of [filters, inputs], from squares in float64; at the far edges over what is there."""
    if squares.strides[0] < squares.strides[1]:
        swapped: Float32 = reduced_norms(squares.T, (blocks[1], blocks[0])).T
        return swapped
    means = _block_means(_block_means(squares, blocks[0]).T, blocks[1]).T
    with np.errstate(all="ignore"):
        result: Float32 = np.sqrt(means).astype(np.float32)
    return result


def strongest_inputs(picture: Array) -> npt.NDArray[np.int32]:
    """Of each filter the input with the largest norm or square of it, [filters]; NaN counts as none."""
    broken = np.isnan(picture)
    known = np.where(broken, -1, picture) if broken.any() else picture
    result: npt.NDArray[np.int32] = np.argmax(known, axis=1).astype(np.int32)
    return result


def _block_means(squares: Array, side: int) -> Array:
    """Means of `side` successive rows each, and of those that are left at the end."""
    if side == 1:
        return squares
    whole = len(squares) // side
    means = np.empty((-(-len(squares) // side), squares.shape[1]))
    sums, steps = means[:whole], squares[: whole * side]
    np.copyto(sums, steps[::side])
    for place in range(1, side):
        sums += steps[place::side]
    sums /= side
    if len(means) > whole:
        means[whole] = squares[whole * side :].mean(axis=0)
    return means


def _squared(values: Array, minus: Array | None, squares: Array) -> Array:
    """Squares in float64 of values or of their difference, which is taken in float32 where it can be; written to `squares`."""
    shape = values.shape
    exact = values.dtype.itemsize > 4 or values.dtype.kind in "iu"
    if minus is not None:
        work = np.float64 if exact else np.float32
        values = np.subtract(values, minus, out=scratch_buffer("filter differences", work, shape), casting="unsafe", dtype=work)
    np.copyto(squares, values, casting="unsafe")
    return np.multiply(squares, squares, out=squares)


def _filters_last(kernel: Array) -> Array | None:
    """A kernel as a matrix [weights, filters] in its own memory; None where its filters do not lie side by side."""
    if kernel.ndim < 2 or kernel.size < _STATS_BLOCK:
        return None
    order = sorted(range(kernel.ndim), key=lambda axis: -kernel.strides[axis])
    memory = kernel.transpose(order)
    inner = range(kernel.ndim - 2)
    even = all(memory.strides[axis] == memory.strides[axis + 1] * memory.shape[axis + 1] for axis in inner)
    if order[-1] != 0 or kernel.strides[0] != kernel.itemsize or not even:
        return None
    matrix: Array = memory.reshape(-1, len(kernel))
    return matrix


def _stats_of_columns(matrix: Array) -> Float32 | None:
    """Statistics of the columns, row by row; None where something is not finite or its spread would lose digits."""
    size, filters = matrix.shape
    sums, squares = np.zeros(filters), np.zeros(filters)
    low, high = np.full(filters, np.inf), np.full(filters, -np.inf)
    step = max(1, _STATS_BLOCK // filters)
    with np.errstate(all="ignore"):
        for start in range(0, size, step):
            block = matrix[start : start + step]
            rows = scratch_buffer("filters", np.float64, block.shape)
            np.copyto(rows, block, casting="unsafe")
            weights = ones(len(block), "d")
            sums += np.dot(weights, rows)
            np.minimum(low, np.minimum.reduce(rows, axis=0), out=low)
            np.maximum(high, np.maximum.reduce(rows, axis=0), out=high)
            squares += np.dot(weights, np.multiply(rows, rows, out=rows))
        mean = sums / size
        m2 = squares - sums * mean
    if not np.isfinite(squares).all() or np.count_nonzero(m2 < _LEAST_SPREAD * squares):
        return None
    table = np.zeros((len(FILTER_COLUMNS), filters), np.float32)
    table[:5] = low, high, mean, np.sqrt(m2 / size), np.sqrt(squares)
    return table


def _stats_of_rows(kernel: Array) -> Float32:
    table = np.empty((len(FILTER_COLUMNS), len(kernel)), np.float32)
    size = math.prod(kernel.shape[1:])
    step = max(1, _STATS_BLOCK // max(1, size))
    with np.errstate(all="ignore"):
        for start in range(0, len(kernel), step):
            chosen = kernel[start : start + step]
            shape = len(chosen), size
            rows = scratch_buffer("filters", np.float64, shape) if chosen.size <= _STATS_BLOCK else np.empty(shape)
            np.copyto(rows.reshape(chosen.shape), chosen, casting="unsafe")
            squares = np.einsum("fi,fi->f", rows, rows)
            finite = size > 0 and bool(np.isfinite(squares).all())
            table[:, start : start + step] = _finite_stats(rows, squares) if finite else _any_stats(rows)
    return table


def _finite_stats(rows: Array, squares: Array) -> Array:
    table = np.zeros((len(FILTER_COLUMNS), len(rows)))
    total = np.add.reduce(rows, axis=1)
    mean = total / rows.shape[1]
    m2 = squares - total * mean
    if np.count_nonzero(m2 < _LEAST_SPREAD * squares):  # so far from 0 that the difference has lost digits
        deviation = rows - mean[:, None]
        m2 = np.einsum("fi,fi->f", deviation, deviation)
    np.minimum.reduce(rows, axis=1, out=table[0])
    np.maximum.reduce(rows, axis=1, out=table[1])
    table[2], table[3], table[4] = mean, np.sqrt(m2 / rows.shape[1]), np.sqrt(squares)
    return table


def _any_stats(rows: Array) -> Array:
    finite = np.isfinite(rows)
    known = finite.sum(axis=1)
    known = np.where(known, known, np.nan)
    kept = np.where(finite, rows, 0)
    mean = kept.sum(axis=1) / known
    deviation = np.where(finite, rows - mean[:, None], 0)
    low = np.min(rows, axis=1, where=finite, initial=np.inf)
    high = np.max(rows, axis=1, where=finite, initial=-np.inf)
    numbers = [low, high, mean, np.sqrt((deviation * deviation).sum(axis=1) / known), np.sqrt((kept * kept).sum(axis=1))]
    bad = [mask.sum(axis=1) for mask in (np.isnan(rows), np.isposinf(rows), np.isneginf(rows))]
    return np.stack([*(np.where(np.isnan(known), np.nan, number) for number in numbers), *bad])
