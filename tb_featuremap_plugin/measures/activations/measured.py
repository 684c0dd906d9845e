"""What is measured of a layer's output in one process, be it many values or few: all that pictures and tables are made of."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.short_rows import FEW
from tb_featuremap_plugin.measures.activations import layer_rows
from tb_featuremap_plugin.measures.activations.accumulator import UNIT_RANGE, ActivationAccumulator
from tb_featuremap_plugin.measures.activations.layer_rows import near_limits, rectifies
from tb_featuremap_plugin.measures.activations.measure import measure
from tb_featuremap_plugin.schema.columns import LAYER_PERCENTILES, SATURATED_UNIT, TOP_SHARE

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Channels = list[list[float]]


class FewValues(NamedTuple):
    """What `ActivationAccumulator` is of many values, of at most `FEW` finite ones of a single sample; percentiles are of all of them.

    Attributes:
        channels: the values, by channel.
        channel_stats: what `CHANNEL_COLUMNS` names, each a number a channel.
        numbers: the columns of the layer's row.
    """

    channels: Channels
    channel_stats: Channels
    numbers: dict[str, float]

    @property
    def samples(self) -> int:
        """1."""
        return 1


Measured: TypeAlias = ActivationAccumulator | FewValues


def describe(data: Array, activation: str | None = None) -> Measured:
    """Statistics of a layer's output, by the way that is quickest for its size.

    Args:
        data: [samples, channels, *space] of any numeric dtype.
        activation: the layer's, such as "relu"; None if unknown.
    """
    return _measure_few(data, activation) or measure(data, activation)


def channel_stats(measured: Measured) -> Float32:
    """Statistics of each channel, [len(CHANNEL_COLUMNS), channels]; of finite values, NaN where there are none."""
    return np.array(measured.channel_stats, np.float32) if isinstance(measured, FewValues) else layer_rows.channel_stats(measured)


def layer_row(measured: Measured, ordinal: float = math.nan) -> Float32:
    """The layer's row of the packed table, [len(LAYER_COLUMNS)]; arguments as of `layer_numbers`."""
    return np.array(layer_numbers(measured, ordinal), np.float32)


def layer_numbers(measured: Measured, ordinal: float = math.nan) -> list[float]:
    """The layer's row of the packed table, a number a column.

    Args:
        measured: of the whole batch.
        ordinal: how many times this row has been logged, counted from 1.
    """
    numbers = measured.numbers if isinstance(measured, FewValues) else layer_rows.layer_numbers(measured)
    return layer_rows.in_columns(numbers, ordinal)


def extremes(measured: Measured) -> tuple[Float32, Float32] | None:
    """The least and the largest value of each channel, [channels] each; None where float32 cannot hold some value, or there are none."""
    if isinstance(measured, FewValues):
        low, high, *_ = measured.channel_stats
        return np.array(low, np.float32), np.array(high, np.float32)
    if not measured.values or not measured.is_finite:
        return None
    with np.errstate(over="ignore"):
        lowest, highest = measured.low.astype(np.float32), measured.high.astype(np.float32)
    return (lowest, highest) if np.isfinite(lowest).all() and np.isfinite(highest).all() else None


def _measure_few(data: Array, activation: str | None) -> FewValues | None:
    """Statistics of [1, channels, *space] in float32; None where that is not what `data` is, or not all of it is finite."""
    if not 0 < data.size <= FEW or len(data) > 1 or data.dtype.char != "f":
        return None
    channels: Channels = data.reshape(data.shape[1], -1).tolist()
    units, size = len(channels), len(channels[0])
    means = [sum(channel) / size for channel in channels]
    mean = sum(means) / units
    if not math.isfinite(mean):
        return None
    within = [sum([(value - center) * (value - center) for value in channel]) for channel, center in zip(channels, means, strict=True)]
    between = sum([(center - mean) * (center - mean) for center in means])
    zeros, lows, highs = [channel.count(0.0) for channel in channels], list(map(min, channels)), list(map(max, channels))
    numbers = _of_values([value for channel in channels for value in channel], min(lows), max(highs), sum(zeros))
    numbers["samples"], numbers["units"], numbers["mean"] = 1.0, units, mean
    numbers["std"] = std = math.sqrt((sum(within) / size + between) / units)
    numbers["rms"] = math.hypot(mean, std)
    numbers |= _of_units(channels, zeros, highs, activation)
    if numbers["min"] >= 0 and numbers["max"] <= UNIT_RANGE:
        numbers |= _of_sums(channels)
    nothing, unknown = [0.0] * units, [math.nan] * units
    deviations, shares = [math.sqrt(squares / size) for squares in within], [count / size for count in zeros]
    return FewValues(channels, [lows, highs, means, deviations, shares, unknown, nothing, nothing, nothing], numbers)


def _of_values(values: list[float], low: float, high: float, zeros: int) -> dict[str, float]:
    size = len(values)
    ordered = sorted(values)
    numbers = dict(zip(LAYER_PERCENTILES, _at_ranks(size)(ordered), strict=True))
    numbers["min"], numbers["max"], numbers["zeros"] = low, high, zeros / size
    numbers["nan"] = numbers["pos_inf"] = numbers["neg_inf"] = 0.0
    numbers["below_zero"] = bisect_left(ordered, 0.0) / size if low < 0 else 0.0
    numbers["above_one"] = 1 - bisect_right(ordered, 1.0) / size if high > 1 else 0.0
    numbers["integers"] = sum(map(float.is_integer, values)) / size
    return numbers


def _of_units(channels: Channels, zeros: list[int], highs: list[float], activation: str | None) -> dict[str, float]:
    units, size = len(channels), len(channels[0])
    dead = sum([high <= 0 for high in highs]) if rectifies(activation) else zeros.count(size)
    is_near = near_limits(activation)
    if is_near is None:
        return {"dead_units": dead / units}
    counts = [sum(map(is_near, channel)) for channel in channels]
    saturated = sum([count >= SATURATED_UNIT * size for count in counts])
    return {"dead_units": dead / units, "saturated": sum(counts) / (units * size), "saturated_units": saturated / units}


def _of_sums(channels: Channels) -> dict[str, float]:
    positions = list(zip(*channels, strict=True))
    sums = list(map(sum, positions))
    top = [most > TOP_SHARE * total > 0 for most, total in zip(map(max, positions), sums, strict=True)].count(True)
    return {"channel_sum_min": min(sums), "channel_sum_max": max(sums), "top_share": top / len(sums)}


@lru_cache(maxsize=FEW)
def _at_ranks(size: int) -> Callable[[list[float]], tuple[float, ...]]:
    """From so many values in order to their percentiles."""
    return itemgetter(*[round(percent / 100 * (size - 1)) for percent in LAYER_PERCENTILES.values()])
