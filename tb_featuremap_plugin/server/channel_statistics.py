"""Statistics of channels, of all pictures of a series, within a bound on all of them together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.reading.run import Float32, Source
from tb_featuremap_plugin.schema import limits
from tb_featuremap_plugin.schema.errors import FormatError


@dataclass(frozen=True)
class ChannelStatistics:
    """What a series' pictures say of their channels.

    Attributes:
        steps: of the pictures that were read.
        names: of the statistics.
        values: float32 [steps, statistics, channels]; NaN where a picture lacks a statistic or a channel.
        activation: that the latest picture names.
    """

    steps: Sequence[int]
    names: list[str]
    values: Float32
    activation: str | None


@dataclass(frozen=True)
class _Picture:
    """What is read of a picture of maps: names of statistics, their values [statistics, channels], and the activation that it names."""

    step: int
    names: list[str]
    values: Float32
    activation: str | None


def read(source: Source, run: str, kind: str, name: str, steps: Sequence[int]) -> ChannelStatistics:
    """Reads the statistics of a series of pictures; see `server.api.channels` for what is left out.

    Args:
        source: where the run is read from.
        run: its name.
        kind, name: of the series.
        steps: of its pictures, in order.
    """
    last = _pictures(source, run, kind, name, steps[-1:])
    size = sum(picture.values.size for picture in last)
    stride = max(1, -(-size * len(steps) // limits.MAX_CHANNELS_CELLS))
    spread = steps[:-1][::-1][stride - 1 :: stride][::-1]
    return _stacked([*_pictures(source, run, kind, name, spread, limits.MAX_CHANNELS_CELLS - size), *last])


def _pictures(
    source: Source, run: str, kind: str, name: str, steps: Sequence[int], budget: int = limits.MAX_CHANNEL_CELLS
) -> list[_Picture]:
    """The pictures of these steps that can be read, as long as all together stay within `budget` cells."""
    left = [budget]

    def statistics(blob: bytes) -> tuple[list[str], Float32, str | None] | None:
        found = _statistics(blob, min(left[0], limits.MAX_CHANNEL_CELLS))
        left[0] -= found[1].size if found else 0
        return found

    found = source.map_pictures(run, kind, name, steps, statistics)
    return [_Picture(step, *each) for step, each in zip(steps, found, strict=True) if each is not None]


def _statistics(blob: bytes, most: int) -> tuple[list[str], Float32, str | None] | None:
    try:
        parsed = record.decode(blob)
        if math.prod(parsed.sections["stats"].shape if "stats" in parsed.sections else ()) > most:
            return None
        names, values = parsed.header.get("stats"), parsed.array("stats")
    except FormatError:
        return None
    if not isinstance(names, list) or values.ndim != 2 or values.dtype != np.float32 or len(names) != len(values):
        return None
    activation = parsed.header.get("activation")
    return [str(name) for name in names], values, activation if isinstance(activation, str) else None


def _stacked(pictures: Sequence[_Picture]) -> ChannelStatistics:
    """All in one array; of pictures with so many different names that it would be large and nearly empty, the last ones."""
    names, width = _extent(pictures)
    while len(pictures) > 1 and len(pictures) * len(names) * width > 2 * limits.MAX_CHANNELS_CELLS:
        pictures = pictures[len(pictures) // 2 :]
        names, width = _extent(pictures)
    values = np.full((len(pictures), len(names), width), np.nan, np.float32)
    for place, picture in enumerate(pictures):
        values[place, [names[row] for row in picture.names], : picture.values.shape[1]] = picture.values
    return ChannelStatistics([picture.step for picture in pictures], list(names), values, pictures[-1].activation if pictures else None)


def _extent(pictures: Sequence[_Picture]) -> tuple[dict[str, int], int]:
    """The place of each statistic, and the number of channels."""
    rows = dict.fromkeys(row for picture in pictures for row in picture.names)
    return {row: place for place, row in enumerate(rows)}, max((picture.values.shape[1] for picture in pictures), default=0)
