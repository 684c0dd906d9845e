"""Which steps of a run to keep when not all of them can be sent."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LAST_END = 1
"""Rank of the second of a run's two ends: its last step has rank 0, its first step rank 1."""


@dataclass(frozen=True)
class Choice:
    """A step to keep, and how soon it is wanted: choices with a lower rank come first."""

    rank: int
    run: str
    step: int


def choices(run: str, steps: Iterable[int], key_steps: Iterable[int] = ()) -> list[Choice]:
    """Every step of a run in the order in which it is wanted.

    The last step comes first and then the first one, since a run is judged by them; then the key steps, and then the rest, each step as far
    as can be from those before it. So any number of them, taken from the front, is spread evenly.

    Args:
        run: name of the run.
        steps: the steps there are, in any order.
        key_steps: steps at which something begins. One that is not among `steps` stands for the next that is, or else for the last.
    """
    known = sorted(set(steps))
    wanted = dict.fromkeys(_wanted(known, key_steps))
    return [Choice(rank, run, step) for rank, step in enumerate(wanted)]


def merged(ranked: Iterable[Sequence[Choice]]) -> list[Choice]:
    """The choices of several runs in one order that favours none: the first of each run, then the second of each, and so on."""
    return sorted((choice for each in ranked for choice in each), key=lambda choice: choice.rank)


def _wanted(known: Sequence[int], key_steps: Iterable[int]) -> Iterator[int]:
    if not known:
        return
    yield known[-1]
    yield known[0]
    for key_step in sorted(set(key_steps)):
        yield next((step for step in known if step >= key_step), known[-1])
    for index in _halves(len(known)):
        yield known[index]


def _halves(count: int) -> Iterator[int]:
    """Every index between the first and the last: the middle first, and then always the middle of the widest gap."""
    gaps = [(1 - count, 0, count - 1)]
    while gaps:
        _, low, high = heapq.heappop(gaps)
        middle = (low + high) // 2
        if low < middle:
            yield middle
            heapq.heappush(gaps, (low - middle, low, middle))
            heapq.heappush(gaps, (middle - high, middle, high))
