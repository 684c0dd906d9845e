"""Runs from event files themselves: nothing is sampled away, checksums are checked natively, and pictures stay on disk until asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto import types_pb2
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import (
    DATA_CLASS_BLOB_SEQUENCE,
    DATA_CLASS_SCALAR,
    DATA_CLASS_TENSOR,
    DATA_CLASS_UNKNOWN,
    Summary,
    SummaryMetadata,
)
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.util import tensor_util

from tb_featuremap_plugin import limits, metadata
from tb_featuremap_plugin.reading import assemble
from tb_featuremap_plugin.reading.event_records import RunFiles, find_runs, read_record, read_records
from tb_featuremap_plugin.reading.raw import Array, Problems, RawRun, RawSeries
from tb_featuremap_plugin.series import MissingError, Outline, Points, Run

T = TypeVar("T")

_SCALARS = "scalars"
_DATA_CLASSES = {
    metadata.PLUGIN_NAME: (DATA_CLASS_BLOB_SEQUENCE,),
    metadata.STATS_PLUGIN_NAME: (DATA_CLASS_TENSOR,),
    _SCALARS: (DATA_CLASS_SCALAR, DATA_CLASS_UNKNOWN),
}
_VALUE_FIELDS = ("float_val", "double_val", "half_val", "int_val", "int64_val", "bool_val", "uint32_val", "uint64_val")


@dataclass(frozen=True)
class Place:
    """Where a blob lies: the file, its record, and the summary value in it."""

    path: Path
    offset: int
    value: int


@dataclass
class _Series:
    """A series while its file is read; `values` holds tensors, numbers or the places of blobs."""

    plugin: str
    content: bytes
    steps: list[int] = field(default_factory=list)
    wall_times: list[float] = field(default_factory=list)
    values: list[Array | float | Place] = field(default_factory=list)

    def append(self, event: Event, value: Array | float | Place) -> None:
        self.steps.append(event.step)
        self.wall_times.append(event.wall_time)
        self.values.append(value)

    def purge(self, step: int) -> None:
        """Drops what a session that starts again at `step` writes anew."""
        kept = [index for index, own in enumerate(self.steps) if own < step]
        self.steps = [self.steps[index] for index in kept]
        self.wall_times = [self.wall_times[index] for index in kept]
        self.values = [self.values[index] for index in kept]


class EventSource:
    """A `series.Source` over the event files below a folder, as they are when it is made.

    Args:
        logdir: a folder on this machine.

    Raises:
        FileNotFoundError: there is no such folder.
        NotADirectoryError: it is a file.
    """

    def __init__(self, logdir: str | Path) -> None:
        readers = [_RunReader(files) for files in find_runs(Path(logdir))]
        for reader in readers:
            reader.read()
        self._readers = {reader.name: reader for reader in sorted(readers, key=lambda reader: assemble.run_order(reader.name))}
        self._outlines: list[Outline] | None = None
        self._last: Run | None = None

    def outlines(self) -> Sequence[Outline]:
        """What there is of every run that holds something of ours, by natural sort of their titles."""
        if self._outlines is None:
            self._outlines = [assemble.outline(reader.raw()) for reader in self._ours()]
        return self._outlines

    def outline(self, name: str) -> Outline:
        """What there is of one run.

        Raises:
            MissingError: there is no such run, or it holds nothing of ours.
        """
        self._reader(name)
        return next(outline for outline in self.outlines() if outline.name == name)

    def runs(self) -> Sequence[Run]:
        """All runs that hold something of ours, in the same order."""
        return [assemble.run(reader.raw()) for reader in self._ours()]

    def run(self, name: str) -> Run:
        """One run.

        Raises:
            MissingError: there is no such run, or it holds nothing of ours.
        """
        if self._last is None or self._last.name != name:
            self._last = assemble.run(self._reader(name).raw())
        return self._last

    def derive(self, name: str, function: Callable[[Run], T]) -> T:
        """The value of a pure function of one run.

        Raises:
            MissingError: there is no such run, or it holds nothing of ours.
        """
        return function(self.run(name))

    def picture(self, run: str, kind: str, name: str, step: int) -> bytes:
        """A stored picture's bytes, as they are.

        Raises:
            MissingError: there is no such picture (any more).
        """
        reader = self._readers.get(run)
        for first in (False, True):
            blob = reader.blob(metadata.picture_tag(kind, name, first=first), step) if reader else None
            if blob is not None:
                return blob
        raise MissingError(f"run {run!r} has no picture of kind {kind!r} named {name!r} at step {step}")

    def map_pictures(self, run: str, kind: str, name: str, steps: Iterable[int], function: Callable[[bytes], T]) -> list[T | None]:
        """Applies a pure function to the pictures of some steps; None where one is gone."""
        results: list[T | None] = []
        for step in steps:
            try:
                results.append(function(self.picture(run, kind, name, step)))
            except MissingError:
                results.append(None)
        return results

    def scalar_names(self, run: str) -> Mapping[str, Sequence[str]]:
        """Names of the scalar series of this run and of its siblings, by run.

        Raises:
            MissingError: there is no such run.
        """
        self._reader(run)
        return assemble.sibling_scalars(run, {name: reader.tags(_SCALARS) for name, reader in self._readers.items()})

    def scalar(self, run: str, tag: str) -> Points:
        """A scalar series of any run.

        Raises:
            MissingError: there is no such series.
        """
        series = self._readers[run].series.get(tag) if run in self._readers else None
        if series is None or series.plugin != _SCALARS:
            raise MissingError(f"run {run!r} has no scalar {tag!r}")
        return assemble.points(series.steps, [value for value in series.values if isinstance(value, float)])

    def _ours(self) -> list[_RunReader]:
        return [reader for reader in self._readers.values() if reader.is_ours]

    def _reader(self, name: str) -> _RunReader:
        reader = self._readers.get(name)
        if reader is None or not reader.is_ours:
            raise MissingError(f"there is no run {name!r} with anything of this plugin")
        return reader


class _RunReader:
    """Reads the files of one run, in the order of their names, as TensorBoard does."""

    def __init__(self, run: RunFiles) -> None:
        self.name = run.name
        self.series: dict[str, _Series] = {}
        self._files = run.files
        self._problems = Problems(run.name)
        self._started = False

    @property
    def is_ours(self) -> bool:
        """Whether anything of this plugin is in the run."""
        return any(series.plugin in (metadata.PLUGIN_NAME, metadata.STATS_PLUGIN_NAME) for series in self.series.values())

    def read(self) -> None:
        for path in self._files:
            for stored in read_records(path, lambda message, name=path.name: self._problems.add("", f"{name}: {message}")):  # type: ignore[misc]
                self._take(stored.payload, path, stored.offset)

    def tags(self, plugin: str) -> list[str]:
        """Tags of the series of a plugin that hold something."""
        return [tag for tag, series in self.series.items() if series.plugin == plugin and series.steps]

    def raw(self) -> RawRun:
        blobs = {tag: self.series[tag] for tag in self.tags(metadata.PLUGIN_NAME)}
        tensors = {tag: _with_tensors(self.series[tag]) for tag in self.tags(metadata.STATS_PLUGIN_NAME)}
        records = blobs.get(metadata.RUN_TAG)
        standing = assemble.standing_records(_without_values(records), tensors.get(metadata.START_TAG)) if records else []
        read = [_read_blob(records.values[index]) for _, index in standing] if records else []
        return RawRun(
            self.name,
            {tag: _without_values(series) for tag, series in blobs.items()},
            tensors,
            read[-1] if read else None,
            assemble.earlier_records(standing, read),
            self._problems.all(),
        )

    def blob(self, tag: str, step: int) -> bytes | None:
        """The blob written last under a tag and step."""
        series = self.series.get(tag)
        if series is None or series.plugin != metadata.PLUGIN_NAME or step not in series.steps:
            return None
        return _read_blob(series.values[len(series.steps) - 1 - series.steps[::-1].index(step)])

    def _take(self, payload: bytes, path: Path, offset: int) -> None:
        try:
            event = Event.FromString(payload)
        except DecodeError:
            self._problems.add("", f"{path.name}: the record at byte {offset} is no event")
            return
        if event.HasField("session_log") and event.session_log.status == SessionLog.START:
            self._start(event.step)
        for index, value in enumerate(event.summary.value):
            series = self._series_of(value)
            if series is not None:
                self._append(series, event, value, Place(path, offset, index))

    def _start(self, step: int) -> None:
        if self._started:
            for series in self.series.values():
                series.purge(step)
        self._started = True

    def _series_of(self, value: Summary.Value) -> _Series | None:
        """The series that a value belongs to, by the first metadata of its tag; None for a plugin that is not read."""
        if value.tag not in self.series:
            known = _known_metadata(value)
            plugin = known.plugin_data.plugin_name
            if known.data_class not in _DATA_CLASSES.get(plugin, ()):
                if plugin in (metadata.PLUGIN_NAME, metadata.STATS_PLUGIN_NAME):
                    self._problems.add(value.tag, f"its data class {known.data_class} is not one in which {plugin!r} is stored")
                plugin = ""
            self.series[value.tag] = _Series(plugin, known.plugin_data.content)
        series = self.series[value.tag]
        return series if series.plugin else None

    def _append(self, series: _Series, event: Event, value: Summary.Value, place: Place) -> None:
        try:
            series.append(event, _content(series.plugin, value, place))
        except (TypeError, ValueError) as error:
            self._problems.add(value.tag, f"the value at step {event.step} cannot be read: {error!s:.200}")


def _known_metadata(value: Summary.Value) -> SummaryMetadata:
    if value.HasField("metadata") or not value.HasField("simple_value"):
        return value.metadata
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=_SCALARS), data_class=DATA_CLASS_SCALAR)


def _content(plugin: str, value: Summary.Value, place: Place) -> Array | float | Place:
    if plugin == metadata.PLUGIN_NAME:
        _check_blob(value)
        return place
    if plugin == _SCALARS:
        return float(value.simple_value) if value.HasField("simple_value") else float(_tensor(value.tensor).item())
    return _tensor(value.tensor)


def _check_blob(value: Summary.Value) -> None:
    tensor = value.tensor
    if tensor.dtype != types_pb2.DT_STRING or len(tensor.tensor_shape.dim) != 1 or not tensor.string_val:
        raise ValueError("a picture must be a string tensor of one axis and one element")


def _tensor(stored: TensorProto) -> Array:
    """Numbers of a tensor that stores each of them: a single number may claim any shape, and would be repeated to fill it."""
    sizes = [dim.size for dim in stored.tensor_shape.dim]
    count = math.prod(sizes)
    if any(size < 0 for size in sizes) or count > limits.MAX_TABLE_CELLS:
        raise ValueError(f"shape {sizes!r:.100} is not one of at most {limits.MAX_TABLE_CELLS} numbers")
    if not stored.tensor_content and count > max(len(getattr(stored, name)) for name in _VALUE_FIELDS):
        raise ValueError(f"fewer numbers are stored than shape {sizes!r:.100} has")
    array: Array = np.asarray(tensor_util.make_ndarray(stored))
    return array


def _with_tensors(series: _Series) -> RawSeries:
    return RawSeries(series.content, series.steps, series.wall_times, [value for value in series.values if isinstance(value, np.ndarray)])


def _without_values(series: _Series) -> RawSeries:
    return RawSeries(series.content, series.steps, series.wall_times)


def _read_blob(place: object) -> bytes | None:
    """A blob's bytes; None where its file has been removed or written anew."""
    if not isinstance(place, Place):
        return None
    try:
        event = Event.FromString(read_record(place.path, place.offset))
        blob: bytes = event.summary.value[place.value].tensor.string_val[0]
    except (OSError, LookupError, DecodeError):
        return None
    return blob
