"""Which pictures of which steps fit into a given number of bytes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tb_featuremap_plugin.export.step_selection import Choice


@dataclass(frozen=True)
class Weights:
    """What the pictures of one run take.

    Attributes:
        pictures: bytes of maps and filters, by step.
        inputs: bytes of probe inputs, by the step from which on they hold.
    """

    pictures: Mapping[int, int]
    inputs: Mapping[int, int] = field(default_factory=dict)

    def inputs_step(self, step: int) -> int | None:
        """The step whose probe inputs the maps of `step` were computed from; None where there are none."""
        known = sorted(self.inputs)
        index = bisect_right(known, step)
        return known[index - 1] if index else None


@dataclass(frozen=True)
class Plan:
    """What is kept: by run, the steps whose maps and filters are, and the steps whose probe inputs are."""

    pictures: Mapping[str, frozenset[int]]
    inputs: Mapping[str, frozenset[int]]


def plan(weights: Mapping[str, Weights], wanted: Iterable[Choice], budget: int) -> Plan:
    """Takes choices in their order for as long as they fit into `budget` bytes.

    The first one that does not fit ends it, so that what is kept stays an even spread.
    """
    pictures: dict[str, set[int]] = {run: set() for run in weights}
    inputs: dict[str, set[int]] = {run: set() for run in weights}
    left = budget
    for choice in wanted:
        run = weights[choice.run]
        probe = run.inputs_step(choice.step)
        new_inputs = set() if probe is None else {probe} - inputs[choice.run]
        left -= run.pictures[choice.step] + sum(run.inputs[step] for step in new_inputs)
        if left < 0:
            break
        pictures[choice.run].add(choice.step)
        inputs[choice.run] |= new_inputs
    return Plan(_frozen(pictures), _frozen(inputs))


def everything(weights: Mapping[str, Weights]) -> Plan:
    """The plan that leaves nothing out."""
    return Plan(
        {run: frozenset(weight.pictures) for run, weight in weights.items()},
        {run: frozenset(weight.inputs) for run, weight in weights.items()},
    )


def total(weights: Iterable[Weights]) -> int:
    """Bytes of all pictures."""
    return sum(sum(each.pictures.values()) + sum(each.inputs.values()) for each in weights)


def describe_steps(steps: Sequence[int], at_most: int = 20) -> str:
    """Steps in words: all of them, or the first and last few."""
    if len(steps) <= at_most:
        return ", ".join(str(step) for step in steps)
    head, tail = steps[: at_most // 2], steps[-at_most // 2 :]
    return f"{describe_steps(head)}, ..., {describe_steps(tail)}"


def _frozen(sets: Mapping[str, set[int]]) -> dict[str, frozenset[int]]:
    return {run: frozenset(steps) for run, steps in sets.items()}
