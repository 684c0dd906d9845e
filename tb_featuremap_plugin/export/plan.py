"""Which pictures of which steps fit into a given number of bytes."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tb_featuremap_plugin.export.step_selection import LAST_END, Choice


@dataclass(frozen=True)
class Weights:
    """What the pictures of one run take.

    Attributes:
        pictures: bytes of maps and filters, by step.
        inputs: bytes of probe inputs, by the step from which on they hold.
        ends: of the first and the last step, bytes of each picture by its series' tag, in the order of the network.
    """

    pictures: Mapping[int, int]
    inputs: Mapping[int, int] = field(default_factory=dict)
    ends: Mapping[int, Mapping[str, int]] = field(default_factory=dict)

    def inputs_step(self, step: int) -> int | None:
        """The step whose probe inputs the maps of `step` were computed from; None where there are none."""
        known = sorted(self.inputs)
        index = bisect_right(known, step)
        return known[index - 1] if index else None


Single = tuple[int, str]
"""One picture: its step, and the tag of its series."""


@dataclass(frozen=True)
class Plan:
    """What is kept: by run, the steps whose maps and filters are, single ones of other steps, and the steps whose probe inputs are."""

    pictures: Mapping[str, frozenset[int]]
    inputs: Mapping[str, frozenset[int]]
    singles: Mapping[str, frozenset[Single]] = field(default_factory=dict)


_PATIENCE = 8
"""How many ranks may follow each other of which nothing fits, before the rest is not looked at: to weigh a step takes reading it."""


def plan(weights: Mapping[str, Weights], wanted: Sequence[Choice], budget: int) -> Plan:
    """Takes choices in their order, each that fits into what is left of `budget` bytes.

    Of a run's first and last step that do not fit as a whole, pictures are taken singly, as soon as all other ends are in. Steps of equal
    size stay an even spread: once one of them does not fit, no other does.
    """
    filling = _Filling(weights, budget)
    ends = list(itertools.takewhile(lambda choice: choice.rank <= LAST_END, wanted))
    filling.take_singles([choice for choice in ends if not filling.take_step(choice)])
    in_vain = 0
    for _, choices in itertools.groupby(wanted[len(ends) :], key=lambda choice: choice.rank):
        taken = [filling.take_step(choice) for choice in choices]
        in_vain = 0 if any(taken) else in_vain + 1
        if in_vain == _PATIENCE:
            break
    return filling.plan()


class _Filling:
    """What has been taken so far, and what is left."""

    def __init__(self, weights: Mapping[str, Weights], budget: int) -> None:
        self._weights = weights
        self._left = budget
        self._pictures: dict[str, set[int]] = {run: set() for run in weights}
        self._inputs: dict[str, set[int]] = {run: set() for run in weights}
        self._singles: dict[str, set[Single]] = {run: set() for run in weights}

    def take_step(self, choice: Choice) -> bool:
        """Takes all maps and filters of a step, if they fit."""
        taken = self._take(choice, self._weights[choice.run].pictures[choice.step])
        if taken:
            self._pictures[choice.run].add(choice.step)
        return taken

    def take_singles(self, ends: Sequence[Choice]) -> None:
        """Takes single pictures of steps that do not fit: of each in turn, in the order of its network."""
        listed = [[(choice, tag, size) for tag, size in self._weights[choice.run].ends.get(choice.step, {}).items()] for choice in ends]
        for each in itertools.zip_longest(*listed):
            for choice, tag, size in filter(None, each):
                if self._take(choice, size):
                    self._singles[choice.run].add((choice.step, tag))

    def plan(self) -> Plan:
        """All that was taken."""
        singles = {run: frozenset(taken) for run, taken in self._singles.items()}
        return Plan(_frozen(self._pictures), _frozen(self._inputs), singles)

    def _take(self, choice: Choice, size: int) -> bool:
        run, inputs = self._weights[choice.run], self._inputs[choice.run]
        probe = run.inputs_step(choice.step)
        new_inputs = set() if probe is None else {probe} - inputs
        cost = size + sum(run.inputs[step] for step in new_inputs)
        if cost > self._left:
            return False
        self._left -= cost
        inputs |= new_inputs
        return True


def everything(weights: Mapping[str, Weights]) -> Plan:
    """The plan that leaves nothing out."""
    return Plan(
        {run: frozenset(weight.pictures) for run, weight in weights.items()},
        {run: frozenset(weight.inputs) for run, weight in weights.items()},
    )


def total(weights: Iterable[Weights]) -> int:
    """Bytes of all pictures."""
    return sum(sum(each.pictures.values()) + sum(each.inputs.values()) for each in weights)


def describe_pictures(chosen: Plan, run: str, known: Collection[int]) -> str:
    """What is kept of a run's maps and filters, in words; empty where nothing is left out.

    Args:
        chosen: what is kept.
        run: its name.
        known: the steps of which there are maps or filters.
    """
    whole, singles = sorted(chosen.pictures[run]), sorted({step for step, _ in chosen.singles.get(run, ())})
    if len(whole) == len(known):
        return ""
    said = f"maps and filters of {len(whole)} of {len(known)} steps ({describe_steps(whole) or 'none'})"
    return f"{said} and some of those of {describe_steps(singles)}" if singles else said


def describe_steps(steps: Sequence[int], at_most: int = 20) -> str:
    """Steps in words: all of them, or the first and last few."""
    if len(steps) <= at_most:
        return ", ".join(str(step) for step in steps)
    head, tail = steps[: at_most // 2], steps[-at_most // 2 :]
    return f"{describe_steps(head)}, ..., {describe_steps(tail)}"


def _frozen(sets: Mapping[str, set[int]]) -> dict[str, frozenset[int]]:
    return {run: frozenset(steps) for run, steps in sets.items()}
