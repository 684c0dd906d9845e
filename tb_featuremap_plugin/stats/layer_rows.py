"""From a partial to the numbers that are stored: statistics of channels, and the layer's row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.schema import LAYER_COLUMNS
from tb_featuremap_plugin.stats.partial import CHANNEL_COUNTS, NAN, NEG_INF, POS_INF, SATURATED, TOP, VALUE_COUNTS, ZEROS, ActivationPartial
from tb_featuremap_plugin.stats.percentiles import percentiles
from tb_featuremap_plugin.stats.saturation import near_limits

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

CHANNEL_STATISTICS = ("min", "max", "mean", "std", "zeros", "spread", "nan", "pos_inf", "neg_inf")

PERCENTILES = {"p01": 1, "p05": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95, "p99": 99}

RECTIFIERS = frozenset({"relu", "relu6"})
"""Activations of which a unit that is never above 0 passes nothing on, backward either."""

SATURATED_UNIT = 0.95

_UNKNOWN = [math.nan] * len(LAYER_COLUMNS)


def channel_stats(partial: ActivationPartial) -> Float32:
    """Statistics of each channel, [len(CHANNEL_STATISTICS), channels]; of finite values, NaN where there are none."""
    moments, counts = partial.moments, partial.channel_counts
    table = np.empty((len(CHANNEL_STATISTICS), partial.channels), np.float32)
    with np.errstate(all="ignore"):
        table[0], table[1], table[2] = partial.low, partial.high, moments.mean
        np.sqrt(moments.m2 / moments.count, out=table[3], casting="same_kind")
        table[4] = counts[ZEROS] / max(1, partial.places)
        table[5] = partial.spread
        table[6:] = counts[NAN : NEG_INF + 1]
    unknown = moments.count == 0
    if unknown.any():
        table[:4, unknown] = np.nan
    return table


def layer_row(partial: ActivationPartial, ordinal: float = math.nan) -> Float32:
    """The layer's row of the packed table, [len(LAYER_COLUMNS)].

    Args:
        partial: of the whole batch.
        ordinal: how many times this row has been logged, counted from 1.
    """
    return np.array(in_columns(layer_numbers(partial), ordinal), np.float32)


def layer_numbers(partial: ActivationPartial) -> dict[str, float]:
    """The columns of the layer's row, as far as they are known."""
    numbers: dict[str, float] = {"samples": partial.samples, "units": partial.channels}
    if partial.values:
        with np.errstate(all="ignore"):
            numbers |= _shares(partial) | _units(partial)
            if partial.moments.count.any():
                numbers |= _scale(partial)
                numbers |= _percentiles(partial, numbers["min"], numbers["max"])
    return numbers


def in_columns(numbers: dict[str, float], ordinal: float) -> list[float]:
    """A row of numbers by column; NaN where one is not known."""
    numbers["ordinal"] = ordinal
    return list(map(numbers.get, LAYER_COLUMNS, _UNKNOWN))


def _scale(partial: ActivationPartial) -> dict[str, float]:
    moments = partial.moments
    total = float(moments.count.sum())
    mean = float(np.dot(moments.count, moments.mean)) / total
    delta = moments.mean - mean
    std = math.sqrt(float(moments.m2.sum() + np.dot(moments.count, delta * delta)) / total)
    rms = math.hypot(mean, std)
    numbers = {"mean": mean, "std": std, "rms": rms, "min": float(partial.low.min()), "max": float(partial.high.max())}
    if partial.samples > 1:
        spread = partial.spread[np.isfinite(partial.spread)]
        if len(spread):
            numbers["input_share"] = float(spread.mean()) / rms if rms else 0.0
    return numbers


def _shares(partial: ActivationPartial) -> dict[str, float]:
    channels = dict(zip(CHANNEL_COUNTS, partial.channel_counts.sum(axis=1).tolist(), strict=True))
    values = dict(zip(VALUE_COUNTS, (partial.value_counts / partial.values).tolist(), strict=True))
    numbers = {name: channels[name] for name in ("nan", "pos_inf", "neg_inf")}
    numbers |= {name: values[name] for name in ("below_zero", "above_one", "integers")}
    numbers["zeros"] = channels["zeros"] / partial.values
    if near_limits(partial.activation) is not None:
        numbers["saturated"] = channels["saturated"] / partial.values
    if partial.has_unit_range:
        numbers |= {"channel_sum_min": partial.sum_low, "channel_sum_max": partial.sum_high}
        numbers["top_share"] = float(partial.value_counts[TOP]) / partial.places
    return numbers


def _units(partial: ActivationPartial) -> dict[str, float]:
    counts = partial.channel_counts
    dead = counts[ZEROS] == partial.places
    if partial.activation in RECTIFIERS:
        dead = (partial.high <= 0) & (counts[NAN] + counts[POS_INF] == 0)
    numbers: dict[str, float] = {"dead_units": np.count_nonzero(dead) / partial.channels}
    if partial.samples > 1:
        numbers["constant_units"] = 1 - np.count_nonzero(partial.varying) / partial.channels
    if near_limits(partial.activation) is not None:
        numbers["saturated_units"] = np.count_nonzero(counts[SATURATED] >= SATURATED_UNIT * partial.places) / partial.channels
    return numbers


def _percentiles(partial: ActivationPartial, low: float, high: float) -> dict[str, float]:
    estimates = percentiles(partial.keys, tuple(PERCENTILES.values()))
    return {name: min(max(estimate, low), high) for name, estimate in zip(PERCENTILES, estimates, strict=True)}
