"""The event files of one session: finds them a folder, keeps the steps of every tag increasing, and goes on after a failure."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tb_featuremap_plugin.format import eventfile, remote
from tb_featuremap_plugin.format.values import Value
from tb_featuremap_plugin.recording import sessions, storage
from tb_featuremap_plugin.schema import tags

_logger = logging.getLogger(__name__)

LARGEST_EVENT_BYTES = 32 << 20
"""Values are written as one event up to this size, and one by one above."""

_NUMBERS_BEYOND_CAP = 2
"""Tables of numbers are small and worth more than pictures: they go on up to this many times the cap."""

_HELD_BACK_BYTES = 1 << 16
"""Events are written together up to this size: to hand a small one to the operating system takes longer than to put it together."""


@dataclass(frozen=True)
class LeftOut:
    """Values that an append left out.

    Attributes:
        repeated: their tag has an event at this step.
        late: their tag has an event at a later step: readers would drop that one, and all between.
        beyond_cap: the folder is at its cap.
    """

    repeated: int = 0
    late: int = 0
    beyond_cap: int = 0


NOTHING = LeftOut()
"""The same object wherever nothing was left out."""
_BEFORE_ALL = -math.inf


_moments = itertools.count()
_last_written: dict[tuple[str, str], int] = {}
"""When this process last wrote to each of its files, counted: nothing here depends on a clock."""

_Event: TypeAlias = tuple[int, Sequence[Value], bytes]
"""An event that is not written yet: its step, its values, its bytes."""


class EventLog:
    """Appends the events of one session to a folder. One thread at a time.

    Args:
        base: a local path or a `scheme://` path; made when the first event is written. Where that would replace what another session
            wrote, or mix with it, the session goes to a folder of its own, see `sessions`.
        max_bytes: above this size no more pictures are written; None is no cap.
        alone: whether a folder is not to be shared with another writer.
        before: a log that this one goes on with, in its folder.

    Attributes:
        lost: events that were taken and could not be written.
    """

    def __init__(self, base: str, max_bytes: int | None = None, *, alone: bool = False, before: EventLog | None = None) -> None:
        self._base = self._folder = base
        self._alone = alone
        self._max_bytes = max_bytes
        self.lost = 0
        self._remarks: deque[str] = deque()
        self._notes: deque[str] = deque()
        self._begun = False
        self._refused: set[str] = set()
        self._reason: str | None = None
        self._bytes = 0
        self._file: storage.Appender | None = None
        self._events: list[_Event] = []
        self._held_back = 0
        self._last_steps: dict[str, int] = {}
        self._written_steps: dict[str, int] = {}
        self._shared = False
        self._remarked_on_late = False
        self._wall_time = 0.0
        self._sizes = storage.sizes(base)
        self._made_at = next(_moments)
        self._name = ""
        self._own: set[tuple[str, str]] = set()
        self._known: frozenset[str] = frozenset()
        if before is not None:
            self._folder, self._begun, self._known = before._folder, before._begun, before._known
            self._refused, self._own = before._refused, before._own
            self._last_steps, self._wall_time = before._last_steps, before._wall_time

    def append(self, step: int, values: Sequence[Value]) -> LeftOut:
        """Takes values of a step, to be written with the next ones or by `write`.

        Raises:
            OSError: as `write`.
        """
        last_steps = self._last_steps
        if self._max_bytes is None and max([last_steps.get(value.tag, _BEFORE_ALL) for value in values], default=_BEFORE_ALL) < step:
            if values:
                self._take(step, values)
            return NOTHING
        late = [value for value in values if last_steps.get(value.tag, step) > step]
        if late:
            self._remark_on_late(late[0].tag, step)
        fresh = [value for value in values if last_steps.get(value.tag, _BEFORE_ALL) < step]
        cap = self._max_bytes
        kept = fresh if cap is None else [value for value in fresh if self._has_room(value.tag, cap)]
        if kept:
            self._take(step, kept)
        left_out = LeftOut(len(values) - len(fresh) - len(late), len(late), len(fresh) - len(kept))
        return NOTHING if len(kept) == len(values) else left_out

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

    def take_remarks(self) -> list[str]:
        """What the caller should be told, each thing once; for the caller's own thread."""
        while self._notes:
            _logger.warning(self._notes.popleft())
        return [self._remarks.popleft() for _ in range(len(self._remarks))]

    def leave_to_parent(self) -> None:
        """In the child of a fork: begins a new file with the next event, and takes the parent's for somebody else's."""
        if self._file is not None:
            self._file.abandon()
        self._file = None
        self._events, self._held_back = [], 0
        self._folder, self._begun, self._refused, self._own, self._last_steps = self._base, False, set(), set(), {}

    def _has_room(self, tag: str, cap: int) -> bool:
        is_picture = tags.parse_picture_tag(tag) is not None
        return self._bytes + self._held_back < cap * (1 if is_picture else _NUMBERS_BEYOND_CAP)

    def _remark_on_late(self, tag: str, step: int) -> None:
        if not self._remarked_on_late:
            self._remarked_on_late = True
            self._remarks.append(
                f"{tags.shown_name(tag)!r} was logged at step {step} after step {self._last_steps[tag]}: steps of one series must go "
                "up, so what comes too late is left out, and nothing else is; count steps over the whole training, and give what "
                "counts otherwise (epochs, evaluations, a training that starts again) a writer and a folder of its own"
            )

    def _take(self, step: int, values: Sequence[Value]) -> None:
        self._look_at_clock()
        new = {value.tag for value in values if value.tag not in self._last_steps} if self._file is not None else set()
        others = self._others() if new else []
        if others and self._takes_beside(others, new, step, values):
            return
        self._add(step, values)
        if self._held_back > _HELD_BACK_BYTES:
            self.write()

    def _add(self, step: int, values: Sequence[Value]) -> None:
        is_small = sum([value.nbytes for value in values]) <= LARGEST_EVENT_BYTES if len(values) > 1 else True
        for group in [values] if is_small else [[value] for value in values]:
            if self._file is None:
                self._begin(step, group)
            else:
                self._hold_back(step, group)
            for value in group:
                self._last_steps[value.tag] = step

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
        """Begins a file with its first event in one go, so that a full disk leaves no empty file behind, and others see what it holds."""
        with storage.locked(self._base):
            file, starts = self._open(step, {value.tag for value in values})
            self._look_at_clock()  # a START purges what is older than itself, so times follow the order of the files
            start = eventfile.start_events(self._wall_time, step) if starts else b""
            event = eventfile.summary_event(self._wall_time, step, values)
            try:
                self._append(file, eventfile.version_event(self._wall_time) + start + event)
            except BaseException:  # an interrupt too leaves half a file
                file.discard()
                raise
        self._file = file
        self._begun = True

    def _open(self, step: int, written: set[str]) -> tuple[storage.Appender, bool]:
        """The file of a session, open, in the first folder that may have it; and whether it begins with a START."""
        numbers = itertools.count(1)
        while True:
            folder = self._folder if self._begun else sessions.folder_of(self._base, next(numbers), alone=self._alone)
            if folder in self._refused:
                continue
            file, place = self._enter(folder)
            verdict = self._judge(place, step, written)
            if verdict.refused is None:
                break
            self._leave(file, verdict.refused)
        self._shared, self._known = place.living is not False, frozenset(storage.list_names(folder))
        self._own.add((folder, self._name))
        self._remark_on_place(verdict, step)
        return file or storage.open_appender(folder, self._name), verdict.starts

    def _enter(self, folder: str) -> tuple[storage.Appender | None, sessions.Place]:
        """Opens a local file in a folder, by which others see that somebody is there, and looks who else is."""
        names = storage.list_names(folder)
        self._folder, self._name = folder, eventfile.new_name(names)
        file = None if remote.is_remote(folder) else storage.open_appender(folder, self._name)
        others = [name for name in names if eventfile.is_own(name) and (folder, name) not in self._own]
        living = [self._is_written(name) for name in others]
        alive = True if True in living else None if None in living else False
        return file, sessions.Place(folder, others, alive, any(map(eventfile.is_foreign, names)))

    def _leave(self, file: storage.Appender | None, reason: str) -> None:
        if file is not None:
            file.discard()
        self._refused.add(self._folder)
        self._reason, self._begun = self._reason or reason, False

    def _judge(self, place: sessions.Place, step: int, written: set[str]) -> sessions.Verdict:
        if not self._begun:
            return sessions.judge(place, step, written, alone=self._alone, is_crowded=self._is_crowded)
        has_guests = any(name not in self._known for name in place.others)
        return sessions.judge_beside(place, written, alone=self._alone) if has_guests else sessions.Verdict()

    def _is_crowded(self) -> bool:
        """Whether another session has had to go to a folder of its own before."""
        return any(map(eventfile.is_own, storage.list_names(sessions.folder_of(self._base, 2, alone=self._alone))))

    def _remark_on_place(self, verdict: sessions.Verdict, step: int) -> None:
        if self._reason is not None:
            reason, self._reason = self._reason, None
            self._remarks.append(
                f"{reason}; so what follows is written to {self._folder}, and nothing is lost. To choose where, give each training and "
                "each network a logdir or run_name of its own"
            )
        if verdict.replaces is not None:
            self._notes.append(
                f"Feature maps in {self._folder} are resumed: what an earlier session wrote at steps {step} to {verdict.replaces} is "
                "replaced. Give a training that is not the same one a folder of its own"
            )

    def _others(self) -> list[str]:
        """Event files of other writers in the folder: of those that were there at the beginning, and live, or that have come since."""
        names = [name for name in storage.list_names(self._folder) if eventfile.is_own(name) and (self._folder, name) not in self._own]
        return names if self._shared else [name for name in names if name not in self._known]

    def _takes_beside(self, others: Sequence[str], new: set[str], step: int, values: Sequence[Value]) -> bool:
        """Writes the first values of some series beside other writers; False, and the folder is left, where one has such a series."""
        with storage.locked(self._base):
            reason = sessions.clash(sessions.Place(self._folder, others, living=True, foreign=False), new)
            if reason is None:
                self._add(step, values)
                self.write()
                return True
        self.close()
        self._leave(None, reason)
        return False

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

    def _is_written(self, name: str) -> bool | None:
        """Whether a file's writer lives beside this one: it is open, or was written to meanwhile. None where nobody knows.

        The first record may be long in the making: who wrote and closed in the meantime, as the child of a fork does, must not lose that.
        """
        written = _last_written.get((self._folder, name))
        if (written is not None and written > self._made_at) or (written is None and self._was_written_meanwhile(name)):
            return True
        return storage.is_written(self._folder, name)

    def _was_written_meanwhile(self, name: str) -> bool:
        """Whether another process wrote to a file of the folder that was given since this log was made."""
        return self._folder == self._base and storage.sizes(self._folder).get(name) != self._sizes.get(name)
