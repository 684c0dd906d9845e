"""One run from its event files: places of pictures, numbers and scalars, in the order in which TensorBoard reads them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

from tb_featuremap_plugin import metadata
from tb_featuremap_plugin.reading import assemble
from tb_featuremap_plugin.reading.event_records import Block, RunFiles, read_blocks, read_record
from tb_featuremap_plugin.reading.event_values import OURS, SCALARS, content, is_read, known_metadata
from tb_featuremap_plugin.reading.plain_events import PICTURE_HEADS, Form, TableHeads, key_of, read_head, read_values, tail_of
from tb_featuremap_plugin.reading.raw import Array, Problems, RawRun, RawSeries
from tb_featuremap_plugin.series import Points

_VALUE_BITS = 32
"""A point is one number: that of its event, and behind as many bits the place of its value in it."""


@dataclass
class _Series:
    """A series while its run is read: its points, and their numbers unless they are pictures."""

    plugin: str
    content: bytes
    heads: TableHeads = field(default_factory=TableHeads)
    points: array[int] = field(default_factory=lambda: array("q"))
    values: list[Array | float] = field(default_factory=list)

    def append(self, point: int, value: Array | float | None) -> None:
        self.points.append(point)
        if value is not None:
            self.values.append(value)

    def keep(self, indices: Sequence[int]) -> None:
        """Drops all other points."""
        self.points[:] = array("q", [self.points[index] for index in indices])
        self.values[:] = [self.values[index] for index in indices] if self.values else []

    def form(self, value: Summary.Value) -> Form:
        """What its values look like, if they all have the metadata of this one."""
        if self.plugin == metadata.PLUGIN_NAME:
            return Form(PICTURE_HEADS, tail_of(value), self.points.append, None)
        return Form(self.heads, tail_of(value), self.points.append, self._add_table)

    def _add_table(self, data: bytes, stop: int, size: int) -> None:
        self.values.append(self.heads.table(data, stop, size))


class _Events:
    """Step, wall time and place of each event that holds something of ours."""

    def __init__(self) -> None:
        self._steps, self._wall_times = array("q"), array("d")
        self._files, self._offsets = array("q"), array("q")

    def add(self, step: int, wall_time: float, file: int, offset: int) -> int:
        """Notes an event; returns what its first value's point is."""
        self._steps.append(step)
        self._wall_times.append(wall_time)
        self._files.append(file)
        self._offsets.append(offset)
        return len(self._steps) - 1 << _VALUE_BITS

    def steps_of(self, points: array[int]) -> list[int]:
        """Their steps."""
        steps: list[int] = np.asarray(self._steps)[_events_of(points)].tolist()
        return steps

    def wall_times_of(self, points: array[int]) -> list[float]:
        """Their wall times."""
        wall_times: list[float] = np.asarray(self._wall_times)[_events_of(points)].tolist()
        return wall_times

    def place_of(self, point: int) -> tuple[int, int, int]:
        """Number of its file, offset of its record, and place of its value in that."""
        event = point >> _VALUE_BITS
        return self._files[event], self._offsets[event], point & (1 << _VALUE_BITS) - 1


