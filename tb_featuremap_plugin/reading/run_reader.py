"""One run from its event files: places of pictures, numbers and scalars, in the order in which TensorBoard reads them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

from tb_featuremap_plugin.reading import assemble
from tb_featuremap_plugin.reading.event_records import Block, OnDamage, read_blocks, read_record
from tb_featuremap_plugin.reading.event_values import OURS, SCALARS, content, is_read, known_metadata
from tb_featuremap_plugin.reading.plain_events import PICTURE_HEADS, Pattern, find_tags, form_of, read_head, read_values
from tb_featuremap_plugin.reading.raw_series import Problems, RawRun, RawSeries
from tb_featuremap_plugin.reading.run import Points
from tb_featuremap_plugin.reading.run_series import Events, Layout, Series, Times, point
from tb_featuremap_plugin.reading.stored_files import RunFiles, StoredFile
from tb_featuremap_plugin.schema import tags

_MOST_EVENTS = 2


class LatestEvents:
    """The events that were read last, of all runs: most have all pictures of a step, and are asked for one after the other.

    Two of them, since runs are compared picture by picture.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[StoredFile, int], Event] = {}  # the latest last

    def get(self, place: tuple[StoredFile, int], read: Callable[[], Event]) -> Event:
        """The event at a place, read now unless it is held."""
        event = self._held.pop(place, None)
        if event is None:
            for oldest in list(self._held)[: 1 - _MOST_EVENTS]:  # before another takes its place in memory
                self._held.pop(oldest, None)
            event = read()
        self._held[place] = event
        return event


