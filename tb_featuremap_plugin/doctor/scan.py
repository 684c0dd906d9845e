"""Goes through the event files of a run once and counts what is in them, without judging it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

from tb_featuremap_plugin.reading.event_records import read_records
from tb_featuremap_plugin.reading.stored_files import StoredFile
from tb_featuremap_plugin.schema import tags

OURS = (tags.PLUGIN_NAME, tags.STATS_PLUGIN_NAME)

_RECORD_OVERHEAD = 16
"""Bytes of a record beside its payload: its length and two checksums."""

_OLD_KINDS = {"simple_value": "scalars", "image": "images", "histo": "histograms", "audio": "audio"}


@dataclass
class FileScan:
    """What one event file holds.

    Attributes:
        name: its name.
        size: bytes.
        events: whole events with a right checksum.
        series: tags by the name of the plugin that they belong to.
        points: for each of our tags, the number of its points.
        backwards: for each of our tags, how often its step did not go up without a restart being announced.
        first_time, last_time: wall times of its first and last event of ours, seconds since the epoch; 0 if there is none.
        damage: what could not be read, in sentences.
        unread: bytes after the last whole record.
    """

    name: str
    size: int
    events: int = 0
    series: dict[str, set[str]] = field(default_factory=dict)
    points: Counter[str] = field(default_factory=Counter)
    backwards: Counter[str] = field(default_factory=Counter)
    first_time: float = 0.0
    last_time: float = 0.0
    damage: list[str] = field(default_factory=list)
    unread: int = 0

    @property
    def has_ours(self) -> bool:
        """Whether anything in it is of this plugin."""
        return bool(self.points)


def scan(files: Iterable[StoredFile]) -> list[FileScan]:
    """Surveys the files of one run, in their order; a tag's plugin is named in its first event only."""
    plugins: dict[str, str] = {}
    return [_Scanner(file, plugins).scan() for file in files]


class _Scanner:
    def __init__(self, file: StoredFile, plugins: dict[str, str]) -> None:
        self._file = file
        self._found = FileScan(file.name, file.size())
        self._plugins = plugins
        self._steps: dict[str, int] = {}

    def scan(self) -> FileScan:
        end = 0
        for record in read_records(self._file, self._found.damage.append):
            end = record.offset + len(record.payload) + _RECORD_OVERHEAD
            try:
                self._event(Event.FromString(record.payload))
            except DecodeError:
                self._found.damage.append(f"the record at byte {record.offset} is no event")
        self._found.unread = max(self._found.size - end, 0) if not self._found.damage else 0
        return self._found

    def _event(self, event: Event) -> None:
        self._found.events += 1
        if event.session_log.status == SessionLog.START:
            self._steps.clear()
        for value in event.summary.value:
            plugin = self._plugin(value)
            self._found.series.setdefault(plugin, set()).add(value.tag)
            if plugin in OURS:
                self._point(event, value.tag)

    def _plugin(self, value: Summary.Value) -> str:
        named = value.metadata.plugin_data.plugin_name
        if named:
            self._plugins[value.tag] = named
        return self._plugins.get(value.tag) or _OLD_KINDS.get(value.WhichOneof("value") or "", "unnamed series")

    def _point(self, event: Event, tag: str) -> None:
        found = self._found
        found.points[tag] += 1
        found.first_time = found.first_time or event.wall_time
        found.last_time = max(found.last_time, event.wall_time)
        if tag in self._steps and event.step <= self._steps[tag]:
            found.backwards[tag] += 1
        self._steps[tag] = event.step
