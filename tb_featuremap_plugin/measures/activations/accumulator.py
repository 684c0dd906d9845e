"""What is kept of a layer's output between measuring it and writing its rows: counts, moments and extremes that can be joined."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.schema.columns import NONFINITE

Array = npt.NDArray[Any]
Float64 = npt.NDArray[np.float64]

CHANNEL_COUNTS = ("zeros", *NONFINITE, "saturated")
VALUE_COUNTS = ("below_zero", "above_one", "integers", "top")

ZEROS, NAN, POS_INF, NEG_INF, SATURATED = range(len(CHANNEL_COUNTS))
BELOW_ZERO, ABOVE_ONE, INTEGERS, TOP = range(len(VALUE_COUNTS))

UNIT_RANGE = 1.0 + 1e-3
"""Sums over channels are taken where all values lie in 0..1, give or take a float16's rounding: elsewhere they say nothing."""


@dataclass
class Moments:
    """Count, mean and sum of squared deviations; arrays of one shape. Joined by the formula of Chan, Golub and LeVeque (1979)."""

    count: Float64
    mean: Float64
    m2: Float64

    @classmethod
    def empty(cls, *shape: int) -> Moments:
        """Of no values at all."""
        zeros = np.zeros((3, *shape))
        return cls(zeros[0], zeros[1], zeros[2])

    def add(self, where: slice, count: Array | float, mean: Array, m2: Array) -> None:
        """Joins the moments of further values of the entries `where`."""
        before = self.count[where]
        total = before + count
        share = count / np.maximum(total, 1)
        delta = mean - self.mean[where]
        self.m2[where] += m2 + delta * delta * before * share
        self.mean[where] += delta * share
        self.count[where] = total


@dataclass
class SiteMoments:
    """Statistics of every site (a channel at a position), float64 [channels, positions]: with them spreads over samples can be joined."""

    moments: Moments
    low: Float64
    high: Float64

    @classmethod
    def empty(cls, channels: int, positions: int) -> SiteMoments:
        """Of no samples at all."""
        nothing = np.full((channels, positions), np.inf)
        return cls(Moments.empty(channels, positions), nothing, -nothing)


@dataclass
class ActivationAccumulator:
    """Statistics of some samples of a layer's output.

    Attributes:
        samples, channels, positions: sizes of the output.
        activation: name of the layer's activation, lower-case; None if unknown.
        moments: of each channel's finite values.
        low, high: extremes of each channel's finite values, [channels]; +Inf and -Inf where there are none.
        channel_counts: [len(CHANNEL_COUNTS), channels].
        value_counts: [len(VALUE_COUNTS)], of all values.
        spread: mean over positions of the standard deviation over samples, [channels]; NaN for a single sample.
        varying: whether any position of a channel differs between samples, [channels].
        sum_low, sum_high: extremes of the sum over channels; +Inf and -Inf where values leave 0..1.
        keys: of the values that percentiles are computed from, see `percentiles`.
        sites: where the accumulator is to be joined with others; None otherwise.
    """

    samples: int
    channels: int
    positions: int
    activation: str | None
    moments: Moments
    low: Float64
    high: Float64
    channel_counts: Float64
    value_counts: Float64
    spread: Float64
    varying: npt.NDArray[np.bool_]
    sum_low: float = math.inf
    sum_high: float = -math.inf
    keys: npt.NDArray[np.uint16] = field(default_factory=lambda: np.empty(0, np.uint16))
    sites: SiteMoments | None = None

    @classmethod
    def empty(
        cls, samples: int, channels: int, positions: int, activation: str | None, *, mergeable: bool = False
    ) -> ActivationAccumulator:
        """With nothing counted yet."""
        nothing = np.full(channels, np.inf)
        return cls(
            samples=samples,
            channels=channels,
            positions=positions,
            activation=activation.lower() if activation else None,
            moments=Moments.empty(channels),
            low=nothing,
            high=-nothing,
            channel_counts=np.zeros((len(CHANNEL_COUNTS), channels)),
            value_counts=np.zeros(len(VALUE_COUNTS)),
            spread=np.full(channels, np.nan),
            varying=np.zeros(channels, bool),
            sites=SiteMoments.empty(channels, positions) if mergeable else None,
        )

    @property
    def values(self) -> int:
        """Values that were measured, finite or not."""
        return self.samples * self.channels * self.positions

    @property
    def places(self) -> int:
        """Values of each channel."""
        return self.samples * self.positions

    @property
    def is_finite(self) -> bool:
        """Whether no value is NaN or Inf."""
        return not self.channel_counts[NAN : NEG_INF + 1].any()

    @property
    def has_unit_range(self) -> bool:
        """Whether all values lie in 0..1."""
        in_range = self.values > 0 and float(self.low.min()) >= 0 and float(self.high.max()) <= UNIT_RANGE
        return in_range and self.is_finite
