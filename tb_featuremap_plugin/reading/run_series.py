"""Series while their run is read. A point is a number: that of its event, and the place of its value in that."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from tb_featuremap_plugin.reading.plain_events import Form, Pattern, TableHeads
from tb_featuremap_plugin.reading.raw_series import Array
from tb_featuremap_plugin.reading.run import Int64

_PLACE_BITS = 32
"""The place is in so many of a point's bits, the event in those above."""

Times: TypeAlias = tuple[list[int], list[float]]
"""Steps and wall times of a series."""


@dataclass
class Layout:
    """Values that an event holds, in their order, and the events that hold just them: mostly every step is laid out alike."""

    series: Sequence[Series]
    pattern: Pattern
    events: array[int] = field(default_factory=lambda: array("q"))


@dataclass
class Series:
    """A series and what was read of it.

    Attributes:
        plugin: that it belongs to; "" for one that is not read.
        content: plugin content of its metadata.
        form: of its values; None if they have to be parsed.
        heads: what its tables begin with.
        values: its numbers; empty for pictures.
        points: in order. Those of events with a layout are not among them before `gather`.
    """

    plugin: str
    content: bytes
    form: Form | None = None
    heads: TableHeads = field(default_factory=TableHeads)
    values: list[Array | float] = field(default_factory=list)
    points: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
    _parsed: array[int] = field(default_factory=lambda: array("q"))

    def append(self, point: int, value: Array | float | None) -> None:
        """Adds a point that the parser found."""
        self._parsed.append(point)
        if value is not None:
            self.values.append(value)

    def gather(self, layouts: Sequence[tuple[Layout, int]]) -> None:
        """Puts all points in order, once nothing is added any more.

        Args:
            layouts: those that hold values of this series, and the place of each.
        """
        laid_out = [(np.array(layout.events, np.int64) << _PLACE_BITS) + place for layout, place in layouts]
        self.points = np.sort(np.concatenate([self.points, np.array(self._parsed, np.int64), *laid_out]))
        del self._parsed[:]

    def keep(self, wanted: Sequence[int]) -> None:
        """Drops all but these points, given by their indices."""
        self.points = self.points[list(wanted)]
        self.values = [self.values[index] for index in wanted] if self.values else []


class Events:
    """Step, wall time and place of each event that holds something."""

    def __init__(self) -> None:
        self._steps, self._wall_times = array("q"), array("d")
        self._files, self._offsets = array("q"), array("q")

    def add(self, step: int, wall_time: float, file: int, offset: int) -> int:
        """Notes an event; returns its number."""
        self._steps.append(step)
        self._wall_times.append(wall_time)
        self._files.append(file)
        self._offsets.append(offset)
        return len(self._steps) - 1

    def steps_of(self, points: Int64) -> list[int]:
        """Their steps."""
        steps: list[int] = np.asarray(self._steps)[points >> _PLACE_BITS].tolist()
        return steps

    def times_of(self, points: Int64, known: dict[bytes, Times]) -> Times:
        """Their steps and wall times; the same lists for all series that lie in the same events.

        Args:
            points: of a series.
            known: what was found for other series, by their events.
        """
        events = points >> _PLACE_BITS
        key = events.tobytes()
        if key not in known:
            known[key] = np.asarray(self._steps)[events].tolist(), np.asarray(self._wall_times)[events].tolist()
        return known[key]

    def place_of(self, point: int) -> tuple[int, int, int]:
        """Number of its file, offset of its record, and place of its value in that."""
        event = point >> _PLACE_BITS
        return self._files[event], self._offsets[event], point & (1 << _PLACE_BITS) - 1


def point(event: int, place: int) -> int:
    """The point of a value."""
    return (event << _PLACE_BITS) + place
