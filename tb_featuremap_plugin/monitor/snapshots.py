"""Weights as they were: copies that training cannot change, of the two reads before and of the first one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.measures.weights.variable import Change

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]


@dataclass(frozen=True)
class Read:
    """The weights after `step` updates, in arrays that nobody changes."""

    step: int
    values: Arrays


@dataclass(frozen=True)
class First:
    """The first value of a variable that was read, after `step` updates."""

    step: int
    value: Array


class Snapshots:
    """Keeps at most three copies of the weights: the two latest reads and, if wanted, the first."""

    def __init__(self, *, keep_first: bool) -> None:
        self._keep_first = keep_first
        self._first: dict[str, First] = {}
        self._reads: tuple[Read, ...] = ()

    def add(self, step: int, values: Arrays) -> tuple[Read, ...]:
        """Takes a read and returns it after the (at most two) reads before it. A second read of a step replaces the first."""
        if self._keep_first:
            self._first.update((name, First(step, value)) for name, value in values.items() if name not in self._first)
        before = tuple(read for read in self._reads if read.step < step)
        reads = (*before, Read(step, values))
        self._reads = reads[-2:]
        return reads

    @property
    def first(self) -> Mapping[str, First]:
        """The first value of each variable; empty if it is not kept."""
        return self._first


def first_of(name: str, reads: tuple[Read, ...], first: Mapping[str, First]) -> First | None:
    """The first value of a variable, if that is known and still of the variable's shape."""
    initial = first.get(name)
    return initial if initial is not None and _fits(initial.value, reads[-1].values[name]) else None


def previous_of(name: str, reads: tuple[Read, ...]) -> Array | None:
    """The value before the last one of `reads`, of the same shape."""
    value = reads[-1].values[name]
    known = [read.values[name] for read in reads[:-1] if _fits(read.values.get(name), value)]
    return known[-1] if known else None


def change_of(name: str, reads: tuple[Read, ...], first: Mapping[str, First], gradient: Array | None) -> Change:
    """What the variable's value in the last of `reads` is compared with.

    The update before this one counts only if it took as many steps: otherwise their directions say nothing about single steps.
    """
    value, initial = reads[-1].values[name], first_of(name, reads, first)
    known = [(read.step, read.values[name]) for read in reads[:-1] if _fits(read.values.get(name), value)]
    change = Change(
        gradient=gradient if _fits(gradient, value) else None,
        initial=None if initial is None else initial.value,
        initial_step=math.nan if initial is None else initial.step,
    )
    if not known:
        return change
    step, previous = known[-1]
    gap = reads[-1].step - step
    before = known[0] if len(known) > 1 and step - known[0][0] == gap else None
    update = None if before is None else _difference(previous, before[1])
    return replace(change, previous=previous, gap=gap, previous_update=update)


def _difference(value: Array, previous: Array) -> Array:
    wide = np.result_type(value, np.float32)
    with np.errstate(all="ignore"):
        result: Array = np.subtract(value, previous, dtype=wide)
    return result


def _fits(other: Array | None, value: Array) -> bool:
    return other is not None and other.shape == value.shape
