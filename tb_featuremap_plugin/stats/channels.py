"""Second stage of activation statistics: sites folded into channels, blocks joined by the formula of Chan, Golub and LeVeque (1979)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Float64 = npt.NDArray[np.float64]

_SHORTEST_RUN = 16
"""Below this many values side by side NumPy's reductions spend their time on overhead, and a transposed copy is quicker."""


class Fold:
    """Folds arrays [sites] of one block into their channels.

    Args:
        channels: which channels the sites belong to.
        shape: of the sites: [positions, channels] or [channels, positions].
        channels_last: which of the two.
    """

    def __init__(self, channels: slice, shape: tuple[int, int], channels_last: bool) -> None:
        self.channels = channels
        self._shape = shape
        self._transpose = shape[1] < _SHORTEST_RUN < shape[0]
        self._axis = int(channels_last == self._transpose)

    def arrange(self, sites: Array) -> Array:
        """The sites as a matrix, so that folding goes along memory."""
        matrix = sites.reshape(self._shape)
        return np.ascontiguousarray(matrix.T) if self._transpose else matrix

    def sum(self, matrix: Array) -> Array:
        """Sum of each channel."""
        result: Array = (
            np.dot(_ones(matrix.shape[0], matrix.dtype), matrix)
            if self._axis == 0
            else np.dot(matrix, _ones(matrix.shape[1], matrix.dtype))
        )
        return result

    def min(self, matrix: Array) -> Array:
        """Least value of each channel."""
        result: Array = np.minimum.reduce(matrix, axis=self._axis)
        return result

    def max(self, matrix: Array) -> Array:
        """Largest value of each channel."""
        result: Array = np.maximum.reduce(matrix, axis=self._axis)
        return result

    def count(self, counts: Array) -> Array:
        """Sum of whole numbers over each channel, from [sites]."""
        return self.sum(self.arrange(counts).astype(np.float32))

    def spread_out(self, per_channel: Array) -> Array:
        """A value a channel, shaped to broadcast against an arranged matrix."""
        return per_channel[None, :] if self._axis == 0 else per_channel[:, None]


@dataclass
class Moments:
    """Count, mean and sum of squared deviations of each channel, float64 [channels]."""

    count: Float64
    mean: Float64
    m2: Float64

    @classmethod
    def empty(cls, channels: int) -> Moments:
        """Of no values at all."""
        return cls(np.zeros(channels), np.zeros(channels), np.zeros(channels))

    def add(self, where: slice, count: Array | float, mean: Array, m2: Array) -> None:
        """Joins the moments of further values of the channels `where`."""
        before = self.count[where]
        total = before + count
        share = count / np.maximum(total, 1)
        delta = mean - self.mean[where]
        self.mean[where] += delta * share
        self.m2[where] += m2 + delta * delta * before * share
        self.count[where] = total


def _ones(size: int, dtype: npt.DTypeLike) -> Array:
    return np.ones(size, dtype)
