"""What NumPy is slow at: a handful of numbers, and short rows, which are laid side by side here.

NumPy's loops start anew with every row, which costs more than a row of a hundred numbers itself.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FEW = 64
"""Up to this many numbers plain Python is quicker than any of NumPy's calls."""

_WIDE = 4096


def rows_side_by_side(rows: int, columns: int) -> int:
    """How many of `rows` rows to lay side by side: a divisor of their number."""
    return math.gcd(rows, max(1, _WIDE // max(1, columns)))


def side_by_side(matrix: Array, count: int) -> Array:
    """A contiguous [rows, columns] as a view [rows / count, count * columns]."""
    rows, columns = matrix.shape
    wide: Array = matrix.reshape(rows // count, count * columns)
    return wide


def repeated(vector: Array, count: int) -> Array:
    """A vector `count` times in a row."""
    if count == 1:
        return vector
    whole = np.empty((count, len(vector)), vector.dtype)
    whole[...] = vector
    return whole.reshape(-1)


def reduce_rows(ufunc: np.ufunc, matrix: Array, dtype: type[np.generic] | None = None) -> Array:
    """`ufunc.reduce` over the rows of a contiguous [rows, columns]; with `dtype`, what the first rows are added up in."""
    count = rows_side_by_side(*matrix.shape)
    partial: Array = ufunc.reduce(side_by_side(matrix, count), axis=0, dtype=dtype)
    if count == 1:
        return partial
    result: Array = ufunc.reduce(partial.reshape(count, -1), axis=0)
    return result
