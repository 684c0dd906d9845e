"""A queue bounded by bytes, and the one thread that works it off in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]

WAIT_SECONDS = 60.0
"""How long a full queue holds the training loop before a record is given up, and how long a flush waits without any progress."""

LINGER_SECONDS = 0.005
"""How long the thread lets the calls of one step come in before it begins: it would make each of them wait for the interpreter's lock."""


class Background:
    """Runs jobs one after the other behind the caller. A job must not raise.

    Args:
        max_bytes: what may wait; a single larger job is let in when nothing else waits.
        settle: finishes what jobs have left to be done together; called whenever no more of them wait. Must not raise.
    """

    def __init__(self, max_bytes: int, settle: Job = lambda: None) -> None:
        self._max_bytes = max_bytes
        self._settle = settle
        self.reset()

    def reset(self) -> None:
        """Begins anew with nothing queued: at the start, and in the child of a fork, where the thread is gone."""
        self._jobs: deque[tuple[Job, int]] = deque()
        self._bytes = 0
        self._done = 0
        self._busy = False
        self._closed = False
        self._awaited = 0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        """What the thread waits for: a job, somebody who waits for it, or the end."""
        self._room = threading.Condition(self._lock)
        """What callers of a full queue wait for: a job is done."""
        self._idle = threading.Condition(self._lock)
        """What a flush waits for: all jobs are done. One that woke at each of them would take the processor from the thread each time."""

    @property
    def closed(self) -> bool:
        """Whether it takes no more jobs."""
        return self._closed

    def put(self, job: Job, nbytes: int) -> bool:
        """Queues a job, after waiting for room.

        Returns:
            False if there was no room in time, or the queue is closed: the job is dropped.
        """
        with self._lock:
            has_room = self._has_room(nbytes) or self._await(self._room, lambda: self._closed or self._has_room(nbytes))
            if self._closed or not has_room:
                return False
            self._jobs.append((job, nbytes))
            self._bytes += nbytes
            started = self._ensure_thread()
            if len(self._jobs) == 1:
                self._work.notify_all()
        if not started:
            self._work_off()
        return True

    def join(self) -> bool:
        """Waits until all that was queued is done.

        Returns:
            False if nothing moved for `WAIT_SECONDS`.
        """
        if threading.current_thread() is self._thread:
            self._settle()
            return True
        with self._lock:
            while self._jobs or self._busy:
                done = self._done
                if not self._await(self._idle, lambda: not (self._jobs or self._busy)) and self._done == done:
                    return False
        return True

    def close(self) -> bool:
        """Takes no more jobs, and ends the thread when the queued ones are done; waits for that as `join` does."""
        with self._lock:
            self._closed = True
            self._work.notify_all()
            self._room.notify_all()
        return self.join()

    def _await(self, changed: threading.Condition, condition: Callable[[], bool]) -> bool:
        """Waits for what only the thread can bring about, so that it does not linger; False if it took too long."""
        self._awaited += 1
        self._work.notify_all()
        try:
            return changed.wait_for(condition, WAIT_SECONDS)
        finally:
            self._awaited -= 1

    def _has_room(self, nbytes: int) -> bool:
        return not self._bytes or self._bytes + nbytes <= self._max_bytes

    def _ensure_thread(self) -> bool:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="featuremaps-writer", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is shutting down and starts no more threads
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        work = self._work
        while work is self._work:
            self._work_off()
            with work:
                work.wait_for(lambda: bool(self._jobs) or self._closed)
                if self._closed and not self._jobs:
                    return
                work.wait_for(lambda: self._closed or self._awaited > 0, LINGER_SECONDS)

    def _work_off(self) -> None:
        with self._lock:
            if self._busy or not self._jobs:
                return
            self._busy = True
        try:
            while self._busy:
                self._do_jobs()
                self._settle()
                self._pause()
        except BaseException:  # an interrupt, where the caller's thread works off
            self._busy = False
            raise

    def _do_jobs(self) -> None:
        while self._jobs:
            job, nbytes = self._jobs.popleft()
            try:
                job()
            finally:
                del job
                with self._lock:
                    self._bytes -= nbytes
                    self._done += 1
                    if self._awaited:
                        self._room.notify_all()

    def _pause(self) -> None:
        with self._lock:
            self._done += 1
            if not self._jobs:
                self._busy = False
                self._idle.notify_all()
