"""Statistics of different samples of one layer, joined as if all had been measured together.

Workers join theirs by three collective calls for all layers (for each `_TOGETHER` numbers of them), and no raw map leaves its worker:
counts and means are summed and extremes compared first; then, about the common mean, squared deviations and the histogram of the
sampled values are summed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.measures.activations.accumulator import ActivationAccumulator, Moments, SiteMoments
from tb_featuremap_plugin.measures.activations.percentiles import KEYS

Array = npt.NDArray[Any]
Float64 = npt.NDArray[np.float64]


class AllReduce(Protocol):
    """The engine's collective."""

    def __call__(self, values: Float64, how: Literal["sum", "max"]) -> Float64:
        """Joins a vector [n] over all workers, entry by entry."""


_TOGETHER = 1 << 22
"""Numbers that are joined at once: 32 MB, beside which the time of a call is little."""


def join(accumulators: Sequence[ActivationAccumulator], all_reduce: AllReduce) -> list[ActivationAccumulator]:
    """Joins the workers' statistics of layers; every worker calls it, and every worker gets the whole.

    Args:
        accumulators: of this worker's samples, a layer each, measured with `mergeable=True`; of the same layers, channels and positions
            on all workers; may be of no samples.
        all_reduce: the engine's collective: a vector [n] of float64 and "sum" or "max" in, the joined vector out.

    Raises:
        ValueError: an accumulator is not mergeable.
    """
    joined: list[ActivationAccumulator] = []
    for group in _groups(accumulators):
        sums = _together([_first_sums(accumulator) for accumulator in group], partial(all_reduce, how="sum"))
        extremes = _together([_extremes(accumulator) for accumulator in group], partial(all_reduce, how="max"))
        common = [_Common.unpack(*parts) for parts in zip(group, sums, extremes, strict=True)]
        seconds = [one.second_sums(local) for one, local in zip(common, group, strict=True)]
        seconds = _together(seconds, partial(all_reduce, how="sum"))
        joined += [one.finish(second) for one, second in zip(common, seconds, strict=True)]
    return joined


def without_samples(accumulator: ActivationAccumulator) -> ActivationAccumulator:
    """What a worker joins whose samples another one has too."""
    like = accumulator
    return ActivationAccumulator.empty(0, like.channels, like.positions, like.activation, mergeable=True)


def _groups(accumulators: Sequence[ActivationAccumulator]) -> Iterator[list[ActivationAccumulator]]:
    """Layers that are joined at once."""
    group: list[ActivationAccumulator] = []
    numbers = 0
    for accumulator in accumulators:
        _check([accumulator])
        group.append(accumulator)
        numbers += accumulator.channels * accumulator.positions
        if numbers >= _TOGETHER:
            yield group
            group, numbers = [], 0
    if group:
        yield group


def _together(vectors: Sequence[Float64], reduce: Callable[[Float64], Float64]) -> list[Float64]:
    """Joins vectors by one call."""
    stops = np.cumsum([len(vector) for vector in vectors])
    return np.split(reduce(np.concatenate(vectors)), stops[:-1])


def merge(accumulators: Sequence[ActivationAccumulator]) -> ActivationAccumulator:
    """Joins statistics that one process holds, such as those of its replicas.

    Args:
        accumulators: at least one, all measured with `mergeable=True`.

    Raises:
        ValueError: they are not mergeable, or of different channels or positions.
    """
    _check(accumulators)
    first_sums = np.sum([_first_sums(accumulator) for accumulator in accumulators], axis=0)
    common = _Common.unpack(accumulators[0], first_sums, np.max([_extremes(accumulator) for accumulator in accumulators], axis=0))
    return common.finish(np.sum([common.second_sums(accumulator) for accumulator in accumulators], axis=0))


