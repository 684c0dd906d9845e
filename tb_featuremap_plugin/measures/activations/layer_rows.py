"""From an accumulator to the numbers that are stored: statistics of channels, and the layer's row."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.measures.activations.accumulator import (
    CHANNEL_COUNTS,
    NAN,
    NEG_INF,
    POS_INF,
    SATURATED,
    TOP,
    VALUE_COUNTS,
    ZEROS,
    ActivationAccumulator,
)
from tb_featuremap_plugin.measures.activations.percentiles import percentiles
from tb_featuremap_plugin.schema.activations import find
from tb_featuremap_plugin.schema.columns import CHANNEL_COLUMNS, LAYER_COLUMNS, LAYER_PERCENTILES, NONFINITE, SATURATED_UNIT

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]


_UNKNOWN = [math.nan] * len(LAYER_COLUMNS)


def channel_stats(accumulator: ActivationAccumulator) -> Float32:
    """Statistics of each channel, [len(CHANNEL_COLUMNS), channels]; of finite values, NaN where there are none."""
    moments, counts = accumulator.moments, accumulator.channel_counts
    table = np.empty((len(CHANNEL_COLUMNS), accumulator.channels), np.float32)
    with np.errstate(all="ignore"):
        table[0], table[1], table[2] = accumulator.low, accumulator.high, moments.mean
        np.sqrt(moments.m2 / moments.count, out=table[3], casting="same_kind")
        table[4] = counts[ZEROS] / max(1, accumulator.places)
        table[5] = accumulator.spread
        table[6:] = counts[NAN : NEG_INF + 1]
    unknown = moments.count == 0
    if unknown.any():
        table[:4, unknown] = np.nan
    return table


def layer_row(accumulator: ActivationAccumulator, ordinal: float = math.nan) -> Float32:
    """The layer's row of the packed table, [len(LAYER_COLUMNS)].

    Args:
        accumulator: of the whole batch.
        ordinal: how many times this row has been logged, counted from 1.
    """
    return np.array(in_columns(layer_numbers(accumulator), ordinal), np.float32)


def layer_numbers(accumulator: ActivationAccumulator) -> dict[str, float]:
    """The columns of the layer's row, as far as they are known."""
    numbers: dict[str, float] = {"samples": accumulator.samples, "units": accumulator.channels}
    if accumulator.values:
        with np.errstate(all="ignore"):
            numbers |= _shares(accumulator) | _units(accumulator)
            if accumulator.moments.count.any():
                numbers |= _scale(accumulator)
                numbers |= _percentiles(accumulator, numbers["min"], numbers["max"])
    return numbers


def in_columns(numbers: dict[str, float], ordinal: float) -> list[float]:
    """A row of numbers by column; NaN where one is not known."""
    numbers["ordinal"] = ordinal
    return list(map(numbers.get, LAYER_COLUMNS, _UNKNOWN))


def _scale(accumulator: ActivationAccumulator) -> dict[str, float]:
    moments = accumulator.moments
    total = float(moments.count.sum())
    mean = float(np.dot(moments.count, moments.mean)) / total
    delta = moments.mean - mean
    std = math.sqrt(float(moments.m2.sum() + np.dot(moments.count, delta * delta)) / total)
    rms = math.hypot(mean, std)
    numbers = {"mean": mean, "std": std, "rms": rms, "min": float(accumulator.low.min()), "max": float(accumulator.high.max())}
    if accumulator.samples > 1:
        spread = accumulator.spread[np.isfinite(accumulator.spread)]
        if len(spread):
            numbers["input_share"] = float(spread.mean()) / rms if rms else 0.0
    return numbers


def _shares(accumulator: ActivationAccumulator) -> dict[str, float]:
    channels = dict(zip(CHANNEL_COUNTS, accumulator.channel_counts.sum(axis=1).tolist(), strict=True))
    values = dict(zip(VALUE_COUNTS, (accumulator.value_counts / accumulator.values).tolist(), strict=True))
    numbers = {name: channels[name] for name in NONFINITE}
    numbers |= {name: values[name] for name in ("below_zero", "above_one", "integers")}
    numbers["zeros"] = channels["zeros"] / accumulator.values
    if near_limits(accumulator.activation) is not None:
        numbers["saturated"] = channels["saturated"] / accumulator.values
    if accumulator.has_unit_range:
        numbers |= {"channel_sum_min": accumulator.sum_low, "channel_sum_max": accumulator.sum_high}
        numbers["top_share"] = float(accumulator.value_counts[TOP]) / accumulator.places
    return numbers


def _units(accumulator: ActivationAccumulator) -> dict[str, float]:
    counts = accumulator.channel_counts
    dead = counts[ZEROS] == accumulator.places
    if rectifies(accumulator.activation):
        dead = (accumulator.high <= 0) & (counts[NAN] + counts[POS_INF] == 0)
    numbers: dict[str, float] = {"dead_units": np.count_nonzero(dead) / accumulator.channels}
    if accumulator.samples > 1:
        numbers["constant_units"] = 1 - np.count_nonzero(accumulator.varying) / accumulator.channels
    if near_limits(accumulator.activation) is not None:
        numbers["saturated_units"] = np.count_nonzero(counts[SATURATED] >= SATURATED_UNIT * accumulator.places) / accumulator.channels
    return numbers


def _percentiles(accumulator: ActivationAccumulator, low: float, high: float) -> dict[str, float]:
    estimates = percentiles(accumulator.keys, tuple(LAYER_PERCENTILES.values()))
    return {name: min(max(estimate, low), high) for name, estimate in zip(LAYER_PERCENTILES, estimates, strict=True)}


def near_limits(activation: str | None) -> Callable[[Any], Any] | None:
    """A function from values (an array, or one number) to whether they are saturated; None for an activation that has no flat ends."""
    known = find(activation)
    bounds = known.unsaturated if known is not None else None
    if bounds is None:
        return None
    low, high = bounds
    if math.isinf(low):
        return lambda values: values > high
    return lambda values: (values < low) | (values > high)


def rectifies(activation: str | None) -> bool:
    """Whether a unit that is never above 0 passes nothing on, backward either."""
    known = find(activation)
    return known is not None and known.rectifies
