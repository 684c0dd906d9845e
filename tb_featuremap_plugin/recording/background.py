"""A queue bounded by bytes, and the one thread that works it off in order.

Any call may come from a signal handler while the same thread is within another one: the lock can be taken again by the thread that has
it, whoever waits gives it up entirely, and the thread behind the loop takes no other lock that a caller can hold.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]

WAIT_SECONDS = 60.0
"""How long a full queue holds the training loop before a record is given up, and how long a flush waits without any progress."""

LINGER_SECONDS = 0.005
"""How long the thread lets the calls of one step come in before it begins: it would make each of them wait for the interpreter's lock."""

_LONGEST_WAIT_SECONDS = 0.2
"""How long a caller waits before it looks again whether it has anything to wait for."""

TOLD_AFTER_SECONDS = 5.0
"""How long a flush waits in silence; from then on it says each time that it has waited twice as long."""

JOB_BYTES = 2048
"""What a job that waits takes beside its arrays: the objects of a call that is put off."""

_MOST_JOBS, _LEAST_JOBS = 4096, 64
"""Jobs that may wait, however small they are: 8 MB of objects, which a fast loop makes in a tenth of a second."""


class Background:
    """Runs jobs one after the other behind the caller. A job must not raise.

    Args:
        max_bytes: what may wait; a single larger job is let in when nothing else waits.
        settle: finishes what jobs have left to be done together; called whenever no more of them wait. Must not raise.
        tell: called by who waits long for a flush, with seconds waited, jobs and bytes that still wait.
    """

    def __init__(self, max_bytes: int, settle: Job = lambda: None, tell: Callable[[float, int, int], None] = lambda *_: None) -> None:
        self._max_bytes = max_bytes
        self._max_jobs = min(_MOST_JOBS, max(_LEAST_JOBS, max_bytes // JOB_BYTES))
        self._settle = settle
        self._tell = tell
        self.reset()

    def reset(self) -> None:
        """Begins anew with nothing queued: at the start, and in the child of a fork, where the thread is gone."""
        self._jobs: deque[tuple[Job, int]] = deque()
        self._bytes = 0
        self._done = 0
        self._busy = False
        self._worker = 0
        """Which thread is at work, while `_busy`."""
        self._closed = False
        self._waiting: list[object] = []
        """One object for each caller that waits: a list, because a number could miss a caller that came within a signal."""
        self._thread: threading.Thread | None = None
        self._starter = 0
        """Which thread is just starting it: a signal may come within that."""
        self._ended = False
        self._lock = threading.RLock()
        self._work = threading.Condition(self._lock)
        """What the thread waits for: a job, somebody who waits for it, or the end."""
        self._room = threading.Condition(self._lock)
        """What callers of a full queue wait for: a good part of it is done."""
        self._idle = threading.Condition(self._lock)
        """What a flush waits for: all jobs are done. One that woke at each of them would take the processor from the thread each time."""

    @property
    def idle(self) -> bool:
        """Whether nothing waits or is being done."""
        return not (self._jobs or self._busy)

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
            self._bytes += nbytes
            self._jobs.append((job, nbytes))
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
        if self._busy and threading.get_ident() == self._worker:
            self._settle()
            return True
        with self._lock:
            began, told = time.monotonic(), TOLD_AFTER_SECONDS
            moved, done = began, self._done
            while self._jobs or self._busy:
                now = time.monotonic()
                if self._done != done:
                    moved, done = now, self._done
                if now - moved >= WAIT_SECONDS:
                    return False
                if now - began >= told:
                    self._tell(now - began, len(self._jobs) + self._busy, self._bytes)
                    told *= 2
                self._await(self._idle, lambda: not (self._jobs or self._busy), min(moved + WAIT_SECONDS, began + told) - now)
        return True

    def close(self) -> bool:
        """Takes no more jobs, and ends the thread when the queued ones are done; waits for that as `join` does."""
        with self._lock:
            self._closed = True
            self._work.notify_all()
            self._room.notify_all()
        return self.join()

    def _await(self, changed: threading.Condition, condition: Callable[[], bool], seconds: float | None = None) -> bool:
        """Waits for what only the thread can bring about, so that it does not linger; False if it took too long."""
        if self._thread is None or self._ended or self._starter == threading.get_ident():  # nobody else does it while this waits
            self._work_off()
        waiting = object()
        self._waiting.append(waiting)
        self._work.notify_all()
        try:
            return self._wait_in_parts(changed, condition, WAIT_SECONDS if seconds is None else seconds)
        finally:
            self._waiting.remove(waiting)

    @staticmethod
    def _wait_in_parts(changed: threading.Condition, condition: Callable[[], bool], seconds: float) -> bool:
        """As `wait_for`; where a signal handler comes between its look and its wait, and brings about what it waits for, it looks again."""
        end = time.monotonic() + seconds
        while not changed.wait_for(condition, min(_LONGEST_WAIT_SECONDS, max(end - time.monotonic(), 0))):
            if time.monotonic() >= end:
                return False
        return True

    def _has_room(self, nbytes: int) -> bool:
        if not (self._jobs or self._busy):
            return True
        return len(self._jobs) < self._max_jobs and self._bytes + nbytes <= self._max_bytes

    def _ensure_thread(self) -> bool:
        """Starts the thread if there is none yet; False if there will be none."""
        if self._thread is None:
            thread, self._starter = threading.Thread(target=self._run, name="featuremaps-writer", daemon=True), threading.get_ident()
            try:
                if self._thread is None:  # still, after a signal that came meanwhile
                    self._thread = thread
                    thread.start()
            except RuntimeError:  # the interpreter is shutting down and starts no more threads
                self._thread = None
                return False
            finally:
                self._starter = 0
        return not self._ended

    def _run(self) -> None:
        work = self._work
        while work is self._work:
            self._work_off()
            with work:
                work.wait_for(lambda: bool(self._jobs) or self._closed)
                if self._closed and not self._jobs:
                    self._ended = True
                    return
                work.wait_for(lambda: self._closed or bool(self._waiting), LINGER_SECONDS)

    def _work_off(self) -> None:
        with self._lock:
            if self._busy or not self._jobs:
                return
            self._busy, self._worker = True, threading.get_ident()
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
                    if self._waiting and (self._bytes <= self._max_bytes // 2 and len(self._jobs) <= self._max_jobs // 2):
                        self._room.notify_all()

    def _pause(self) -> None:
        with self._lock:
            self._done += 1
            if not self._jobs:
                self._bytes = 0  # whatever a signal within `put` made of it
                self._busy = False
                self._idle.notify_all()
                self._room.notify_all()
