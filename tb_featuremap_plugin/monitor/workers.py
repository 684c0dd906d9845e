"""Several processes that train one network together: one of them writes, and statistics cover what all of them see.

Nothing is exchanged before all have said that they take part, are well and are about to exchange the same: an exchange that one
worker enters and another one does not would wait for ever, or be taken for one of the training's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Reduction = Literal["sum", "max"]
Outcome = Literal["joined", "failed", "differ", "ended"]


class Workers(Protocol):
    """The processes of a training, and the one collective that is needed of their engine.

    Attributes:
        rank: of this process, from 0; the first one writes.
        size: how many there are.
    """

    rank: int
    size: int

    def all_reduce(self, values: Float64, how: Reduction) -> Float64:
        """Joins an array of equal shape on all workers, entry by entry. Every worker must call it, in the same order."""


@dataclass(frozen=True)
class Agreement:
    """What came of asking all workers; the same on each of them.

    Attributes:
        outcome: "joined" where all are well and have one plan; "failed" where one has a problem; "differ" where plans differ; "ended"
            where nothing is exchanged any more, because a worker has left or did not answer.
        reason: in words; empty where they are joined.
        repeated: ranks whose samples another rank has too, so that they count once.
        all_planned: whether all stand with a plan, so that all may be asked about the rest where one has failed.
    """

    outcome: Outcome
    reason: str = ""
    repeated: tuple[int, ...] = ()
    all_planned: bool = False


@dataclass(frozen=True)
class Stand:
    """What a worker says when all are asked.

    Attributes:
        step: finished updates, or what else it is about.
        plan: of what it would exchange; must be equal on all.
        problem: why it cannot; empty where it is well.
        samples: a digest of its share of the probe.
    """

    step: str
    plan: str = ""
    problem: str = ""
    samples: str = ""


class Team:
    """The workers as a monitor uses them. By itself a single process, which has nothing to join.

    Attributes:
        rank: of this process, from 0.
        size: how many there are.
        ended: why nothing is exchanged any more; empty while it is.
        met: whether all were asked about the record of this step.
    """

    rank = 0
    size = 1
    ended = ""
    met = False

    @property
    def joins(self) -> bool:
        """Whether there are others to exchange anything with."""
        return self.size > 1 and not self.ended

    @property
    def writes(self) -> bool:
        """Whether this process writes the records."""
        return self.rank == 0

    def all_reduce(self, values: Float64, how: Reduction) -> Float64:
        """Joins an array of equal shape on all workers, entry by entry; only after all have agreed.

        Raises:
            Exception: whatever the engine raises; nothing is exchanged after that.
        """
        return values

    def agree(self, stand: Stand) -> Agreement:
        """Asks all workers whether they are well and about to exchange the same."""
        return Agreement("failed", stand.problem) if stand.problem else Agreement("joined")

    def first_says(self, answer: bool) -> bool:
        """The first worker's answer, told to all."""
        return answer

    def leave(self) -> None:
        """Tells the others not to wait for this worker any more; waits for nobody."""

    @contextmanager
    def informed(self, step: int, due: bool) -> Iterator[None]:
        """Tells the others where the block of a due step fails before it has asked them: they wait for the answer."""
        self.met = False
        try:
            yield
        except Exception as error:  # whatever it is: the others are told, and it goes on
            if due and self.joins and not self.met:
                self.agree(Stand(str(step), problem=words(error)))
            raise


class Alone(Team):
    """A single process: nothing to join."""


class Collective(Team):
    """Workers that have nothing but their collective: with it they also agree, so that a worker that fails costs the others no wait."""

    def __init__(self, workers: Workers) -> None:
        self.rank, self.size = workers.rank, workers.size
        self._workers = workers

    def all_reduce(self, values: Float64, how: Reduction) -> Float64:
        """As of the workers."""
        try:
            return self._workers.all_reduce(values, how)
        except Exception as error:  # each engine raises errors of its own
            self.ended = f"a collective failed: {words(error)}"
            raise

    def agree(self, stand: Stand) -> Agreement:
        """One collective of a few numbers: they are equal on all workers where their largest is their least."""
        if self.ended:
            return Agreement("ended", self.ended)
        plan = _numbers(f"{stand.step}\n{stand.plan}")
        found = self.all_reduce(np.concatenate([[float(bool(stand.problem))], plan, -plan]), "max")
        if found[0]:
            return Agreement("failed", stand.problem or "another worker failed")
        half = len(plan)
        same = bool(np.array_equal(found[1 : 1 + half], -found[1 + half :]))
        return Agreement("joined") if same else Agreement("differ", "the workers' steps, layers or variables differ")

    def first_says(self, answer: bool) -> bool:
        """By a sum to which the first worker alone adds."""
        if self.ended:
            return answer and self.writes
        return bool(self.all_reduce(np.array([float(answer and self.rank == 0)]), "sum")[0])

    def leave(self) -> None:
        """Nothing can be told without a collective, which the others may not be in."""
        self.ended = self.ended or "closed"


def team_of(workers: Workers | None) -> Team:
    """Who trains together, as a monitor uses them; a single process where nothing was given."""
    if workers is None or workers.size == 1:
        return Alone()
    return workers if isinstance(workers, Team) else Collective(workers)


def words(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]


def _numbers(text: str) -> Float64:
    """A digest as numbers that float64 holds exactly."""
    return np.frombuffer(hashlib.blake2b(text.encode(), digest_size=16).digest(), np.uint32).astype(np.float64)
