"""The event files of one folder: begins them, keeps the steps of every tag increasing, and starts afresh after a failure or a resume."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tb_featuremap_plugin import eventfile, storage
from tb_featuremap_plugin.values import Value

LARGEST_EVENT_BYTES = 32 << 20
"""Values are written as one event up to this size, and one by one above."""

_live: dict[str, int] = {}
_live_lock = threading.Lock()


class EventLog:
    """Appends events to a folder. One thread at a time.

    Args:
        folder: a local path or a `scheme://` path; made when the first event is written.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._file: storage.Appender | None = None
        self._last_steps: dict[str, int] = {}
        self._shared = False
        with _live_lock:
            _live[folder] = _live.get(folder, 0) + 1

    def append(self, step: int, values: Sequence[Value]) -> int:
        """Writes values of a step; those whose tag already has an event at this step are left out.

        Returns:
            How many were left out.

        Raises:
            OSError: the storage refuses. The next call tries again, in a new file.
        """
        fresh = [value for value in values if self._last_steps.get(value.tag) != step]
        if any(self._last_steps.get(value.tag, step) > step for value in fresh):
            self._go_back(step)
        if fresh:
            self._write(step, fresh)
            self._last_steps.update((value.tag, step) for value in fresh)
        return len(values) - len(fresh)

    def flush(self) -> None:
        """Hands everything to the storage."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Closes the file; a later event begins a new one."""
        with _live_lock:
            _live[self._folder] = max(0, _live.get(self._folder, 0) - 1)
        self._close_file()

    def forget_file(self) -> None:
        """After a fork: leaves the file to the parent, and begins a new one with the next event."""
        self._file = None

    def _go_back(self, step: int) -> None:
        self._close_file()
        self._last_steps = {tag: last for tag, last in self._last_steps.items() if last < step}

    def _write(self, step: int, values: Sequence[Value]) -> None:
        groups = [values] if sum(value.ByteSize() for value in values) <= LARGEST_EVENT_BYTES else [[value] for value in values]
        try:
            file = self._open(step)
            for group in groups:
                file.append(eventfile.summary_event(step, group))
        except OSError:
            self._close_file()
            raise

    def _open(self, step: int) -> storage.Appender:
        if self._file is None:
            names = storage.list_names(self._folder)
            self._shared = self._shared or _live[self._folder] > 1 or any(map(eventfile.is_foreign, names))
            self._file = storage.open_appender(self._folder, eventfile.new_name(names))
            self._file.append(eventfile.version_event() + (b"" if self._shared else eventfile.start_event(step)))
        return self._file

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
