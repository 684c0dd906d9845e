"""A queue bounded by bytes, and the one thread that works it off in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]

WAIT_SECONDS = 60.0
"""How long a full queue holds the training loop before a record is given up."""


class Background:
    """Runs jobs one after the other behind the caller.

    Args:
        max_bytes: what may wait; a single larger job is let in when nothing else waits.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.reset()

    def reset(self) -> None:
        """Begins anew with nothing queued: at the start, and in the child of a fork, where the thread is gone."""
        self._jobs: deque[tuple[Job, int]] = deque()
        self._bytes = 0
        self._busy = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def put(self, job: Job, nbytes: int, wait_seconds: float = WAIT_SECONDS) -> bool:
        """Queues a job, after waiting for room.

        Returns:
            False if there was no room in time: the job is dropped.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(nbytes), wait_seconds):
                return False
            self._jobs.append((job, nbytes))
            self._bytes += nbytes
            started = self._ensure_thread()
            self._changed.notify_all()
        if not started:
            self._work_off()
        return True

    def join(self, timeout: float | None = None) -> bool:
        """Waits until all that was queued is done; False if that took longer than `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            remaining = None if deadline is None else deadline - time.monotonic()
            return self._changed.wait_for(lambda: not self._jobs and not self._busy, remaining)

    def _has_room(self, nbytes: int) -> bool:
        return not self._bytes or self._bytes + nbytes <= self._max_bytes

    def _ensure_thread(self) -> bool:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="featuremaps-writer", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._jobs))
            self._work_off()

    def _work_off(self) -> None:
        while True:
            with self._changed:
                if self._busy or not self._jobs:
                    return
                job, nbytes = self._jobs.popleft()
                self._busy = True
            try:
                job()
            finally:
                del job
                with self._changed:
                    self._busy = False
                    self._bytes -= nbytes
                    self._changed.notify_all()
