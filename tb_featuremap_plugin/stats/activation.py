"""What a layer puts out, in numbers: mergeable over workers, in one pass over memory.

A *site* is a channel at a position. Samples are folded into sites block by block while they lie in the cache, sites into channels, and
channels into the layer's row. Whatever subtracts is shifted first; whatever is counted is counted over all values; only percentiles
come from a sample (of at most `SAMPLED_SITES` sites, see `percentiles`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.layouts import is_channels_last
from tb_featuremap_plugin.schema import LAYER_COLUMNS
from tb_featuremap_plugin.stats import percentiles
from tb_featuremap_plugin.stats.channels import Fold, Moments
from tb_featuremap_plugin.stats.sites import Sites, count, fold_samples

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
AllReduce = Callable[[Float64, Literal["sum", "max"]], Float64]

SAMPLED_SITES = 4096
"""Sites whose values percentiles are computed from: the same ones on every worker, however many samples each has."""

CHANNEL_STATISTICS = ("min", "max", "mean", "std", "zeros", "spread", "nan", "pos_inf", "neg_inf")

_BLOCK = 1 << 16
_PERCENTILES = (1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0)

_RECTIFIERS = frozenset({"relu", "relu6"})
_LIMITS: dict[str, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu6": (-math.inf, 6.0),
}
_NEAR_LIMIT = 0.025
"""Within this share of its range an activation counts as saturated (diagnosis of saturation, after TheDeepChecker)."""
_RELU6_RANGE = 6.0
_SATURATED_UNIT = 0.95
_TOP = 0.999
_UNIT_RANGE = 1.0 + 1e-3


@dataclass
class SiteMoments:
    """Statistics of every site, float64 [channels, positions]: what workers need to join spreads over all samples."""

    moments: Moments
    low: Float64
    high: Float64


@dataclass
class ActivationPartial:
    """Statistics of some samples of a layer's output; `merge` and `join` combine those of other samples.

    Attributes:
        samples, channels, positions: sizes of the output.
        activation: name of the layer's activation, lower-case; None if unknown.
        moments: of each channel.
        low, high: extremes of each channel's finite values, [channels]; +Inf and -Inf where there are none.
        sums: what simply adds up: counts [channels] of "zeros", "nan", "pos_inf", "neg_inf" and "saturated", and
            counts [1] of "below_zero", "above_one", "integers" and "top".
        spread: mean over positions of the standard deviation over samples, [channels]; NaN for a single sample.
        varying: whether any position of a channel differs between samples, [channels].
        sum_low, sum_high: extremes of the sum over channels; +Inf and -Inf where values leave 0..1.
        keys: of the values that percentiles are computed from, see `percentiles`.
        sites: where the partial is to be merged; None otherwise.
    """

    samples: int
    channels: int
    positions: int
    activation: str | None
    moments: Moments
    low: Float64
    high: Float64
    sums: dict[str, Float64]
    spread: Float64
    varying: npt.NDArray[np.bool_]
    sum_low: float = math.inf
    sum_high: float = -math.inf
    keys: percentiles.Keys = field(default_factory=lambda: np.empty(0, np.uint16))
    sites: SiteMoments | None = None

    @property
    def values(self) -> int:
        """Values that were measured, finite or not."""
        return self.samples * self.channels * self.positions


def measure(data: Array, activation: str | None = None, *, mergeable: bool = False) -> ActivationPartial:
    """Statistics of a layer's output.

    Args:
        data: [samples, channels, *space] of any numeric dtype; quickest if its memory is contiguous, channels last or first.
        activation: the layer's, such as "relu"; None if unknown.
        mergeable: keep what `merge` and `join` need: five float64 numbers a site.
    """
    samples, channels = data.shape[:2]
    partial = _empty(samples, channels, math.prod(data.shape[2:]), activation, mergeable)
    if partial.values:
        with np.errstate(all="ignore"):
            _Pass(data, partial).run()
    return partial


def _empty(samples: int, channels: int, positions: int, activation: str | None, mergeable: bool) -> ActivationPartial:
    sums = {name: np.zeros(channels) for name in ("zeros", "nan", "pos_inf", "neg_inf", "saturated")}
    sums |= {name: np.zeros(1) for name in ("below_zero", "above_one", "integers", "top")}
    nothing = np.full(channels, np.inf)
    partial = ActivationPartial(
        samples, channels, positions, activation.lower() if activation else None, Moments.empty(channels), nothing, -nothing, sums,
        np.full(channels, np.nan), np.zeros(channels, bool),
    )  # fmt: skip
    if mergeable:
        shape = (channels, positions)
        moments = Moments(np.zeros(shape), np.zeros(shape), np.zeros(shape))
        partial.sites = SiteMoments(moments, np.full(shape, np.inf), np.full(shape, -np.inf))
    return partial


class _Pass:
    """One pass over a layer's output, filling in a partial."""

    def __init__(self, data: Array, partial: ActivationPartial) -> None:
        self._partial = partial
        self._channels_last = is_channels_last(data) or partial.positions == 1
        self._flat = _flatten(data, self._channels_last)
        self._whole = data.dtype.kind in "biu"
        self._work = np.float64 if data.dtype.itemsize > 2 and data.dtype != np.float32 else np.float32
        self._saturation = _saturation(partial.activation)
        self._spread = np.zeros(partial.channels)
        self._spread_sites = np.zeros(partial.channels)

    def run(self) -> None:
        partial = self._partial
        for where, fold in self._folds():
            self._fold(where, fold)
        if partial.samples > 1:
            partial.spread = self._spread / np.where(self._spread_sites, self._spread_sites, np.nan)
        partial.keys = percentiles.to_keys(self._flat[:, :: _stride(partial)])
        if _is_unit_range(partial):
            self._channel_sums()

    def _folds(self) -> Iterator[tuple[slice, Fold]]:
        channels, positions = self._partial.channels, self._partial.positions
        if self._channels_last:
            step = max(1, _BLOCK // channels)
            for start in range(0, positions, step):
                stop = min(start + step, positions)
                yield slice(start * channels, stop * channels), Fold(slice(0, channels), (stop - start, channels), True)
        elif positions <= _BLOCK:
            step = _BLOCK // positions
            for start in range(0, channels, step):
                stop = min(start + step, channels)
                yield slice(start * positions, stop * positions), Fold(slice(start, stop), (stop - start, positions), False)
        else:
            for channel in range(channels):
                for start in range(0, positions, _BLOCK):
                    stop = min(start + _BLOCK, positions)
                    offset = channel * positions
                    yield slice(offset + start, offset + stop), Fold(slice(channel, channel + 1), (1, stop - start), False)

    def _fold(self, where: slice, fold: Fold) -> None:
        partial, channels = self._partial, fold.channels
        folded = self._fold_blocks(where)
        low, high = fold.min(fold.arrange(folded.sites.low)), fold.max(fold.arrange(folded.sites.high))
        partial.low[channels] = np.minimum(partial.low[channels], low)
        partial.high[channels] = np.maximum(partial.high[channels], high)
        partial.sums["zeros"][channels] += fold.count(folded.zeros) if folded.zeros is not None else 0
        if folded.saturated is not None:
            partial.sums["saturated"][channels] += fold.count(folded.saturated)
        if folded.sites.bad is not None:
            for name, counts in zip(("nan", "pos_inf", "neg_inf"), folded.sites.bad, strict=True):
                partial.sums[name][channels] += fold.count(counts)
        self._add_moments(fold, folded.sites)
        if partial.sites is not None:
            self._keep(where, folded.sites)

    def _fold_blocks(self, where: slice) -> _Folded:
        step = max(1, _BLOCK // len(self._flat))
        starts = range(where.start, where.stop, step)
        parts = [self._fold_block(self._flat[:, start : min(start + step, where.stop)]) for start in starts]
        return parts[0] if len(parts) == 1 else _concatenate(parts)

    def _fold_block(self, raw: Array) -> _Folded:
        block = raw.astype(self._work, copy=False)
        sites = fold_samples(block)
        least, most = sites.low.min(), sites.high.max()
        sums = self._partial.sums
        if least < 0 or sites.bad is not None:
            sums["below_zero"] += np.count_nonzero(block < 0)
        if most > 1 or sites.bad is not None:
            sums["above_one"] += np.count_nonzero(block > 1)
        sums["integers"] += (
            raw.size
            if self._whole
            else np.count_nonzero((np.rint(block) == block) & np.isfinite(block) if sites.bad is not None else np.rint(block) == block)
        )
        zeros = count(block == 0) if least <= 0 <= most else None
        return _Folded(sites, zeros, self._count_saturated(block))

    def _count_saturated(self, block: Array) -> Array | None:
        if self._saturation is None:
            return None
        low, high = self._saturation
        near = block > high
        return count(near if low == -math.inf else near | (block < low))

    def _add_moments(self, fold: Fold, sites: Sites) -> None:
        samples = self._partial.samples
        mean = fold.arrange(sites.mean)
        weight = None if sites.counts is None else fold.arrange(sites.counts)
        places = fold.sum(np.ones_like(mean) if weight is None else weight)
        rough = fold.sum(mean if weight is None else mean * weight) / np.maximum(places, 1)
        deviation = mean - fold.spread_out(rough)
        first = fold.sum(deviation if weight is None else deviation * weight)
        deviation *= deviation
        second = fold.sum(deviation if weight is None else deviation * weight) - first * first / np.maximum(places, 1)
        factor = samples if weight is None else 1
        m2 = factor * second.astype(np.float64)
        if sites.m2 is not None:
            within = fold.arrange(sites.m2)
            m2 += fold.sum(within)
            self._add_spread(fold, within, weight, sites)
        count = factor * places.astype(np.float64)
        self._partial.moments.add(fold.channels, count, rough + first / np.maximum(places, 1).astype(np.float64), np.maximum(m2, 0))

    def _add_spread(self, fold: Fold, within: Array, weight: Array | None, sites: Sites) -> None:
        channels = fold.channels
        deviation = np.sqrt(within / (self._partial.samples if weight is None else np.maximum(weight, 1)))
        known = np.ones_like(within) if weight is None else (weight > 1).astype(within.dtype)
        self._spread[channels] += fold.sum(deviation * known)
        self._spread_sites[channels] += fold.sum(known)
        self._partial.varying[channels] |= fold.max(fold.arrange((sites.high > sites.low).view(np.uint8))).astype(bool)

    def _keep(self, where: slice, sites: Sites) -> None:
        kept = self._partial.sites
        assert kept is not None
        samples = float(self._partial.samples)
        for target, source in (
            (kept.low, sites.low), (kept.high, sites.high), (kept.moments.mean, sites.mean),
            (kept.moments.m2, 0.0 if sites.m2 is None else sites.m2), (kept.moments.count, samples if sites.counts is None else sites.counts),
        ):  # fmt: skip
            view = target.T if self._channels_last else target
            if self._channels_last:
                channels = self._partial.channels
                view[where.start // channels : where.stop // channels] = (
                    source if np.ndim(source) == 0 else np.reshape(source, (-1, channels))
                )
            else:
                view.reshape(-1)[where] = source

    def _channel_sums(self) -> None:
        partial = self._partial
        shape = (
            (partial.samples, partial.positions, partial.channels)
            if self._channels_last
            else (partial.samples, partial.channels, partial.positions)
        )
        axis = 2 if self._channels_last else 1
        cube = self._flat.reshape(shape)
        step = max(1, _BLOCK // self._flat.shape[1])
        for start in range(0, partial.samples, step):
            block = cube[start : start + step].astype(self._work, copy=False)
            total, largest = np.add.reduce(block, axis=axis), np.maximum.reduce(block, axis=axis)
            partial.sum_low, partial.sum_high = min(partial.sum_low, float(total.min())), max(partial.sum_high, float(total.max()))
            partial.sums["top"] += np.count_nonzero((largest > _TOP * total) & (total > 0))


@dataclass
class _Folded:
    sites: Sites
    zeros: Array | None
    saturated: Array | None


def _concatenate(parts: Sequence[_Folded]) -> _Folded:
    sizes = [len(part.sites.low) for part in parts]

    def join(arrays: Sequence[Array | None], missing: float) -> Array | None:
        if all(array is None for array in arrays):
            return None
        return np.concatenate([np.full(size, missing) if array is None else array for array, size in zip(arrays, sizes, strict=True)])

    sites = [part.sites for part in parts]
    bad = [site.bad for site in sites]
    samples_counts = [site.counts for site in sites]
    full = next((float(np.max(counts)) for counts in samples_counts if counts is not None), 0.0)
    return _Folded(
        Sites(
            np.concatenate([site.low for site in sites]),
            np.concatenate([site.high for site in sites]),
            np.concatenate([site.mean for site in sites]),
            join([site.m2 for site in sites], 0.0),
            join(samples_counts, full),
            None
            if all(entry is None for entry in bad)
            else tuple(join([entry[i] if entry else None for entry in bad], 0.0) for i in range(3)),  # type: ignore[arg-type]
        ),
        join([part.zeros for part in parts], 0.0),
        join([part.saturated for part in parts], 0.0),
    )


def _flatten(data: Array, channels_last: bool) -> Array:
    ordered = np.moveaxis(data, 1, -1) if channels_last else data
    return ordered.reshape(len(data), -1)


def _stride(partial: ActivationPartial) -> int:
    sites = partial.channels * partial.positions
    stride = -(-sites // SAMPLED_SITES)
    while math.gcd(stride, sites) > 1:
        stride += 1
    return stride


def _saturation(activation: str | None) -> tuple[float, float] | None:
    limits = _LIMITS.get(activation or "")
    if limits is None:
        return None
    low, high = limits
    margin = _NEAR_LIMIT * (_RELU6_RANGE if low == -math.inf else high - low)
    return low + margin, high - margin


def _is_unit_range(partial: ActivationPartial) -> bool:
    bad = sum(float(partial.sums[name].sum()) for name in ("nan", "pos_inf", "neg_inf"))
    return bad == 0 and float(partial.low.min()) >= 0 and float(partial.high.max()) <= _UNIT_RANGE


def channel_stats(partial: ActivationPartial) -> Float32:
    """Statistics of each channel, [len(CHANNEL_STATISTICS), channels]."""
    known = partial.moments.count > 0
    sums = partial.sums
    places = max(1, partial.samples * partial.positions)
    with np.errstate(all="ignore"):
        rows = [
            np.where(known, partial.low, np.nan), np.where(known, partial.high, np.nan), np.where(known, partial.moments.mean, np.nan),
            np.sqrt(partial.moments.m2 / np.where(known, partial.moments.count, np.nan)), sums["zeros"] / places,
            partial.spread, sums["nan"], sums["pos_inf"], sums["neg_inf"],
        ]  # fmt: skip
        return np.asarray(rows, np.float32)


def layer_row(partial: ActivationPartial, ordinal: float = math.nan) -> Float32:
    """The layer's row of the packed table, [len(LAYER_COLUMNS)]."""
    with np.errstate(all="ignore"):
        numbers = {"ordinal": ordinal, **_sizes(partial), **_scale(partial), **_shares(partial), **_units(partial), **_percentiles(partial)}
        return np.asarray([numbers.get(column, math.nan) for column in LAYER_COLUMNS], np.float32)


def _sizes(partial: ActivationPartial) -> dict[str, float]:
    return {"samples": partial.samples, "units": partial.channels} | {
        name: float(partial.sums[name].sum()) for name in ("nan", "pos_inf", "neg_inf")
    }


def _scale(partial: ActivationPartial) -> dict[str, float]:
    moments = partial.moments
    total = moments.count.sum()
    if not total:
        return {}
    mean = float(np.dot(moments.count, moments.mean) / total)
    delta = moments.mean - mean
    std = math.sqrt(float(moments.m2.sum() + np.dot(moments.count, delta * delta)) / total)
    rms = math.hypot(mean, std)
    spread = float(np.nanmean(partial.spread)) if np.isfinite(partial.spread).any() else math.nan
    return {
        "mean": mean, "std": std, "rms": rms, "min": float(partial.low.min()), "max": float(partial.high.max()),
        "input_share": spread / rms if rms else spread,
    }  # fmt: skip


def _shares(partial: ActivationPartial) -> dict[str, float]:
    values = partial.values
    if not values:
        return {}
    shares = {name: float(partial.sums[name].sum()) / values for name in ("zeros", "below_zero", "above_one", "integers")}
    if partial.activation in _LIMITS:
        shares["saturated"] = float(partial.sums["saturated"].sum()) / values
    if _is_unit_range(partial) and math.isfinite(partial.sum_low):
        shares |= {"channel_sum_min": partial.sum_low, "channel_sum_max": partial.sum_high}
        shares["top_share"] = float(partial.sums["top"][0]) / (partial.samples * partial.positions)
    return shares


def _units(partial: ActivationPartial) -> dict[str, float]:
    if not partial.values:
        return {}
    places = partial.samples * partial.positions
    sums = partial.sums
    dead = sums["zeros"] == places
    if partial.activation in _RECTIFIERS:
        dead = (partial.high <= 0) & (sums["nan"] + sums["pos_inf"] == 0)
    units = {"dead_units": float(dead.mean())}
    if partial.samples > 1:
        units["constant_units"] = float(1 - partial.varying.mean())
    if partial.activation in _LIMITS:
        units["saturated_units"] = float((sums["saturated"] >= _SATURATED_UNIT * places).mean())
    return units


def _percentiles(partial: ActivationPartial) -> dict[str, float]:
    if not partial.moments.count.any():
        return {}
    estimates = np.clip(percentiles.percentiles(partial.keys, _PERCENTILES), partial.low.min(), partial.high.max())
    return {f"p{int(wanted):02d}": float(value) for wanted, value in zip(_PERCENTILES, estimates, strict=True)}


def merge(partials: Sequence[ActivationPartial]) -> ActivationPartial:
    """Joins statistics of different samples of one layer, as if they had been measured together.

    Args:
        partials: at least one, all measured with `mergeable=True`, of the same channels and positions.

    Raises:
        ValueError: they are not of one layer, or not mergeable.
    """
    first = partials[0]
    shape = (first.channels, first.positions)
    if any(partial.sites is None or (partial.channels, partial.positions) != shape for partial in partials):
        raise ValueError(f"partials must be mergeable and all of {shape[0]} channels and {shape[1]} positions")
    return first
