"""What a layer puts out, in numbers: mergeable over workers, in one pass over memory.

A *site* is a channel at a position. Samples are folded into sites block by block while they lie in the cache, sites into channels, and
channels into the layer's row. Whatever subtracts is shifted first; whatever is counted is counted over all values; only percentiles
come from a sample (of at most `SAMPLED_SITES` sites, see `percentiles`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.layouts import channels_to_end, is_channels_last
from tb_featuremap_plugin.arrays.scratch_buffers import scratch_buffer
from tb_featuremap_plugin.measures.activations import percentiles
from tb_featuremap_plugin.measures.activations.accumulator import (
    ABOVE_ONE,
    BELOW_ZERO,
    INTEGERS,
    NAN,
    NEG_INF,
    SATURATED,
    TOP,
    ZEROS,
    ActivationAccumulator,
    SiteMoments,
)
from tb_featuremap_plugin.measures.activations.layer_rows import near_limits
from tb_featuremap_plugin.measures.activations.sites import LEAST_SPREAD, Fold, Sites, concatenate, count, fold_samples, take_sample
from tb_featuremap_plugin.schema.columns import TOP_SHARE

Array = npt.NDArray[Any]

SAMPLED_SITES = 4096
"""Sites whose values percentiles are computed from: the same ones on every worker, however many samples each has."""

_BLOCK = 1 << 18
"""Values of a block: 1 MB of float32, which stays near the core; with less, NumPy's calls would cost more than a slower cache does."""

_SITES = 1 << 14
"""Sites that are folded into their channels at once where there are several samples: arrays of so many are cheap to get memory for."""


def measure(data: Array, activation: str | None = None, *, mergeable: bool = False) -> ActivationAccumulator:
    """Statistics of a layer's output.

    Args:
        data: [samples, channels, *space] of any numeric dtype; quickest if its memory is contiguous, channels last or first.
        activation: the layer's, such as "relu"; None if unknown.
        mergeable: keep what `merge` and `join` need: five float64 numbers a site.
    """
    samples, channels = data.shape[:2]
    accumulator = ActivationAccumulator.empty(samples, channels, math.prod(data.shape[2:]), activation, mergeable=mergeable)
    if accumulator.values:
        with np.errstate(all="ignore"):
            _Pass(data, accumulator).run()
    return accumulator


