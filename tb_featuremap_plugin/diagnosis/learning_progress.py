"""When a number may be judged: has the run learned, which steps are typical, and where a curve stays beyond a limit.

Most false alarms of diagnosis tools are true observations in runs that learn well: dead units, saturated outputs, small gradients.
These gates are what keeps them down, and every rule uses the same ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tb_featuremap_plugin.diagnosis.run_view import Curve, Mask, Row, RunView, median
from tb_featuremap_plugin.reading.run import Int64
from tb_featuremap_plugin.schema.losses import REGRESSION

LEARNED, LEARNING, STUCK, EARLY, UNKNOWN = "learned", "learning", "stuck", "early", "unknown"

LEARNED_SHARE = 0.5
"""A run has learned once its loss is below half of what it started from (or of chance, if that is lower). Median over 94 runs
that learn: 0.04; 95 % of them: below 0.25; label noise leaves some at 0.65."""

POOR_SHARE = 0.65
"""A run hardly learns while its loss is above this share. Of 112 runs that learn one stays there (labels that are mostly noise)."""

STUCK_SHARE = 0.9
"""A run is stuck while its loss is above this share. None of 112 runs that learn ends there, and none is there at half its steps."""

FEWEST = 20
"""Updates before which no run is stuck: warm-ups, the first steps of momentum and small batches keep a loss level for as long."""

BEATEN = 0.9
"""A loss below this share of what a constant answer can reach comes from answers that differ, whatever the probe says."""

_START_LOSSES = 5
_END_SHARE = 0.1
_MIN_RECORDS = 3
_FIRST_TYPICAL_STEP = 2
"""The first update says little: Adam's has full size for every weight, and zero biases grow from nothing."""

_MAX_RATE_LEVELS = 4
"""More distinct learning rates than this are a continuous schedule, not a few drops."""


@dataclass(frozen=True)
class Learning:
    """How far the loss has come.

    Attributes:
        start: median of the first losses.
        end: median of the latest tenth of the losses.
        chance: loss of the best constant answer, as high as it may be; NaN if unknown.
        is_from_start: whether the first losses are those of an untrained model, not of a training that goes on in a new logdir.
        updates: over which losses are known.
        lowest_chance: loss of the best constant answer, as low as it may be.
    """

    start: float
    end: float
    chance: float
    is_from_start: bool = True
    updates: float = math.inf
    lowest_chance: float = math.nan

    @property
    def reference(self) -> float:
        """What has to be undercut: the start, or chance where that is lower or the start is not known; NaN if neither is."""
        if not self.is_from_start or self.starts_learnt:
            return self.chance
        return min(self.start, self.chance) if self.chance > 0 else self.start

    @property
    def starts_learnt(self) -> bool:
        """Whether the first losses are far below what guessing gives: then the weights were trained before."""
        return self.start < LEARNED_SHARE * self.chance

    @property
    def beats_chance(self) -> bool:
        """Whether the latest losses are lower than those of any constant answer."""
        return self.end < BEATEN * self.lowest_chance

    @property
    def share(self) -> float:
        """What is left of the reference; NaN if that makes no sense (no loss, or one that is not positive)."""
        return self.end / self.reference if self.reference > 0 else math.nan

    @property
    def level(self) -> str:
        """One of the constants of this module: learned, learning, stuck, early (too few updates to be stuck), unknown."""
        if math.isnan(self.start):
            return UNKNOWN
        if math.isnan(self.end) or math.isinf(self.end):
            return STUCK
        if math.isnan(self.share):
            return LEARNING if self.end < self.start else UNKNOWN
        if self.share < LEARNED_SHARE:
            return LEARNED
        if self.updates < FEWEST:
            return EARLY
        return LEARNING if self.share < STUCK_SHARE else STUCK

    @property
    def is_poor(self) -> bool:
        """Whether the loss has hardly fallen, if at all."""
        return self.level == STUCK or (self.level == LEARNING and not self.share <= POOR_SHARE)


def learning(view: RunView) -> Learning:
    """Judges the loss of a run."""
    steps, losses = view.loss_curve
    if len(losses) == 0:
        return Learning(math.nan, math.nan, math.nan)
    latest = losses[-max(_MIN_RECORDS, math.ceil(_END_SHARE * len(losses))) :]
    end = math.nan if np.isnan(latest[-1]) else median(latest)
    chance = math.nan if _follows_inputs(view) else view.chance.high
    is_from_start = not view.kernels or any(kernel.start_is_known for kernel in view.kernels)
    updates = max(len(losses), float(steps[-1] - steps[0] + 1)) - _warm_up(view)
    return Learning(median(losses[:_START_LOSSES]), end, chance, is_from_start, updates, view.chance.low)


