"""Second stage of activation statistics: sites folded into their channels."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.short_rows import reduce_rows, rows_side_by_side

Array = npt.NDArray[Any]

_MAX_BYTE_COUNT = 255
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


@lru_cache(maxsize=64)
def ones(size: int, dtype: str) -> Array:
    """Ones to multiply by: BLAS adds up faster than NumPy's own sums, along either axis."""
    result = np.ones(size, dtype)
    result.flags.writeable = False
    return result
