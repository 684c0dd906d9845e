"""Several processes that train one network together: one of them writes, and statistics cover what all of them see."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Reduction = Literal["sum", "max"]


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


class Alone:
    """A single process: nothing to join."""

    rank = 0
    size = 1

    def all_reduce(self, values: Float64, how: Reduction) -> Float64:
        """The values as they are."""
        return values


def first_says(workers: Workers, answer: bool) -> bool:
    """The first worker's answer, told to all."""
    if workers.size == 1:
        return answer
    return bool(workers.all_reduce(np.array([float(answer and workers.rank == 0)]), "sum")[0])