class RunReader:
    """Reads the files of one run, in the order of their names, as TensorBoard does.

    Args:
        run: the files.
        latest: shared with the readers of other runs.
    """

    def __init__(self, run: RunFiles, latest: LatestEvents | None = None) -> None:
        self.name = run.name
        self._latest_events = latest or LatestEvents()
        self._series: dict[str, Series] = {}
        self._plain: dict[bytes, Series] = {}
        self._layouts: dict[tuple[bytes, ...], Layout] = {}
        self._latest: Layout | None = None
        self._files = run.files
        self._events = Events()
        self._problems = Problems(run.name)
        self._started = False
        for number, stored in enumerate(run.files):
            self._read(number, stored)
        self._gather()

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
        known: dict[bytes, Times] = {}
        blobs = {tag: self._raw(self._series[tag], known) for tag in self._tags(tags.PLUGIN_NAME)}
        tensors = {tag: self._raw(self._series[tag], known) for tag in self._tags(tags.STATS_PLUGIN_NAME)}
        standing = assemble.standing_records(blobs.get(tags.RUN_TAG), tensors.get(tags.START_TAG))
        read = [self._record(int(self._series[tags.RUN_TAG].points[index])) for _, index in standing]
        earlier = assemble.earlier_records(standing, read)
        return RawRun(self.name, blobs, tensors, read[-1] if read else None, earlier, self._problems.all())

    def blob(self, tag: str, step: int) -> bytes | None:
        """The blob written last under a tag and step."""
        series = self._series.get(tag)
        if series is None or series.plugin != tags.PLUGIN_NAME:
            return None
        steps = self._events.steps_of(series.points)
        return self._stored(int(series.points[len(steps) - 1 - steps[::-1].index(step)])) if step in steps else None

    def _tags(self, plugin: str) -> list[str]:
        return [tag for tag, series in self._series.items() if series.plugin == plugin and len(series.points)]

    def _raw(self, series: Series, known: dict[bytes, Times]) -> RawSeries:
        values = None if series.plugin == tags.PLUGIN_NAME else [value for value in series.values if isinstance(value, np.ndarray)]
        return RawSeries(series.content, *self._events.times_of(series.points, known), values)

    def _read(self, file: int, stored: StoredFile) -> None:
        def on_damage(message: str) -> None:
            self._problems.add("", message if message.startswith(stored.name) else f"{stored.name}: {message}")

        for block in self._blocks(stored, on_damage):
            for begin, end in block.payloads:
                if not self._take_plain(block, begin, end, file):
                    self._take(block, begin, end, file)

    def _take_plain(self, block: Block, begin: int, end: int, file: int) -> bool:
        """Takes an event without a parser; False if that cannot be done."""
        head = read_head(block.data, begin, end)
        if head is None:
            return False
        layout = self._latest
        tables = read_values(block.data, head.begin, end, layout.pattern) if layout else None
        if tables is None:
            layout = self._latest = self._layout(find_tags(block.data, head.begin, end))
            tables = read_values(block.data, head.begin, end, layout.pattern) if layout else None
        if tables is None or layout is None:
            return False
        layout.events.append(self._events.add(head.step, head.wall_time, file, block.record_at(begin)))
        for place, stop, size in tables:
            series = layout.series[place]
            series.values.append(series.heads.table(block.data, stop, size))
        return True

    def _layout(self, tags: list[bytes] | None) -> Layout | None:
        """That of events with values of these tags; None if one of them has to be parsed."""
        key = tuple(tags or ())
        if key not in self._layouts and key and all(tag in self._plain for tag in key):
            series = [self._plain[tag] for tag in key]
            self._layouts[key] = Layout(series, Pattern([one.form for one in series if one.form]))
        return self._layouts.get(key)

    def _gather(self) -> None:
        """Gives each series its points."""
        found: dict[int, list[tuple[Layout, int]]] = defaultdict(list)
        for layout in self._layouts.values():
            for place, series in enumerate(layout.series):
                found[id(series)].append((layout, place))
        for series in self._series.values():
            series.gather(found[id(series)])
        self._layouts, self._latest = {}, None

    def _take(self, block: Block, begin: int, end: int, file: int) -> None:
        offset = block.record_at(begin)
        try:
            event = Event.FromString(block.data[begin:end])
        except DecodeError:
            self._problems.add("", f"{self._files[file].name}: the record at byte {offset} is no event")
            return
        if event.HasField("session_log") and event.session_log.status == SessionLog.START:
            self._start(event.step)
        number = self._events.add(event.step, event.wall_time, file, offset) if event.summary.value else 0
        for place, value in enumerate(event.summary.value):
            series = self._series_of(value)
            if series is not None:
                self._append(series, event.step, value, point(number, place))

    def _start(self, step: int) -> None:
        """Drops what a session that starts again at `step` writes anew."""
        if self._started:
            self._gather()
            for series in self._series.values():
                series.keep([index for index, own in enumerate(self._events.steps_of(series.points)) if own < step])
        self._started = True

    def _series_of(self, value: Summary.Value) -> Series | None:
        """The series that a value belongs to, by the first metadata of its tag; None for a plugin that is not read."""
        series = self._series.get(value.tag)
        if series is None:
            series = self._series[value.tag] = self._new_series(value)
        return series if series.plugin else None

    def _new_series(self, value: Summary.Value) -> Series:
        known = known_metadata(value)
        plugin = known.plugin_data.plugin_name
        if not is_read(known):
            if plugin in OURS:
                self._problems.add(value.tag, f"its data class {known.data_class} is not one in which {plugin!r} is stored")
            plugin = ""
        series = Series(plugin, known.plugin_data.content)
        if plugin in OURS:
            is_table = plugin == tags.STATS_PLUGIN_NAME
            series.form = form_of(value, series.heads if is_table else PICTURE_HEADS, is_table=is_table)
        if series.form is not None:
            self._plain[series.form.key] = series
        return series

    def _append(self, series: Series, step: int, value: Summary.Value, at: int) -> None:
        try:
            found = content(series.plugin, value)
        except (TypeError, ValueError) as error:
            self._problems.add(value.tag, f"the value at step {step} cannot be read: {error!s:.200}")
            return
        series.append(at, found)
        if isinstance(found, np.ndarray):
            series.heads.learn(found)

    def _record(self, at: int) -> bytes | None:
        """A run record's bytes; None where its file has been removed or written anew."""
        return self._stored(at)

    def _stored(self, at: int) -> bytes | None:
        """A blob's bytes; None where its file has been removed or written anew."""
        file, offset, place = self._events.place_of(at)
        try:
            blob: bytes = self._event(self._files[file], offset).summary.value[place].tensor.string_val[0]
        except (OSError, LookupError, DecodeError):
            return None
        return blob

    def _blocks(self, file: StoredFile, on_damage: OnDamage) -> Iterator[Block]:
        """The records of a file."""
        return read_blocks(file, on_damage)

    def _event(self, file: StoredFile, offset: int) -> Event:
        """One event, read again.

        Raises:
            OSError, LookupError, DecodeError: it is not there any more.
        """
        return self._latest_events.get((file, offset), lambda: Event.FromString(read_record(file, offset)))
