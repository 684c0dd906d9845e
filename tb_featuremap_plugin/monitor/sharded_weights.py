"""Weights of which each process holds a part: their history stays where they are, and only numbers and what is pictured is joined."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.shards import Shard, shard_of
from tb_featuremap_plugin.arrays.tensors import snapshot
from tb_featuremap_plugin.measures.weights.joining import Part, gathered, joined_numbers
from tb_featuremap_plugin.monitor.workers import Alone, Team

Array = npt.NDArray[Any]

MOST_GATHERED = 1 << 24
"""Entries of the largest kernel that is fetched for its picture: 64 MB of float32, which cross the network once a logged step."""


@dataclass(frozen=True)
class JoinedVariable:
    """A sharded variable at a logged step.

    Attributes:
        shape: of the whole.
        numbers: by column, of all entries.
        kernel: all entries, where they are pictured.
        gap: steps since the value that it was compared with; NaN where there is none.
        initial_step: of the first value; NaN where that is not known.
    """

    shape: tuple[int, ...]
    numbers: dict[str, float]
    kernel: Array | None
    gap: float
    initial_step: float


@dataclass(frozen=True)
class _Read:
    step: int
    part: Array


@dataclass(frozen=True)
class LocalVariable:
    """What this process can say of a sharded variable, before others have been asked."""

    part: Part
    gap: float
    initial_step: float


class ShardedWeights:
    """Keeps copies of this process's parts: of the two latest reads and, if wanted, of the first.

    Args:
        team: who holds the other parts.
        keep_first: keep the first read.
    """

    def __init__(self, team: Team, *, keep_first: bool) -> None:
        self._team = team
        self._keep_first = keep_first
        self._shards: dict[str, Shard] = {}
        self._reads: dict[str, tuple[_Read, ...]] = {}
        self._first: dict[str, _Read] = {}
        self._joined = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Whole shapes of what was last read, by name."""
        return {name: shard.shape for name, shard in self._shards.items()}

    def take(self, step: int, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Copies the parts of what is sharded, and returns what is not.

        Args:
            step: finished updates.
            tensors: all weights, by flat name.
        """
        shards = {name: shard for name, tensor in tensors.items() if (shard := shard_of(tensor)) is not None}
        for name, shard in shards.items():
            read = _Read(step, snapshot(shard.values, f"weights[{name!r}]"))
            before = tuple(one for one in self._reads.get(name, ()) if one.step < step and one.part.shape == read.part.shape)
            self._reads[name] = (*before[-2:], read)
            if self._keep_first and (name not in self._first or self._first[name].part.shape != read.part.shape):
                self._first[name] = read
        self._shards = shards
        return {name: tensor for name, tensor in tensors.items() if name not in shards}

    def measured(self, gradients: Mapping[str, Any]) -> dict[str, LocalVariable]:
        """What was last read beside what it is compared with; nothing once the other processes no longer join.

        Args:
            gradients: by name; of sharded variables their parts.
        """
        if self._joined and not self._team.joins:
            return {}
        return {name: self._measured(name, shard, gradients.get(name)) for name, shard in self._shards.items()}

    def join(self, found: Mapping[str, LocalVariable], pictured: Callable[[str, int], bool]) -> dict[str, JoinedVariable]:
        """Joins the parts of all processes, which all have agreed to; alone, what this process holds stands for itself.

        Args:
            found: of this process.
            pictured: whether a variable of this name and number of axes is a kernel; the first process's answer counts.
        """
        if not found:
            return {}
        self._joined = self._team.joins
        parts = [one.part for one in found.values()]
        numbers = joined_numbers(parts, self._team.all_reduce if self._team.joins else Alone().all_reduce)
        fetched = self._fetched({name: part for name, part in zip(found, parts, strict=True) if self._can_be_fetched(part)}, pictured)
        return {
            name: JoinedVariable(one.part.shape, number, fetched.get(name), one.gap, one.initial_step)
            for (name, one), number in zip(found.items(), numbers, strict=True)
        }

    def _fetched(self, parts: Mapping[str, Part], pictured: Callable[[str, int], bool]) -> dict[str, Array]:
        """The kernels that are pictured, one after the other."""
        if not parts or not self._team.joins:
            return {}
        asked = [float(self._team.rank == 0 and pictured(name, len(part.shape))) for name, part in parts.items()]
        wanted = self._team.all_reduce(np.asarray(asked), "sum").tolist()
        chosen = [name for name, answer in zip(parts, wanted, strict=True) if answer]
        found = {name: gathered(parts[name], self._team.all_reduce, keep=self._team.writes) for name in chosen}
        return {name: kernel for name, kernel in found.items() if kernel is not None}

    def _measured(self, name: str, shard: Shard, gradient: Any) -> LocalVariable:
        *before, now = self._reads[name]
        first, others = self._first.get(name), dict[str, Array]()
        gap = math.nan
        if before:
            others["previous"], gap = before[-1].part, now.step - before[-1].step
            if len(before) > 1 and before[-1].step - before[0].step == gap:
                others["previous_update"] = before[-1].part - before[0].part
        if first is not None and first.step < now.step:
            others["initial"] = first.part
        part = shard_of(gradient)
        if part is not None and tuple(part.values.shape) == now.part.shape:
            others["gradient"] = snapshot(part.values, f"gradients[{name!r}]")
        alone = not self._team.joins
        shape, offset = (now.part.shape, (0,) * now.part.ndim) if alone else (shard.shape, shard.offset)
        part_of_now = Part(shape, offset, shard.speaks or alone, now.part, others)
        return LocalVariable(part_of_now, gap, first.step if first is not None and "initial" in others else math.nan)

    def _can_be_fetched(self, part: Part) -> bool:
        return part.offset is not None and math.prod(part.shape) <= MOST_GATHERED
