"""What a writer was given and did not write: counted where it happens, told in the caller's thread, each cause once.

Nothing here takes a lock: a signal handler that flushes may come at any moment, and would wait for the thread that waits for the lock.
"""

from __future__ import annotations

import logging
from collections import Counter, deque

_logger = logging.getLogger(__name__)

LATE = "a record came late"
STALLED = "the storage does not answer, and what is queued may be lost"
SLOW = "the storage is slower than what is logged: records are dropped"
FULL = "max_bytes is reached: pictures are dropped"
REPEATED = "a record was logged twice at one step: the second is dropped"

_MOST_ERRORS = 16
"""Different errors that wait to be told."""

_TOLD_ELSEWHERE = frozenset({LATE})
"""Reasons that are told with the names and steps at hand."""


class Shortfall:
    """Counts what one writer dropped or failed at.

    Attributes:
        failed: records that could not be built or written.
    """

    def __init__(self) -> None:
        self.failed = 0
        self._here: Counter[str] = Counter()
        self._behind: Counter[str] = Counter()
        self._errors: deque[BaseException] = deque(maxlen=_MOST_ERRORS)
        self._seen: set[tuple[str, int | None]] = set()
        self._last: BaseException | None = None
        self._told: set[str] = set()

    @property
    def dropped(self) -> int:
        """Records that were given up."""
        return sum(self._here.copy().values()) + sum(self._behind.copy().values())

    def drop_here(self, count: int, reason: str) -> None:
        """Counts records that the caller's thread gave up; with none the reason alone is told."""
        self._here[reason] += count

    def drop_behind(self, count: int, reason: str) -> None:
        """Counts records that the thread behind the loop gave up."""
        if count:
            self._behind[reason] += count

    def fail(self, count: int, error: BaseException) -> None:
        """Counts records that an error took."""
        self.failed += count
        cause = _cause_of(error)
        if cause not in self._seen:
            self._seen.add(cause)
            self._errors.append(error)
        elif self._last is None:
            self._last = error

    def take_error(self) -> BaseException | None:
        """The first error since the last call, whether or not it was told, to be raised."""
        error = self._errors[0] if self._errors else self._last
        self._errors.clear()
        self._last = None
        return error

    def take_reasons(self) -> list[str]:
        """Why records are missing, as far as that was not told before."""
        if not (self._errors or self._here or self._behind):
            return []
        reasons = [reason for reason in {**self._here.copy(), **self._behind.copy()} if reason not in self._told | _TOLD_ELSEWHERE]
        self._told.update(reasons)
        return reasons + [f"records are lost: {self._errors.popleft()!r}" for _ in range(len(self._errors))]


def tell_of_wait(logdir: str, seconds: float, jobs: int, nbytes: int) -> None:
    """Says what a flush waits for: records that are queued, and the bytes of arrays that they hold."""
    _logger.warning(
        "Logging to %s: waiting for %d records (%.1f MB of arrays) to be made and written, %.0f s so far",
        logdir,
        jobs,
        nbytes / 1e6,
        seconds,
    )


def _cause_of(error: BaseException) -> tuple[str, int | None]:
    """What errors of one cause have in common: those of the storage what the system said, and all others that a record was not built."""
    return ("storage", error.errno) if isinstance(error, OSError) else ("record", None)
