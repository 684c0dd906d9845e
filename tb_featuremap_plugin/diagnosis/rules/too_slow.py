"""Steps that are too small to get anywhere in the time given."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import EARLY, LEARNED, STUCK, enough, judged_steps, learning
from tb_featuremap_plugin.diagnosis.phrases import number, percent, rough, usual_share
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import Curve, RunView, VariableView, median
from tb_featuremap_plugin.schema.activations import bare
from tb_featuremap_plugin.schema.columns import column

SLOW = 3e-4
"""Median update-to-weight ratio of the fastest kernel. In 94 runs that learn it is 0.0019 and more."""

RULE_OF_THUMB = 1e-3
"""Karpathy's rule of thumb (CS231n): in a run whose loss falls in a straight line, less is too little. (The usual range is that of
the column in `schema.columns`.)"""

SHALLOW = 2.5e-3
"""Ratio below which small steps are blamed for a loss that falls, but in a straight shallow line."""

FAR_TO_GO = 5e-3
"""Ratio below which a straight line is called too slow in a run that hardly learns after VERY_LONG losses. Small networks that learn
have left the line by then."""

VERY_LONG = 200

FAR = 0.1
"""Way of the fastest kernel over its size at the start, from which on its steps are no reason for a loss that has not moved at all."""

VERY_FAR = 0.5
"""The same for a loss that falls in a line: new heads on good features take hundreds of steps that way."""

FALLING = 100
"""Losses that a straight line takes: fewer are straight by chance, or because the rate still rises."""

LONG = 100
"""Losses after which small steps are blamed for a loss that has not fallen at all."""

_TARGET_RATIO = 3e-3
_LEAST_FACTOR = 3.0
_QUARTERS = 4


def check(view: RunView) -> Iterable[Finding]:
    """Judges the fastest kernel of a run that has not learned yet."""
    gate = learning(view)
    speeds = [(_ratio(view, kernel), kernel) for kernel in view.kernels if _judged(view, kernel)]
    if gate.level in (LEARNED, EARLY) or not speeds or _is_lowered(view):
        return
    ratio, kernel = max(speeds, key=lambda pair: pair[0])
    limit = _line_limit(view) if gate.is_poor else RULE_OF_THUMB
    in_line = ratio < limit and _falls_in_a_line(view) and not _is_far(kernel, VERY_FAR)
    if ratio > 0 and (ratio < SLOW or in_line or (ratio < SHALLOW and _long_stuck(view, kernel))):
        yield _finding(view, kernel, ratio)


def _is_lowered(view: RunView) -> bool:
    """Whether the learning rate was far higher before, so that small steps are wanted now: a last phase, or fine-tuning."""
    rates = view.progress("learning_rate")
    known = rates[~np.isnan(rates)]
    return len(known) > 0 and bool(known[-1] < _LOWERED * known.max())


_LOWERED = 0.15


def _line_limit(view: RunView) -> float:
    return FAR_TO_GO if len(view.loss_curve[1]) >= VERY_LONG else SHALLOW


def _judged(view: RunView, kernel: VariableView) -> bool:
    return enough(kernel.row("update_ratio")[judged_steps(view, kernel.row)])


def _ratio(view: RunView, kernel: VariableView) -> float:
    return kernel.row.median("update_ratio", judged_steps(view, kernel.row))


def _falls_in_a_line(view: RunView) -> bool:
    """Whether the loss falls in each quarter of the run about as much: there is far to go, and no plateau."""
    _, losses = view.loss_curve
    if len(losses) < FALLING or not np.all(np.isfinite(losses)):
        return False
    means = np.array([_level(part) for part in np.array_split(losses, _QUARTERS)])
    falls = -np.diff(means)
    return bool(np.all(falls > 0) and falls.min() > falls.max() / 5)


def _long_stuck(view: RunView, kernel: VariableView) -> bool:
    return learning(view).level == STUCK and len(view.loss_curve[1]) >= LONG and not _is_far(kernel, FAR)


def _is_far(kernel: VariableView, share: float) -> bool:
    """Whether it has moved by this share of its size at the start."""
    return kernel.row.last("displacement") > share * kernel.row.last("initial_norm")


def _level(losses: Curve) -> float:
    return median(losses) if len(losses) < _QUARTERS else float(np.mean(losses))


def _finding(view: RunView, kernel: VariableView, ratio: float) -> Finding:
    steps = math.ceil(0.1 / ratio)
    factor = number(max(_LEAST_FACTOR, 10.0 ** math.ceil(math.log10(_TARGET_RATIO / ratio) - 0.3)))
    return Finding(
        rule="too_slow",
        severity=WARNING,
        target=kernel.name,
        target_kind="variable",
        first_step=view.steps[0],
        last_step=view.last_step,
        title="The steps are too small",
        message=_message(view, kernel, ratio, steps),
        evidence={"update_ratio": ratio, "healthy_min": 0.0019, "steps_for_a_tenth": steps},
        advice=(f"Multiply the learning rate by {factor}", *_alternatives(view)),
        chart=chart("variables", kernel.name, "update_ratio"),
    )


def _message(view: RunView, kernel: VariableView, ratio: float, steps: int) -> str:
    """A step that is small by itself, or one that is usual and yet too small for how the loss falls."""
    if ratio >= _USUAL:
        how = "has not fallen at all" if _long_stuck(view, kernel) else "falls in a straight line, with far to go"
        return (
            f"From the start, the fastest kernel, `{kernel.name}`, changes by {percent(ratio)} of its size a step in the median: about "
            f"{rough(steps)} steps to change by a tenth. Other trainings get on with that; here the loss {how}, so larger steps would get "
            "there sooner."
        )
    return (
        f"From the start, even the fastest kernel, `{kernel.name}`, changes by only {percent(ratio)} of its size a step in the median "
        f"({usual_share('variables', 'update_ratio')} is usual): about {rough(steps)} steps to change by a tenth. "
        "In a histogram its weights look frozen while biases, which start at 0, visibly move. "
        "That is no broken gradient: the learning rate is too small for weights of this size."
    )


_USUAL = column("variables", "update_ratio").usual[0] or RULE_OF_THUMB


def _alternatives(view: RunView) -> Iterator[str]:
    yield "Or start with smaller weights (he_normal)"
    if bare(view.record.optimizer).startswith("sgd"):
        yield "Or use Adam in place of plain gradient descent"


RULE = Rule(
    "too_slow",
    check,
    Doc(
        says="steps are too small",
        condition="median update ratio of the fastest kernel below 3e-4; below 1e-3 (hardly learns: 2.5e-3, after 200 losses "
        "5e-3) while the loss falls in a straight line; below 2.5e-3 while over 100 steps it does not fall at all; "
        "not after the rate was lowered to a seventh",
        usual="above 1.9e-3",
    ),
)
