"""Statistics of a layer's output that is a handful of numbers, in plain Python: each of NumPy's calls would take longer than they all."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import numpy.typing as npt

from tb_featuremap_plugin.stats.layer_rows import PERCENTILES, RECTIFIERS, SATURATED_UNIT
from tb_featuremap_plugin.stats.partial import TOP_SHARE, UNIT_RANGE
from tb_featuremap_plugin.stats.saturation import near_limits
from tb_featuremap_plugin.widths import FEW

Array = npt.NDArray[Any]
Channels = list[list[float]]


class FewValues(NamedTuple):
    """What `ActivationPartial` is of many values, of at most `FEW` finite ones of a single sample; percentiles are of all of them.

    Attributes:
        channels: the values, by channel.
        channel_stats: what `CHANNEL_STATISTICS` names, each a number a channel.
        numbers: the columns of the layer's row.
    """

    channels: Channels
    channel_stats: Channels
    numbers: dict[str, float]

    @property
    def samples(self) -> int:
        """1."""
        return 1


def measure_few(data: Array, activation: str | None) -> FewValues | None:
    """Statistics of [1, channels, *space] in float32; None where that is not what `data` is, or not all of it is finite."""
    if not 0 < data.size <= FEW or len(data) > 1 or data.dtype.char != "f":
        return None
    channels: Channels = data.reshape(data.shape[1], -1).tolist()
    units, size = len(channels), len(channels[0])
    means = [sum(channel) / size for channel in channels]
    mean = sum(means) / units
    if not math.isfinite(mean):
        return None
    within = [_squared_deviations(channel, center) for channel, center in zip(channels, means, strict=True)]
    zeros, highs = [channel.count(0.0) for channel in channels], list(map(max, channels))
    values = [value for channel in channels for value in channel]
    numbers = _of_values(values, sum(zeros)) | _of_units(channels, zeros, highs, activation.lower() if activation else None)
    std = math.sqrt((sum(within) + size * _squared_deviations(means, mean)) / len(values))
    numbers |= {"samples": 1.0, "units": units, "mean": mean, "std": std, "rms": math.hypot(mean, std)}
    if numbers["min"] >= 0 and numbers["max"] <= UNIT_RANGE:
        numbers |= _of_sums(channels)
    deviations = [math.sqrt(squares / size) for squares in within]
    shares, nothing = [count / size for count in zeros], [0.0] * units
    stats = [list(map(min, channels)), highs, means, deviations, shares, [math.nan] * units, nothing, nothing, nothing]
    return FewValues(channels, stats, numbers)


def _of_values(values: list[float], zeros: int) -> dict[str, float]:
    ordered, size = sorted(values), len(values)
    low, high = ordered[0], ordered[-1]
    numbers = dict(zip(PERCENTILES, _at_ranks(size)(ordered), strict=True))
    numbers |= {"min": low, "max": high, "zeros": zeros / size, "nan": 0.0, "pos_inf": 0.0, "neg_inf": 0.0}
    numbers["below_zero"] = bisect_left(ordered, 0.0) / size if low < 0 else 0.0
    numbers["above_one"] = 1 - bisect_right(ordered, 1.0) / size if high > 1 else 0.0
    numbers["integers"] = sum(map(float.is_integer, values)) / size
    return numbers


def _of_units(channels: Channels, zeros: list[int], highs: list[float], activation: str | None) -> dict[str, float]:
    units, size = len(channels), len(channels[0])
    dead = sum([high <= 0 for high in highs]) if activation in RECTIFIERS else zeros.count(size)
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
    return itemgetter(*[round(percent / 100 * (size - 1)) for percent in PERCENTILES.values()])


def _squared_deviations(values: list[float], mean: float) -> float:
    return sum([(value - mean) * (value - mean) for value in values])
