"""Weights as they were: copies that training cannot change, of the two reads before and of the first one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.measures.weights.accumulator import InitialSums
from tb_featuremap_plugin.measures.weights.variable import Change

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Taken:
    """The value of a variable after `step` updates, in memory that nobody changes.

    Attributes:
        step, value: as it was.
        ours: whether it was copied into this memory here.
        sums: over the value, as a first one; filled when it is first compared with another.
    """

    step: int
    value: Array
    ours: bool = False
    sums: InitialSums = field(default_factory=InitialSums, compare=False, repr=False)


@dataclass(frozen=True)
class Known:
    """A variable at a step, and what it is compared with, all of one shape.

    Attributes:
        now: the value.
        before: up to two earlier reads, the latest one last.
        first: the first read; None if it is not kept.
    """

    now: Taken
    before: tuple[Taken, ...] = ()
    first: Taken | None = None


class Snapshots:
    """Keeps at most three copies of each variable: the two latest reads and, if wanted, the first."""

    def __init__(self, *, keep_first: bool) -> None:
        self._keep_first = keep_first
        self._first: dict[str, Taken] = {}
        self._reads: dict[str, tuple[Taken, ...]] = {}

    def known(self, step: int, name: str, value: Array) -> Known:
        """A value beside what is kept of earlier steps."""
        before = tuple(read for read in self._reads.get(name, ()) if read.step < step and _fits(read.value, value))
        now = Taken(step, value)
        first = self._first.get(name, now if self._keep_first else None)
        return Known(now, before, first if first is not None and _fits(first.value, value) else None)

    def keep(self, step: int, name: str, value: Array, *, owned: bool, reuse: bool = False) -> Taken:
        """Keeps a value in place of the older of two earlier ones, and of one of the same step.

        Args:
            step: of the value.
            name: of the variable.
            value: as it is now.
            owned: whether nobody will write to its memory; it is copied if not.
            reuse: copy it into the memory of the value that it replaces. Nobody may look at that any more.
        """
        before = tuple(read for read in self._reads.get(name, ()) if read.step < step)[-2:]
        spare = before[0] if reuse and len(before) == 2 and before[0].ours else None
        taken = Taken(step, value) if owned else _copied(step, value, spare)
        self._reads[name] = (*before[-1:], taken)
        if self._keep_first and name not in self._first:
            self._first[name] = taken
            self._reads[name] = (*before[-1:], replace(taken, ours=False))
        return taken

    def forget_all_but(self, names: Mapping[str, object], step: int) -> None:
        """Drops the reads of variables that are not there any more; those that were read a moment ago may come back."""
        gone = [name for name, reads in self._reads.items() if name not in names and reads and reads[-1].step < step - 1]
        for name in gone:
            del self._reads[name]


def change_of(known: Known, gradient: Array | None) -> Change:
    """What the variable's value is compared with.

    The update before this one counts only if it took as many steps: otherwise their directions say nothing about single steps.
    """
    value, initial = known.now.value, known.first
    change = Change(
        gradient=gradient if gradient is not None and _fits(gradient, value) else None,
        initial=None if initial is None else initial.value,
        initial_step=math.nan if initial is None else initial.step,
        initial_sums=None if initial is None or initial is known.now else initial.sums,
    )
    if not known.before:
        return change
    previous = known.before[-1]
    gap = known.now.step - previous.step
    earlier = known.before[0] if len(known.before) > 1 and previous.step - known.before[0].step == gap else None
    return replace(change, previous=previous.value, gap=gap, before_previous=None if earlier is None else earlier.value)


def _copied(step: int, value: Array, spare: Taken | None) -> Taken:
    if spare is not None and _like(spare.value, value):
        np.copyto(spare.value, value)
        return Taken(step, spare.value, ours=True)
    return Taken(step, value.copy(order="K"), ours=True)


def _like(memory: Array, value: Array) -> bool:
    same = memory.dtype == value.dtype and memory.shape == value.shape and type(memory) is np.ndarray and type(value) is np.ndarray
    return same and memory.flags.f_contiguous == value.flags.f_contiguous


def _fits(other: Array, value: Array) -> bool:
    return other.shape == value.shape
