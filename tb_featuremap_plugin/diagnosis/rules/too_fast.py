"""Steps that are too large: weights change by a good part of their size at once, or the loss jumps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tb_featuremap_plugin.diagnosis.findings import ERROR, INFO, WARNING, Finding
from tb_featuremap_plugin.diagnosis.initial_scale import usual_norm
from tb_featuremap_plugin.diagnosis.learning_progress import (
    EARLY,
    LEARNED,
    STUCK,
    UNKNOWN,
    Learning,
    early,
    falls,
    learning,
    single_steps,
    stays,
)
from tb_featuremap_plugin.diagnosis.phrases import number, percent, step, times, usual_share
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import Curve, LayerView, RunView, VariableView, median
from tb_featuremap_plugin.schema.answers import Severity, TargetKind
from tb_featuremap_plugin.schema.columns import column
from tb_featuremap_plugin.schema.losses import OTHER

USUAL_RATIO = 0.1
"""Median update-to-weight ratio of the fastest kernel. 95 % of 94 runs that learn stay below 0.065."""

STUCK_RATIO = column("variables", "update_ratio").usual[1] or USUAL_RATIO
"""The same for a run whose loss does not fall: the top of the usual range."""

WHOLE = 1.0
"""A single step that changes a kernel by more than its own size."""

JUMP = 50.0
"""Largest loss over the loss at the start. Runs that learn stay below 3.2."""

STUCK_JUMP = 8.0
"""The same for a run whose loss does not fall."""


SETTLED = 40
"""Updates after which large steps are blamed for a loss that does not fall: the first ones of momentum and RMSprop are large by nature."""

KILLING = 0.2
"""A single step of this size is blamed for a layer whose units all died after it, in a run that is stuck. Among steps after the
first two, 95 % of 94 runs that learn stay below 0.17."""

_ALIVE = 0.5
_DEAD = 0.95


@dataclass(frozen=True)
class _Speed:
    """What was seen of step sizes and of the loss."""

    kernel: VariableView | None
    ratio: float
    largest: float
    largest_step: int
    jump: float
    jump_step: int


def check(view: RunView) -> Iterable[Finding]:
    """Judges the fastest kernel and the largest loss."""
    speed = _speed(view)
    gate = learning(view)
    level = gate.level
    jumps = speed.jump > (STUCK_JUMP if level == STUCK else JUMP) and _stays_up(view, gate)
    fine = level in (LEARNED, EARLY) or gate.updates < SETTLED or falls(view)
    fast = speed.ratio > (STUCK_RATIO if level == STUCK else USUAL_RATIO) and not fine
    leaps = speed.largest > WHOLE and not fine
    if jumps or fast or leaps:
        yield _finding(view, speed, jumps=jumps)
    elif level == STUCK:
        yield from _killing(view)


def _speed(view: RunView) -> _Speed:
    ratios = [(kernel, _ratios(kernel)) for kernel in view.kernels]
    medians = [(median(curve[early(view, kernel.row)]), kernel) for kernel, curve in ratios]
    peaks = [(*_largest(kernel, curve), kernel) for kernel, curve in ratios]
    ratio, fastest = max(medians, key=lambda found: _sort_key(found[0]), default=(math.nan, None))
    largest, at, leaper = max(peaks, key=lambda found: found[0], default=(0.0, 0, None))
    jump, jump_step = _jump(view)
    return _Speed(leaper if largest > WHOLE and not ratio > USUAL_RATIO else fastest, ratio, largest, at, jump, jump_step)


def _sort_key(value: float) -> float:
    return -1.0 if math.isnan(value) else value


def _ratios(kernel: VariableView) -> Curve:
    """Single steps over the weights' size, now or at the start, or half of what is usual; NaN elsewhere.

    A kernel that grows from next to nothing, or is on its way through zero, makes no leap.
    """
    row = kernel.row
    with np.errstate(all="ignore"):
        size = np.fmax(row("update_norm") / row("update_ratio"), np.fmax(row("initial_norm"), _LEAST_SIZE * usual_norm(kernel)))
        ratios = np.where(row("update_ratio") > 0, row("update_norm") / size, row("update_ratio"))
    usable: Curve = np.where(single_steps(row) & (not kernel.starts_at_zero), ratios, np.nan)
    return usable


_LEAST_SIZE = 0.5


def _largest(kernel: VariableView, ratios: Curve) -> tuple[float, int]:
    """The largest single step after the first two updates, and when."""
    later = np.where((kernel.row.steps > _FIRST_STEPS) & ~np.isnan(ratios), ratios, 0.0)
    at = int(np.argmax(later)) if len(later) else 0
    return (float(later[at]), int(kernel.row.steps[at])) if len(later) else (0.0, 0)


_FIRST_STEPS = 1


def _jump(view: RunView) -> tuple[float, int]:
    """The largest loss over the loss at the start, and when; losses that are negative at times have no such ratio."""
    steps, losses = view.loss_curve
    known = np.isfinite(losses)
    if not known.any() or losses[known].min() < 0:
        return math.nan, 0
    values, steps = losses[known], steps[known]
    start = max(values[0], view.chance_loss) if view.chance_loss > 0 else values[0]
    at = int(np.argmax(values))
    return (float(values[at] / start), int(steps[at])) if start > 0 else (math.nan, 0)


def _stays_up(view: RunView, gate: Learning) -> bool:
    """Whether a loss that jumped says that something is wrong: one of a meaning that is not known may rise and come back by its nature."""
    known = view.loss.family not in (None, OTHER)
    return known or not gate.end < gate.start


def _killing(view: RunView) -> Iterator[Finding]:
    """A layer whose units all died, or an answer that became one for all inputs, soon after a step that was large enough to do it."""
    for layer in view.hidden:
        death = _death(layer)
        kernel, ratio, at = _leap_before(view, death) if death is not None else (None, 0.0, 0)
        if kernel is not None and ratio > KILLING:
            yield _killed(view, f"all units of `{layer.name}` were dead", layer.name, kernel, ratio, at)
            return
    numbed = _numbed(view.output) if view.output else None
    kernel, ratio, at = _leap_before(view, numbed) if numbed is not None else (None, 0.0, 0)
    if view.output is not None and kernel is not None and ratio > KILLING:
        yield _killed(view, f"`{view.output.name}` gave the same answer for every input", view.output.name, kernel, ratio, at)


def _numbed(output: LayerView) -> int | None:
    """The step at which an answer that depended on the input was first seen the same for all inputs, for good."""
    share = output.row("input_share")
    at = stays(share < _SAME, output.row.logged("input_share"))
    return int(output.row.steps[at]) if output.row.first("input_share") > _DIFFERENT and at is not None else None


_SAME, _DIFFERENT = 1e-3, 0.02


def _death(layer: LayerView) -> int | None:
    """The step at which a living layer was first seen dead for good."""
    dead = layer.row("dead_units")
    at = stays(dead > _DEAD, layer.row.logged("dead_units"))
    alive = layer.row.first("dead_units") < _ALIVE
    return int(layer.row.steps[at]) if alive and at is not None else None


def _leap_before(view: RunView, death: int) -> tuple[VariableView | None, float, int]:
    """The largest single step up to a death, the first update too."""
    best: tuple[VariableView | None, float, int] = (None, 0.0, 0)
    for kernel in view.kernels:
        ratios = np.where(kernel.row.steps <= death, _ratios(kernel), np.nan)
        if not np.all(np.isnan(ratios)) and np.nanmax(ratios) > best[1]:
            at = int(np.nanargmax(ratios))
            best = (kernel, float(ratios[at]), int(kernel.row.steps[at]))
    return best


def _killed(view: RunView, effect: str, layer: str, kernel: VariableView, ratio: float, at: int) -> Finding:
    return Finding(
        rule="too_fast",
        severity=ERROR,
        target=kernel.name,
        target_kind="variable",
        first_step=at,
        last_step=view.last_step,
        title="The steps are too large",
        message=(
            f"`{kernel.name}` changed by {percent(ratio)} of its size in the single {step(at)} ({_usual()}), "
            f"and soon after {effect}. "
            "A step that large throws units to where no input reaches them, and from where no gradient brings them back."
        ),
        evidence={"largest_update_ratio": ratio, "healthy_max": STUCK_RATIO, "killed_layer": layer},
        advice=(
            f"Divide the learning rate by {_divisor(view, _speed(view))}",
            "Raise the learning rate slowly over the first steps, or clip gradients to a norm of 1",
        ),
        chart=chart("variables", kernel.name, "update_ratio"),
    )


def _severity(gate: Learning, *, jumps: bool) -> Severity:
    if gate.level == STUCK:
        return ERROR
    return WARNING if jumps or gate.is_poor or gate.level == UNKNOWN else INFO


def _finding(view: RunView, speed: _Speed, *, jumps: bool) -> Finding:
    kernel = speed.kernel
    kind: TargetKind = "variable" if kernel else "run"
    target = kernel.name if kernel else view.title
    first = min(
        [found for found, shown in ((speed.largest_step, speed.largest > WHOLE), (speed.jump_step, jumps)) if shown], default=view.steps[0]
    )
    return Finding(
        rule="too_fast",
        severity=_severity(learning(view), jumps=jumps),
        target=target,
        target_kind=kind,
        first_step=first,
        last_step=view.last_step,
        title="The steps are too large",
        message=f"{_seen(speed, jumps=jumps)} Steps of that size overshoot: the loss goes up and down instead of falling, and units die.",
        evidence={"update_ratio": speed.ratio, "largest_update_ratio": speed.largest, "loss_jump": speed.jump, "healthy_max": STUCK_RATIO},
        advice=(
            f"Divide the learning rate by {_divisor(view, speed)}",
            "Raise the learning rate slowly over the first steps, or clip gradients to a norm of 1",
        ),
        chart=chart("variables", target, "update_ratio") if kernel else chart("losses", "", "loss", log=True),
    )


def _seen(speed: _Speed, *, jumps: bool) -> str:
    parts = []
    if speed.kernel is not None and speed.ratio > STUCK_RATIO:
        parts.append(f"`{speed.kernel.name}` changes by {percent(speed.ratio)} of its size in a single step ({_usual()})")
    elif speed.kernel is not None and speed.largest > WHOLE:
        parts.append(
            f"`{speed.kernel.name}` changed by {percent(speed.largest)} of its size in the single {step(speed.largest_step)} ({_usual()})"
        )
    if jumps:
        parts.append(f"the loss rose to {times(speed.jump)} its start at {step(speed.jump_step)}")
    text = ", and ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _usual() -> str:
    return f"{usual_share('variables', 'update_ratio')} is usual"


def _divisor(view: RunView, speed: _Speed) -> str:
    """A power of ten that brings the first update to about 3 % of the weights' size; 10 where it was not logged.

    Later steps say less: weights that have blown up, or units that are dead, make them larger or smaller than the rate does.
    """
    usual = min(speed.ratio, WHOLE) if math.isfinite(speed.ratio) else 0.0
    excess = max(_first_ratio(view), usual) / _TARGET_RATIO
    return number(10.0 ** min(_MOST_POWERS, max(1, round(math.log10(excess))))) if excess > 1 else "10"


def _first_ratio(view: RunView) -> float:
    """The largest share of its size by which a kernel changed in the first update; 0 if unknown."""
    found = [curve[kernel.row.steps == 1] for kernel in view.kernels for curve in (_ratios(kernel),)]
    known = [float(value) for values in found for value in values if math.isfinite(value)]
    return max(known, default=0.0)


_TARGET_RATIO = 0.03
_MOST_POWERS = 4


RULE = Rule(
    "too_fast",
    check,
    Doc(
        says="steps are too large",
        condition="median update ratio of the fastest kernel above 0.1 (stuck: 0.065); a single step above 1; a loss 50 times the"
        " first (stuck: 8 times); a layer killed, or one answer for every input, after a step above 0.2 in a run that is stuck",
        usual="below 0.065; loss below 3.2 times",
    ),
)
