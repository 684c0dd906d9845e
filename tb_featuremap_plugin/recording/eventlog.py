"""The event files of one folder: begins them, keeps the steps of every tag increasing, and goes on after a failure or a resume."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tb_featuremap_plugin.format import eventfile
from tb_featuremap_plugin.format.values import Value
from tb_featuremap_plugin.recording import storage
from tb_featuremap_plugin.schema import tags

LARGEST_EVENT_BYTES = 32 << 20
"""Values are written as one event up to this size, and one by one above."""

_NUMBERS_BEYOND_CAP = 2
"""Tables of numbers are small and worth more than pictures: they go on up to this many times the cap."""

_HELD_BACK_BYTES = 1 << 16
"""Events are written together up to this size: to hand a small one to the operating system takes longer than to put it together."""


@dataclass(frozen=True)
class LeftOut:
    """Values that an append left out: their tag already had an event at this step, or the folder is at its cap."""

    repeated: int = 0
    beyond_cap: int = 0


_NOTHING = LeftOut()
_BEFORE_ALL = -math.inf


_moments = itertools.count()
_last_written: dict[tuple[str, str], int] = {}
"""When this process last wrote to each of its files, counted: nothing here depends on a clock."""

_Event: TypeAlias = tuple[int, Sequence[Value], bytes]
"""An event that is not written yet: its step, its values, its bytes."""


class EventLog:
    """Appends events to a folder. One thread at a time.

    Args:
        folder: a local path or a `scheme://` path; made when the first event is written.
        max_bytes: above this size no more pictures are written; None is no cap.

    Attributes:
        lost: events that were taken and could not be written.
    """

    def __init__(self, folder: str, max_bytes: int | None = None) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self.lost = 0
        self._bytes = 0
        self._file: storage.Appender | None = None
        self._events: list[_Event] = []
        self._held_back = 0
        self._last_steps: dict[str, int] = {}
        self._written_steps: dict[str, int] = {}
        self._shared = False
        self._wall_time = 0.0
        self._made = time.monotonic()
        self._made_at = next(_moments)
        self._name = ""
        self._own: set[str] = set()

    def append(self, step: int, values: Sequence[Value]) -> LeftOut:
        """Takes values of a step, to be written with the next ones or by `write`.

        A step that is smaller than what a tag has seen begins a new file, as a resumed run does.

        Raises:
            OSError: as `write`.
        """
        last_steps = self._last_steps
        if self._max_bytes is None and max([last_steps.get(value.tag, _BEFORE_ALL) for value in values], default=_BEFORE_ALL) < step:
            if values:
                self._take(step, values)
            return _NOTHING
        fresh = [value for value in values if last_steps.get(value.tag) != step]
        cap = self._max_bytes
        kept = fresh if cap is None else [value for value in fresh if self._has_room(value.tag, cap)]
        if any(last_steps.get(value.tag, step) > step for value in kept):
            self._go_back(step)
        if kept:
            self._take(step, kept)
        return _NOTHING if len(kept) == len(values) else LeftOut(len(values) - len(fresh), len(fresh) - len(kept))

    def write(self) -> None:
        """Writes what `append` took.

        Raises:
            OSError: the storage refuses; what is lost is counted in `lost`, and later events are tried again.
        """
        events, self._events, self._held_back = self._events, [], 0
        if not events or self._file is None:
            return
        try:
            self._extend(self._file, b"".join([data for *_, data in events]))
        except Exception as error:  # remote storages raise errors of their own
            self._write_singly(events, error)

    def flush(self) -> None:
        """Hands everything to the storage."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Writes what is left and closes the file; a later event would begin a new one."""
        try:
            self.write()
        finally:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def leave_to_parent(self) -> None:
        """In the child of a fork: begins a new file with the next event, and takes the parent's for somebody else's."""
        if self._file is not None:
            self._file.abandon()
        self._file = None
        self._events, self._held_back = [], 0
        self._shared = True

    def _has_room(self, tag: str, cap: int) -> bool:
        is_picture = tags.parse_picture_tag(tag) is not None
        return self._bytes + self._held_back < cap * (1 if is_picture else _NUMBERS_BEYOND_CAP)

    def _go_back(self, step: int) -> None:
        try:
            self.close()
        except BaseException:
            self.lost += 1  # the event whose step goes back
            raise
        self._last_steps = {tag: last for tag, last in self._last_steps.items() if last < step}

    def _take(self, step: int, values: Sequence[Value]) -> None:
        self._look_at_clock()
        is_small = sum([value.nbytes for value in values]) <= LARGEST_EVENT_BYTES if len(values) > 1 else True
        for group in [values] if is_small else [[value] for value in values]:
            if self._file is None:
                self._begin(step, group)
            else:
                self._hold_back(step, group)
            for value in group:
                self._last_steps[value.tag] = step
        if self._held_back > _HELD_BACK_BYTES:
            self.write()

    def _hold_back(self, step: int, values: Sequence[Value]) -> None:
        if not self._events:
            self._written_steps = self._last_steps.copy()
        data = eventfile.summary_event(self._wall_time, step, values)
        self._events.append((step, values, data))
        self._held_back += len(data)

    def _write_singly(self, events: Sequence[_Event], error: Exception) -> None:
        """Writes what the storage does take of events that it did not take together; in a new file if it lost the one that there was."""
        first_is_lost = self._file is None or len(events) == 1
        errors = [error] if first_is_lost else []
        self._last_steps = self._written_steps
        for step, values, data in events[len(errors) :]:
            try:
                if self._file is None:
                    self._begin(step, values)
                else:
                    self._extend(self._file, data)
                self._last_steps.update((value.tag, step) for value in values)
            except Exception as other:  # of this event: those behind it may still be taken
                errors.append(other)
        self.lost += len(errors)
        if errors:
            raise errors[0]

    def _look_at_clock(self) -> None:
        self._wall_time = max(self._wall_time, time.time())

    def _begin(self, step: int, values: Sequence[Value]) -> None:
        """Begins a file with its first event in one go, so that a full disk leaves no empty file behind."""
        with storage.locked(self._folder):
            names = storage.list_names(self._folder)
            self._name = name = eventfile.new_name(names)
            file = storage.open_appender(self._folder, name)
            others = [other for other in names if other not in self._own]
            self._own.add(name)
            self._shared = self._shared or any(map(eventfile.is_foreign, names)) or any(map(self._is_of_another, others))
            self._look_at_clock()  # a START purges what is older than itself, so times follow the order of the files
        start = b"" if self._shared else eventfile.start_events(self._wall_time, step)
        event = eventfile.summary_event(self._wall_time, step, values)
        try:
            self._append(file, eventfile.version_event(self._wall_time) + start + event)
        except BaseException:  # an interrupt too leaves half a file
            file.discard()
            raise
        self._file = file

    def _extend(self, file: storage.Appender, data: bytes) -> None:
        try:
            self._append(file, data)
        finally:
            if not file.intact:
                self._file = None
                file.abandon()

    def _append(self, file: storage.Appender, data: bytes) -> None:
        file.append(data)
        _last_written[self._folder, self._name] = next(_moments)
        self._bytes += len(data)

    def _is_of_another(self, name: str) -> bool:
        """Whether a file is that of a writer beside this one, not of one that it resumes: it is open, or was written to meanwhile.

        The first record may be long in the making: who wrote and closed in the meantime, as the child of a fork does, must not lose that.
        """
        if not eventfile.is_own(name):
            return False
        written = _last_written.get((self._folder, name))
        if written is not None and written > self._made_at:
            return True
        return storage.is_written(self._folder, name) or (written is None and self._was_written_meanwhile(name))

    def _was_written_meanwhile(self, name: str) -> bool:
        """Whether another process wrote to a file since this log was made; where a tick of the clock leaves that open, it did."""
        lead = storage.seconds_between(self._folder, self._name, name)
        return lead is not None and lead > -(time.monotonic() - self._made + storage.clock_tick())
