"""Statistics of a layer's output that is a handful of numbers, in plain Python: each of NumPy's calls would take longer than they all."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.stats.layer_rows import PERCENTILES, RECTIFIERS, SATURATED_UNIT
from tb_featuremap_plugin.stats.partial import TOP_SHARE, UNIT_RANGE
from tb_featuremap_plugin.stats.saturation import near_limits
from tb_featuremap_plugin.widths import FEW

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Channels = list[list[float]]


@dataclass(frozen=True)
class FewValues:
    """What `ActivationPartial` is of many values, of at most `FEW` finite ones of a single sample; percentiles are of all of them.

    Attributes:
        samples: 1.
        channel_stats: float32 [len(CHANNEL_STATISTICS), channels].
        numbers: the columns of the layer's row.
    """

    samples: int
    channel_stats: Float32
    numbers: dict[str, float]


def measure_few(data: Array, activation: str | None) -> FewValues | None:
    """Statistics of [1, channels, *space] in float32; None where that is not what `data` is, or not all of it is finite."""
    if not 0 < data.size <= FEW or len(data) > 1 or data.dtype != np.float32:
        return None
    channels: Channels = data.reshape(data.shape[1], -1).tolist()
    means = [sum(channel) / len(channel) for channel in channels]
    if not math.isfinite(sum(means)):
        return None
    values = [value for channel in channels for value in channel]
    numbers = {"samples": 1, "units": len(channels), "nan": 0, "pos_inf": 0, "neg_inf": 0, **_of_values(values, means)}
    numbers |= _of_units(channels, activation.lower() if activation else None)
    if numbers["min"] >= 0 and numbers["max"] <= UNIT_RANGE:
        numbers |= _of_sums(channels)
    return FewValues(1, _channel_stats(channels, means), numbers)


def _channel_stats(channels: Channels, means: list[float]) -> Float32:
    nothing = [0.0] * len(channels)
    size = len(channels[0])
    deviations = [_deviation(channel, mean) for channel, mean in zip(channels, means, strict=True)]
    zeros = [channel.count(0) / size for channel in channels]
    rows = [list(map(min, channels)), list(map(max, channels)), means, deviations, zeros, [math.nan] * len(channels)]
    return np.array([*rows, nothing, nothing, nothing], np.float32)


def _of_values(values: list[float], means: list[float]) -> dict[str, float]:
    ordered, size = sorted(values), len(values)
    mean = sum(means) / len(means)
    std = _deviation(values, mean)
    numbers = {"mean": mean, "std": std, "rms": math.hypot(mean, std), "min": ordered[0], "max": ordered[-1]}
    negative = bisect_left(ordered, 0)
    numbers["below_zero"] = negative / size
    numbers["zeros"] = (bisect_right(ordered, 0) - negative) / size
    numbers["above_one"] = 1 - bisect_right(ordered, 1) / size
    numbers["integers"] = sum(map(float.is_integer, values)) / size
    return numbers | dict(zip(PERCENTILES, [ordered[rank] for rank in _ranks(size)], strict=True))


def _of_units(channels: Channels, activation: str | None) -> dict[str, float]:
    rectifies, units = activation in RECTIFIERS, len(channels)
    dead = sum(max(channel) <= 0 if rectifies else not any(channel) for channel in channels)
    numbers = {"dead_units": dead / units}
    is_near = near_limits(activation)
    if is_near is not None:
        counts = [sum(map(is_near, channel)) for channel in channels]
        size = len(channels[0])
        numbers["saturated"] = sum(counts) / (units * size)
        numbers["saturated_units"] = sum(count >= SATURATED_UNIT * size for count in counts) / units
    return numbers


def _of_sums(channels: Channels) -> dict[str, float]:
    positions = list(zip(*channels, strict=True))
    sums = list(map(sum, positions))
    top = sum(total > 0 and max(position) > TOP_SHARE * total for position, total in zip(positions, sums, strict=True))
    return {"channel_sum_min": min(sums), "channel_sum_max": max(sums), "top_share": top / len(sums)}


@lru_cache(maxsize=FEW)
def _ranks(size: int) -> list[int]:
    return [round(percent / 100 * (size - 1)) for percent in PERCENTILES.values()]


def _deviation(values: list[float], mean: float) -> float:
    return math.sqrt(sum([(value - mean) * (value - mean) for value in values]) / len(values))
