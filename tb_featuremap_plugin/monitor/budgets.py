"""What logging may cost: a share of the training time, and bytes a step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

FREE_RECORDS = 3
"""Records that the time budget never holds back: the start, and the first single-step updates."""


@dataclass
class TimeBudget:
    """Measures what logging takes, and holds scheduled steps back while that is more than its share.

    What a record costs is the time that the loop is held for it plus the time that its making takes behind the loop, which
    competes with the loop for processors.

    Args:
        share: of the whole time since the first call that logging may take; None is no limit.
        clock: seconds that only grow.
    """

    share: float | None = None
    clock: Callable[[], float] = time.perf_counter
    held_seconds: float = field(default=0.0, init=False)
    behind_seconds: float = field(default=0.0, init=False)
    _started: float | None = field(default=None, init=False)
    _records: int = field(default=0, init=False)
    _held_back: int = field(default=0, init=False)

    def start(self) -> None:
        """Starts measuring, at the first call."""
        if self._started is None:
            self._started = self.clock()

    @property
    def log_seconds(self) -> float:
        """Seconds of logging so far."""
        return self.held_seconds + self.behind_seconds

    @property
    def train_seconds(self) -> float:
        """Seconds since the first call in which the loop was not held."""
        return 0.0 if self._started is None else max(self.clock() - self._started - self.held_seconds, 0.0)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Counts the time within as time that the loop was held."""
        started = self.clock()
        try:
            yield
        finally:
            self.held_seconds += self.clock() - started

    @contextmanager
    def behind(self) -> Iterator[None]:
        """Counts the time within as work behind the loop."""
        started = self.clock()
        try:
            yield
        finally:
            self.behind_seconds += self.clock() - started

    def allows(self) -> bool:
        """Whether a scheduled step may be logged; counts those that may not."""
        if self.share is None or self._records < FREE_RECORDS:
            return True
        allowed = self.log_seconds <= self.share * (self.log_seconds + self.train_seconds)
        self._held_back += not allowed
        return allowed

    def stretch(self) -> int:
        """Scheduled steps since the last record, the one being made included: by how much the interval was stretched."""
        self._records += 1
        factor, self._held_back = self._held_back + 1, 0
        return factor


def over_budget(sizes: Iterable[tuple[str, int]], budget: int) -> list[str]:
    """Which pictures to leave out so that the rest fits: the largest first, so that as few as possible go.

    Args:
        sizes: pictures' names with their bytes.
        budget: bytes for all pictures of a step.
    """
    kept = sorted(sizes, key=lambda item: item[1])
    total, dropped = sum(size for _, size in kept), []
    while kept and total > budget:
        name, size = kept.pop()
        total -= size
        dropped.append(name)
    return dropped