class _Pass:
    """One pass over a layer's output, filling in an accumulator."""

    def __init__(self, data: Array, accumulator: ActivationAccumulator) -> None:
        self._partial = accumulator
        self._channels_last = accumulator.positions == 1 or is_channels_last(data)
        ordered = channels_to_end(data) if self._channels_last else data
        self._flat = ordered.reshape(accumulator.samples, -1)
        self._whole = data.dtype.kind in "biu"
        self._work = np.float64 if data.dtype.itemsize > 2 and data.dtype != np.float32 else np.float32
        self._sites = _SITES if accumulator.samples > 1 else _BLOCK
        self._near_limits = near_limits(accumulator.activation)
        self._spread = np.zeros(accumulator.channels)
        self._spread_sites = np.zeros(accumulator.channels)

    def run(self) -> None:
        accumulator = self._partial
        for start, fold in self._folds():
            self._fold(start, fold)
        if accumulator.samples > 1:
            accumulator.spread = self._spread / np.where(self._spread_sites, self._spread_sites, np.nan)
        accumulator.keys = percentiles.to_keys(
            self._flat[:, :: _stride(accumulator)], finite=accumulator.is_finite and self._work is np.float32
        )
        if accumulator.has_unit_range:
            self._sum_channels()

    def _folds(self) -> Iterator[tuple[int, Fold]]:
        """Where each block of sites begins, and how it folds: whole positions or channels of about a block of sites."""
        channels, positions = self._partial.channels, self._partial.positions
        if self._channels_last:
            for start, stop in _ranges(positions, max(1, self._sites // channels)):
                yield start * channels, Fold(slice(0, channels), stop - start, True)
            return
        for first, last in _ranges(channels, max(1, self._sites // positions)):
            for start, stop in _ranges(positions, self._sites):
                yield first * positions + start, Fold(slice(first, last), stop - start, False)

    def _fold(self, start: int, fold: Fold) -> None:
        accumulator, channels = self._partial, fold.channels
        stop = start + fold.positions * (channels.stop - channels.start)
        step = stop - start if accumulator.samples == 1 else max(1, _BLOCK // accumulator.samples)  # a single sample is folded as a whole
        sites = concatenate(
            [self._fold_block(self._flat[:, low:high], fold) for low, high in _ranges(stop, step, start)], accumulator.samples
        )
        low = fold.min(fold.arrange(sites.low)) if sites.channel_low is None else sites.channel_low
        high = fold.max(fold.arrange(sites.high)) if sites.channel_high is None else sites.channel_high
        np.minimum(accumulator.low[channels], low, out=accumulator.low[channels])
        np.maximum(accumulator.high[channels], high, out=accumulator.high[channels])
        self._add_counts(fold, sites)
        if accumulator.samples > 1 or sites.finite is not None or not self._add_plain_moments(fold, sites):
            self._add_moments(fold, sites)
        if accumulator.sites is not None:
            self._keep(accumulator.sites, fold, start, sites)

    def _fold_block(self, raw: Array, fold: Fold) -> Sites:
        block = self._contiguous(raw)
        mask = scratch_buffer("mask", np.bool_, raw.shape)
        sites = fold_samples(block) if len(raw) > 1 else take_sample(block, fold)
        counts = self._partial.value_counts
        if sites.least < 0 or sites.bad is not None:
            counts[BELOW_ZERO] += np.count_nonzero(np.less(block, 0, out=mask))
        if sites.most > 1 or sites.bad is not None:
            counts[ABOVE_ONE] += np.count_nonzero(np.greater(block, 1, out=mask))
        counts[INTEGERS] += raw.size if self._whole else _count_integers(block, sites, mask)
        if sites.least <= 0 <= sites.most:
            sites.zeros = count(np.equal(block, 0, out=mask))  # of a single sample a view of the mask: nothing may use that below
        if self._near_limits is not None:
            sites.saturated = count(self._near_limits(block))
        return sites

    def _contiguous(self, raw: Array) -> Array:
        """Rows of several samples are often a multiple of the page size apart, where they drive each other out of the cache."""
        if len(raw) == 1 and raw.dtype == self._work:
            return raw
        block = scratch_buffer("block", self._work, raw.shape)
        np.copyto(block, raw, casting="unsafe")
        return block

    def _add_counts(self, fold: Fold, sites: Sites) -> None:
        counts = self._partial.channel_counts
        add_up = fold.count_marks if self._partial.samples == 1 else fold.count
        if sites.zeros is not None:
            counts[ZEROS, fold.channels] += add_up(sites.zeros)
        if sites.saturated is not None:
            counts[SATURATED, fold.channels] += add_up(sites.saturated)
        if sites.bad is not None:
            for row, bad in zip(range(NAN, NEG_INF + 1), sites.bad, strict=True):
                counts[row, fold.channels] += fold.count(bad)

    def _add_plain_moments(self, fold: Fold, sites: Sites) -> bool:
        """Of a single sample by sums of values and of squares; False where a mean is so far from 0 that their difference says little."""
        values = fold.arrange(sites.mean)
        total, squares = (
            fold.sum(values),
            fold.sum(np.multiply(values, values, out=scratch_buffer("squares", values.dtype.type, values.shape))),
        )
        mean = total / fold.positions
        m2 = squares - total * mean
        if np.count_nonzero(m2 < LEAST_SPREAD * squares):
            return False
        self._partial.moments.add(fold.channels, float(fold.positions), mean, m2)
        return True

    def _add_moments(self, fold: Fold, sites: Sites) -> None:
        mean = fold.arrange(sites.mean)
        weight = None if sites.finite is None else fold.arrange(sites.finite)
        total: Array | float = float(fold.positions) if weight is None else np.maximum(fold.sum(weight), 1)
        rough = fold.sum(mean if weight is None else mean * weight) / total
        deviation = mean - fold.spread_out(rough)
        weighted = deviation if weight is None else deviation * weight
        first = fold.sum(weighted)
        second = fold.sum(np.multiply(weighted, deviation, out=deviation))
        factor = float(self._partial.samples) if weight is None else 1.0
        m2 = factor * np.maximum(second - first * (first / total), 0).astype(np.float64)
        if sites.m2 is not None:
            within = fold.arrange(sites.m2)
            m2 += fold.sum(within)
            self._add_spread(fold, sites, within, weight)
        count = factor * total if weight is None else fold.sum(weight)
        self._partial.moments.add(fold.channels, count, rough.astype(np.float64) + first / total, m2)

    def _add_spread(self, fold: Fold, sites: Sites, within: Array, weight: Array | None) -> None:
        channels = fold.channels
        if weight is None:
            self._spread[channels] += fold.sum(np.sqrt(within / self._partial.samples))
            self._spread_sites[channels] += fold.positions
        else:
            known = (weight > 1).astype(within.dtype)
            self._spread[channels] += fold.sum(np.sqrt(within / np.maximum(weight, 1)) * known)
            self._spread_sites[channels] += fold.sum(known)
        self._partial.varying[channels] |= fold.max(fold.arrange(sites.high > sites.low))

    def _keep(self, kept: SiteMoments, fold: Fold, start: int, sites: Sites) -> None:
        channels, positions = self._partial.channels, self._partial.positions
        finite = float(self._partial.samples) if sites.finite is None else sites.finite
        if self._channels_last:
            where: tuple[slice, slice] = (fold.channels, slice(start // channels, start // channels + fold.positions))
        else:
            where = (fold.channels, slice(start % positions, start % positions + fold.positions))
        for target, source in (
            (kept.low, sites.low),
            (kept.high, sites.high),
            (kept.moments.mean, sites.mean),
            (kept.moments.m2, 0.0 if sites.m2 is None else sites.m2),
            (kept.moments.count, finite),
        ):
            view = target[where].T if self._channels_last else target[where]
            view[...] = np.reshape(source, view.shape) if isinstance(source, np.ndarray) else source

    def _sum_channels(self) -> None:
        accumulator = self._partial
        sizes = (accumulator.positions, accumulator.channels) if self._channels_last else (accumulator.channels, accumulator.positions)
        axis = 2 if self._channels_last else 1
        cube = self._flat.reshape(accumulator.samples, *sizes)
        for start, stop in _ranges(accumulator.samples, max(1, _BLOCK // self._flat.shape[1])):
            block = cube[start:stop].astype(self._work, copy=False)
            total, largest = np.add.reduce(block, axis=axis), np.maximum.reduce(block, axis=axis)
            accumulator.sum_low = min(accumulator.sum_low, float(total.min()))
            accumulator.sum_high = max(accumulator.sum_high, float(total.max()))
            accumulator.value_counts[TOP] += np.count_nonzero((largest > TOP_SHARE * total) & (total > 0))


def _count_integers(block: Array, sites: Sites, mask: Array) -> int:
    whole = np.equal(np.rint(block, out=scratch_buffer("squares", block.dtype.type, block.shape)), block, out=mask)
    return int(np.count_nonzero(whole if sites.bad is None else whole & np.isfinite(block)))


def _ranges(stop: int, step: int, start: int = 0) -> Iterator[tuple[int, int]]:
    for low in range(start, stop, step):
        yield low, min(low + step, stop)


def _stride(accumulator: ActivationAccumulator) -> int:
    """Distance of sampled sites: prime to the sites, so that it meets all channels alike."""
    sites = accumulator.channels * accumulator.positions
    stride = -(-sites // SAMPLED_SITES)
    while math.gcd(stride, sites) > 1:
        stride += 1
    return stride