def _warm_up(view: RunView) -> float:
    """Updates before the learning rate had risen to half of its highest value; 0 if it did not rise."""
    rates = view.progress("learning_rate")
    known = ~np.isnan(rates) & (view.progress.steps > 0)
    rates, steps = rates[known], view.progress.steps[known]
    if len(rates) < _MIN_RECORDS or not rates[0] < _RISING * rates.max():
        return 0.0
    return float(steps[int(np.argmax(rates >= rates.max() / 2))])


_RISING = 0.3


def falls(view: RunView) -> bool:
    """Whether the loss falls, however slowly, and is near the lowest that it has been: steps that overshoot look otherwise."""
    gate = learning(view)
    _, losses = view.loss_curve
    if len(losses) < _PARTS or not np.all(np.isfinite(losses)):
        return False
    means = np.array([float(np.mean(part)) for part in np.array_split(losses, _PARTS)])
    return bool(gate.end < _FALLEN * gate.start and means[-1] <= _NEAR_LOWEST * means.min() and losses.max() < _CALM * losses[0])


def has_stopped(view: RunView) -> bool:
    """Whether the last quarter of the losses is no lower than the one before."""
    _, losses = view.loss_curve
    if len(losses) < _PARTS:
        return False
    quarters = [float(np.mean(part)) for part in np.array_split(losses, _PARTS)]
    return quarters[-1] > _LEVEL * quarters[-2]


_LEVEL = 0.98
_PARTS = 4
_FALLEN = 0.985
_NEAR_LOWEST = 1.02
_CALM = 1.5


def _follows_inputs(view: RunView) -> bool:
    """Whether a regression's answers vary with the input, about as the targets do.

    Then the targets' spread on the probe is no measure of chance: the probe may be an easy part of the data, such as its first rows.
    """
    if view.loss.family not in REGRESSION or view.output is None:
        return False
    row = view.output.row
    spread = row.last("input_share") * row.last("rms")
    return _LEAST_SPREAD * view.targets.last("std") < spread < _MOST_SPREAD * view.targets.last("std")


_LEAST_SPREAD, _MOST_SPREAD = 0.1, 5.0


def early(view: RunView, row: Row) -> Mask:
    """The steps on which step sizes and gradients are judged: without the first update and the converged end.

    It is the first half of the run, or of what follows the last drop of a stepwise learning rate.
    """
    key = id(row.steps)
    if key not in view.windows:
        view.windows[key] = _early(view, row.steps)
    return view.windows[key]


def _early(view: RunView, steps: Int64) -> Mask:
    typical = steps >= _FIRST_TYPICAL_STEP
    start = _last_rate_change(view)
    middle = (start + view.last_step) / 2
    window: Mask = typical & (steps >= start) & (steps <= middle)
    return window if window.sum() >= _MIN_RECORDS else typical


def single_steps(row: Row) -> Mask:
    """Where the previous value is that of the step before, so that a change is of one step."""
    gap: Mask = row("gap") == 1
    return gap


def judged_steps(view: RunView, row: Row) -> Mask:
    """Early single steps."""
    key = (id(row.steps), row.name)
    if key not in view.windows:
        view.windows[key] = early(view, row) & single_steps(row)
    return view.windows[key]


def enough(curve: Curve) -> bool:
    """Whether there are enough values for a median to mean something."""
    return int((~np.isnan(curve)).sum()) >= _MIN_RECORDS


def stays(holds: Mask, known: Mask) -> int | None:
    """Index from which on a condition holds wherever it is known, to the end; None if it does not hold at the end."""
    failing = np.flatnonzero(known & ~holds)
    start = int(failing[-1]) + 1 if len(failing) else 0
    rest = np.flatnonzero(known[start:])
    return start + int(rest[0]) if len(rest) else None


def _last_rate_change(view: RunView) -> int:
    rates = view.progress("learning_rate")
    known = ~np.isnan(rates)
    rates, steps = rates[known], view.progress.steps[known]
    if len(np.unique(rates)) not in range(2, _MAX_RATE_LEVELS + 1):
        return 0
    return int(steps[np.flatnonzero(np.diff(rates))[-1] + 1])