@dataclass
class _Common:
    """What all workers agree on after the first round."""

    accumulator: ActivationAccumulator
    sites: SiteMoments
    keys: range

    @classmethod
    def unpack(cls, like: ActivationAccumulator, sums: Float64, extremes: Float64) -> _Common:
        channels, positions = like.channels, like.positions
        added, reduced = _Reader(sums), _Reader(extremes)
        accumulator = ActivationAccumulator.empty(int(added.take(1)[0]), channels, positions, like.activation)
        accumulator.channel_counts = added.take(like.channel_counts.size).reshape(like.channel_counts.shape)
        accumulator.value_counts = added.take(like.value_counts.size)
        accumulator.moments = _mean_only(added.take(channels), added.take(channels))
        shape = (channels, positions)
        site_moments = _mean_only(added.take(channels * positions).reshape(shape), added.take(channels * positions).reshape(shape))
        accumulator.low, accumulator.high = -reduced.take(channels), reduced.take(channels)
        sites = SiteMoments(
            site_moments, -reduced.take(channels * positions).reshape(shape), reduced.take(channels * positions).reshape(shape)
        )
        sum_low, sum_high, least_key, largest_key = reduced.take(4)
        accumulator.sum_low, accumulator.sum_high = -float(sum_low), float(sum_high)
        return cls(accumulator, sites, range(int(-least_key), int(largest_key) + 1) if largest_key >= 0 else range(0))

    def second_sums(self, local: ActivationAccumulator) -> Float64:
        """Squared deviations about the common means, and the histogram of keys."""
        sites = _sites(local)
        histogram = np.bincount(local.keys.astype(np.intp) - self.keys.start, minlength=len(self.keys)) if len(self.keys) else np.empty(0)
        return _vector([_about(local.moments, self.accumulator.moments), _about(sites.moments, self.sites.moments), histogram])

    def finish(self, sums: Float64) -> ActivationAccumulator:
        accumulator, sites, added = self.accumulator, self.sites, _Reader(sums)
        accumulator.moments.m2 = added.take(accumulator.channels)
        sites.moments.m2 = added.take(sites.low.size).reshape(sites.low.shape)
        histogram = np.rint(added.take(len(self.keys))).astype(np.int64)
        accumulator.keys = np.repeat(np.asarray(self.keys, np.uint16), histogram)
        accumulator.varying = np.any(sites.high > sites.low, axis=1)
        accumulator.spread = _spread(sites.moments)
        accumulator.sites = sites
        return accumulator


class _Reader:
    """Takes a vector apart in the order in which it was put together."""

    def __init__(self, vector: Float64) -> None:
        self._vector = np.asarray(vector, np.float64)
        self._position = 0

    def take(self, size: int) -> Float64:
        start, self._position = self._position, self._position + size
        taken: Float64 = self._vector[start : self._position].copy()
        return taken


def _check(accumulators: Sequence[ActivationAccumulator]) -> None:
    shapes = {(accumulator.channels, accumulator.positions) for accumulator in accumulators}
    if len(shapes) != 1 or any(accumulator.sites is None for accumulator in accumulators):
        raise ValueError(f"partials are of {sorted(shapes)} channels and positions; all must be alike and measured with mergeable=True")


def _sites(accumulator: ActivationAccumulator) -> SiteMoments:
    assert accumulator.sites is not None
    return accumulator.sites


def _first_sums(accumulator: ActivationAccumulator) -> Float64:
    sites = _sites(accumulator).moments
    means = [part for moments in (accumulator.moments, sites) for part in (moments.count, moments.count * moments.mean)]
    return _vector([np.asarray([accumulator.samples]), accumulator.channel_counts, accumulator.value_counts, *means])


def _extremes(accumulator: ActivationAccumulator) -> Float64:
    sites = _sites(accumulator)
    keys = (-int(accumulator.keys.min()), int(accumulator.keys.max())) if len(accumulator.keys) else (-KEYS, -1)
    single = np.asarray([-accumulator.sum_low, accumulator.sum_high, *keys])
    return _vector([-accumulator.low, accumulator.high, -sites.low, sites.high, single])


def _vector(parts: Iterable[Array]) -> Float64:
    return np.concatenate([np.asarray(part, np.float64).reshape(-1) for part in parts])


def _mean_only(count: Float64, total: Float64) -> Moments:
    return Moments(count, total / np.maximum(count, 1), np.zeros_like(count))


def _about(moments: Moments, common: Moments) -> Float64:
    delta = moments.mean - common.mean
    squares: Float64 = moments.m2 + moments.count * delta * delta
    return squares


def _spread(moments: Moments) -> Float64:
    known = moments.count > 1
    deviation = np.where(known, np.sqrt(moments.m2 / np.maximum(moments.count, 1)), 0).sum(axis=1)
    sites = known.sum(axis=1)
    return np.where(sites, deviation / np.maximum(sites, 1), math.nan)