def _events_of(points: array[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.asarray(points) >> _VALUE_BITS


class RunReader:
    """Reads the files of one run, in the order of their names, as TensorBoard does."""

    def __init__(self, run: RunFiles) -> None:
        self.name = run.name
        self._series: dict[str, _Series] = {}
        self._forms: dict[bytes, Form] = {}
        self._files = run.files
        self._events = _Events()
        self._problems = Problems(run.name)
        self._started = False
        for number, path in enumerate(run.files):
            self._read(number, path)

    @property
    def is_ours(self) -> bool:
        """Whether anything of this plugin is in the run."""
        return any(series.plugin in OURS for series in self._series.values())

    def scalar_tags(self) -> list[str]:
        """Tags of the scalar series."""
        return self._tags(SCALARS)

    def scalar(self, tag: str) -> Points | None:
        """A scalar series; None if there is none of that tag."""
        series = self._series.get(tag)
        if series is None or series.plugin != SCALARS:
            return None
        return assemble.points(self._events.steps_of(series.points), [float(value) for value in series.values])

    def raw(self) -> RawRun:
        """What was found of this plugin."""
        blobs = {tag: self._raw(self._series[tag]) for tag in self._tags(metadata.PLUGIN_NAME)}
        tensors = {tag: self._raw(self._series[tag]) for tag in self._tags(metadata.STATS_PLUGIN_NAME)}
        standing = assemble.standing_records(blobs.get(metadata.RUN_TAG), tensors.get(metadata.START_TAG))
        read = [self._stored(self._series[metadata.RUN_TAG].points[index]) for _, index in standing]
        earlier = assemble.earlier_records(standing, read)
        return RawRun(self.name, blobs, tensors, read[-1] if read else None, earlier, self._problems.all())

    def blob(self, tag: str, step: int) -> bytes | None:
        """The blob written last under a tag and step."""
        series = self._series.get(tag)
        if series is None or series.plugin != metadata.PLUGIN_NAME:
            return None
        steps = self._events.steps_of(series.points)
        return self._stored(series.points[len(steps) - 1 - steps[::-1].index(step)]) if step in steps else None

    def _tags(self, plugin: str) -> list[str]:
        return [tag for tag, series in self._series.items() if series.plugin == plugin and series.points]

    def _raw(self, series: _Series) -> RawSeries:
        values = None if series.plugin == metadata.PLUGIN_NAME else [value for value in series.values if isinstance(value, np.ndarray)]
        return RawSeries(series.content, self._events.steps_of(series.points), self._events.wall_times_of(series.points), values)

    def _read(self, file: int, path: Path) -> None:
        for block in read_blocks(path, lambda message: self._problems.add("", f"{path.name}: {message}")):
            for begin, end in block.payloads:
                if not self._take_plain(block, begin, end, file):
                    self._take(block, begin, end, file)

    def _take_plain(self, block: Block, begin: int, end: int, file: int) -> bool:
        """Takes an event without a parser; False if that cannot be done."""
        head = read_head(block.data, begin, end)
        values = read_values(block.data, head.begin, end, self._forms) if head else None
        if head is None or not values:
            return False
        first = self._events.add(head.step, head.wall_time, file, block.record_at(begin))
        for point, (form, stop, size) in enumerate(values, first):
            form.add_point(point)
            if form.add_table is not None:
                form.add_table(block.data, stop, size)
        return True

    def _take(self, block: Block, begin: int, end: int, file: int) -> None:
        offset = block.record_at(begin)
        try:
            event = Event.FromString(block.data[begin:end])
        except DecodeError:
            self._problems.add("", f"{self._files[file].name}: the record at byte {offset} is no event")
            return
        if event.HasField("session_log") and event.session_log.status == SessionLog.START:
            self._start(event.step)
        first = self._events.add(event.step, event.wall_time, file, offset) if event.summary.value else 0
        for point, value in enumerate(event.summary.value, first):
            series = self._series_of(value)
            if series is not None:
                self._append(series, event.step, value, point)

    def _start(self, step: int) -> None:
        """Drops what a session that starts again at `step` writes anew."""
        if self._started:
            for series in self._series.values():
                series.keep([index for index, own in enumerate(self._events.steps_of(series.points)) if own < step])
        self._started = True

    def _series_of(self, value: Summary.Value) -> _Series | None:
        """The series that a value belongs to, by the first metadata of its tag; None for a plugin that is not read."""
        series = self._series.get(value.tag)
        if series is None:
            series = self._series[value.tag] = self._new_series(value)
        return series if series.plugin else None

    def _new_series(self, value: Summary.Value) -> _Series:
        known = known_metadata(value)
        plugin = known.plugin_data.plugin_name
        if not is_read(known):
            if plugin in OURS:
                self._problems.add(value.tag, f"its data class {known.data_class} is not one in which {plugin!r} is stored")
            plugin = ""
        series, key = _Series(plugin, known.plugin_data.content), key_of(value.tag)
        if plugin in OURS and key is not None:
            self._forms[key] = series.form(value)
        return series

    def _append(self, series: _Series, step: int, value: Summary.Value, point: int) -> None:
        try:
            found = content(series.plugin, value)
        except (TypeError, ValueError) as error:
            self._problems.add(value.tag, f"the value at step {step} cannot be read: {error!s:.200}")
            return
        series.append(point, found)
        if isinstance(found, np.ndarray):
            series.heads.learn(found)

    def _stored(self, point: int) -> bytes | None:
        """A blob's bytes; None where its file has been removed or written anew."""
        file, offset, place = self._events.place_of(point)
        try:
            event = Event.FromString(read_record(self._files[file], offset))
            blob: bytes = event.summary.value[place].tensor.string_val[0]
        except (OSError, LookupError, DecodeError):
            return None
        return blob
