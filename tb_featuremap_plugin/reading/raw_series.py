"""Series as a source found them, before they are put in order: what `queries` and `events` hand to `assemble`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.reading.run import Problem
from tb_featuremap_plugin.schema import limits

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class RawSeries:
    """One series of ours, in the order in which it was written as far as the source knows.

    Attributes:
        content: plugin content of the series' metadata.
        steps, wall_times: one a point, T of them.
        values: the tensors, T of them; None for pictures and for numbers that were not read.
    """

    content: bytes
    steps: Sequence[int]
    wall_times: Sequence[float]
    values: Sequence[Array] | None = None


@dataclass(frozen=True)
class RawRun:
    """One run of a source.

    Attributes:
        name: TensorBoard's name of the run.
        blobs: by tag, series of pictures and of the run record.
        tensors: by tag, series of numbers.
        record: bytes of the latest run record; None where there is none.
        earlier: of each session before that, the first step for which its run record does not hold any more, and the record's bytes.
        problems: what the source could not read.
    """

    name: str
    blobs: Mapping[str, RawSeries] = field(default_factory=dict)
    tensors: Mapping[str, RawSeries] = field(default_factory=dict)
    record: bytes | None = None
    earlier: Sequence[tuple[int, bytes]] = ()
    problems: Sequence[Problem] = ()


class Problems:
    """Collects what could not be read of one run, up to a bound, each thing once."""

    def __init__(self, run: str, known: Iterable[Problem] = ()) -> None:
        self._run = run
        self._known = dict.fromkeys(known)

    def add(self, tag: str, message: str) -> None:
        """Notes a problem of one series."""
        if len(self._known) < limits.MAX_PROBLEMS:
            self._known[Problem(self._run, tag, message)] = None

    def all(self) -> tuple[Problem, ...]:
        """What was noted, in order."""
        return tuple(self._known)


def as_written(wall_times: Sequence[float]) -> list[int]:
    """Indices that put points in the order of their wall times; points of one time stay as they are."""
    return [int(index) for index in np.argsort(np.asarray(wall_times, np.float64), kind="stable")]
