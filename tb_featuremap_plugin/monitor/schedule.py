"""Which steps are logged, and on which steps weights must be read so that single updates are exact."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

EARLY_STEPS = (0, 1, 2, 5, 10, 20, 50)
"""Logged besides every n-th step, as far as they are below n: training is most telling at its start."""

READ_AHEAD = 2
"""Calls before a logged one at which weights are read too: one for its update, one for the update before that."""

_LONGEST_STRIDE = 1000
"""A callable schedule is asked about every step that a call passed over, up to this many."""


class Schedule:
    """The steps that the user asked for.

    Args:
        every: a callable from step to bool, or n: the steps 0, 1, 2, 5, 10, 20 and 50 below n, then every n.

    Attributes:
        fixed: whether the answers follow from the step alone, so that all workers of a training give the same.
        words: the schedule as a reader sees it.

    Raises:
        TypeError: `every` is neither.
        ValueError: n is below 1.
    """

    def __init__(self, every: int | Callable[[int], bool]) -> None:
        if callable(every):
            self._asks = every
            self.fixed = False
            self.words = f"chosen by {getattr(every, '__name__', type(every).__name__)}"
        elif isinstance(every, bool) or not isinstance(every, int):
            raise TypeError(f"every is {every!r}; allowed are a whole number of steps and a callable from step to bool")
        elif every < 1:
            raise ValueError(f"every is {every}; the least number of steps is 1")
        else:
            self.fixed = True
            self._asks = lambda step: step % every == 0 or (step < every and step in EARLY_STEPS)
            self.words = f"every {every} steps" if every > 1 else "every step"

    def wants(self, step: int) -> bool:
        """Whether this very step was asked for."""
        return bool(self._asks(step))


class Plan:
    """Answers for steps to come, decided once: what was promised when weights were read ahead is kept.

    Calls need not come at every step: a scheduled step that was passed over counts at the next call.

    Args:
        decide: whether a step is to be logged; asked once a step, up to two calls ahead.
    """

    def __init__(self, decide: Callable[[int], bool]) -> None:
        self._asks = decide
        self._decided: dict[int, bool] = {}
        self._last: int | None = None
        self._stride = 1

    def due(self, step: int) -> bool:
        """Whether a call at this step would be logged."""
        start = step if self._last is None or step <= self._last else max(self._last + 1, step - _LONGEST_STRIDE)
        return self._any(start, step)

    def reads_weights(self, step: int) -> bool:
        """Whether weights are needed of this step: it is due, or one of the next two calls will be."""
        return self.due(step) or self._any(step + 1, step + READ_AHEAD * self._stride)

    def advance(self, step: int) -> None:
        """Marks a call at this step as done."""
        if self._last is not None and step > self._last:
            self._stride = min(step - self._last, _LONGEST_STRIDE)
        self._last = step
        if len(self._decided) > 4 * READ_AHEAD * self._stride:
            self._decided = {decided: answer for decided, answer in self._decided.items() if decided > step}

    def _any(self, first: int, last: int) -> bool:
        answers = [self._decide(step) for step in range(first, last + 1)]
        return any(answers)

    def _decide(self, step: int) -> bool:
        if step not in self._decided:
            self._decided[step] = self._asks(step)
        return self._decided[step]


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
