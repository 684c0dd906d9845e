"""Interleaved timing: every variant once a round, one thread, medians of wall and CPU time and bytes."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ROUNDS = 7


@dataclass(frozen=True)
class Taken:
    """What an action took that measures itself, such as in another process: milliseconds, and bytes."""

    wall: float
    cpu: float
    written: int | None


Action = Callable[[], "int | Taken | None"]
"""Does the work once; returns the bytes it wrote, if it wrote any."""


@dataclass(frozen=True)
class Variant:
    """One way of doing a job.

    Attributes:
        name: as shown in the table.
        action: does the job once.
        finish: called after the clock has stopped; what it takes is not counted.
        calls: how many calls one action makes; times are shown for one call.
    """

    name: str
    action: Action
    finish: Callable[[], object] | None = None
    calls: int = 1


@dataclass(frozen=True)
class Figures:
    """What one variant took, over the rounds: milliseconds a call, and bytes."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]
    written: int | None

    @property
    def wall_ms(self) -> float:
        """Median wall time of one call in milliseconds."""
        return statistics.median(self.wall)

    @property
    def cpu_ms(self) -> float:
        """Median CPU time of one call, of all threads of the process, in milliseconds."""
        return statistics.median(self.cpu)

    def metric(self, name: str) -> float:
        """The median named "wall" or "cpu" in milliseconds, or "bytes"."""
        if name == "bytes":
            if self.written is None:
                raise ValueError("this variant writes no bytes")
            return float(self.written)
        return {"wall": self.wall_ms, "cpu": self.cpu_ms}[name]


@dataclass(frozen=True)
class Goal:
    """A promise: `metric` of `variant` is at most `limit` times that of `baseline`, or `limit` itself where there is none."""

    what: str
    variant: str
    baseline: str | None
    metric: str
    limit: float

    def value(self, figures: dict[str, Figures]) -> float:
        """The measured ratio, or the measured figure where there is no baseline."""
        own = figures[self.variant].metric(self.metric)
        return own if self.baseline is None else own / figures[self.baseline].metric(self.metric)


@dataclass(frozen=True)
class WorstGrowth:
    """A promise on a curve: of each pair of variants, the first takes at most `limit` times what the second does."""

    what: str
    pairs: Sequence[tuple[str, str]]
    metric: str
    limit: float
    baseline: str = "the smaller one"

    def value(self, figures: dict[str, Figures]) -> float:
        """The largest measured ratio."""
        return max(figures[larger].metric(self.metric) / figures[smaller].metric(self.metric) for larger, smaller in self.pairs)


@dataclass(frozen=True)
class Comparison:
    """A table: variants that do the same job, and the goals that ours has to meet.

    Attributes:
        title: above the table.
        variants: its rows.
        goals: of some of them.
        rounds: how often each is measured.
        notes: paragraphs below the table.
        column: what the bytes are, in the table's head.
        per: what they are divided by in the table.
        finish: called when all is measured.
    """

    title: str
    variants: Sequence[Variant]
    goals: Sequence[Goal | WorstGrowth] = ()
    rounds: int = ROUNDS
    notes: Sequence[str] = ()
    column: str = "KB"
    per: float = 1e3
    finish: Callable[[], object] | None = None


def measure(comparison: Comparison) -> dict[str, Figures]:
    """Runs every variant once to warm up, then `rounds` times, interleaved."""
    wall: dict[str, list[float]] = {variant.name: [] for variant in comparison.variants}
    cpu: dict[str, list[float]] = {variant.name: [] for variant in comparison.variants}
    written: dict[str, int | None] = {}
    for round_number in range(comparison.rounds + 1):
        for variant in comparison.variants:
            took = _once(variant)
            written[variant.name] = took[2]
            if round_number:
                wall[variant.name].append(took[0] / variant.calls)
                cpu[variant.name].append(took[1] / variant.calls)
    if comparison.finish is not None:
        comparison.finish()
    return {name: Figures(tuple(wall[name]), tuple(cpu[name]), written[name]) for name in wall}


def _once(variant: Variant) -> tuple[float, float, int | None]:
    gc.collect()
    gc.disable()
    wall, cpu = time.perf_counter(), time.process_time()
    written = variant.action()
    took = (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3
    gc.enable()
    if variant.finish is not None:
        variant.finish()
    return (written.wall, written.cpu, written.written) if isinstance(written, Taken) else (*took, written)
