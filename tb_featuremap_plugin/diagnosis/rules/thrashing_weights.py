"""Successive updates point against each other: a long way, and hardly any distance."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import INFO, WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import STUCK, enough, judged_steps, learning
from tb_featuremap_plugin.diagnosis.phrases import names, number, percent, times
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView, VariableView

AGAINST = -0.5
"""Median cosine between an update and the one before. 95 % of 94 runs that learn stay above -0.25, the lowest is -0.43."""

DETOUR = 10.0
"""Path over displacement. A random walk of n steps has the root of n; steps that undo each other have about n."""

LARGE_STEP = 1e-3
"""Update ratio below which going to and fro harms nothing: it is how a run at its minimum looks."""


def is_thrashing(view: RunView, variable: VariableView) -> bool:
    """Whether a variable goes to and fro in large steps and gets nowhere."""
    row, window = variable.row, judged_steps(view, variable.row)
    against = enough(row("cosine")[window]) and row.median("cosine", window) < AGAINST
    return against and row.median("update_ratio", window) > LARGE_STEP and _detour(view, variable) > DETOUR


def _detour(view: RunView, variable: VariableView) -> float:
    steps = view.last_step - variable.first_step
    path = variable.row.median("update_norm", judged_steps(view, variable.row)) * steps
    displacement = variable.row.last("displacement")
    return float(path / displacement) if displacement > 0 else 0.0


def check(view: RunView) -> Iterable[Finding]:
    """Reports kernels that thrash, in one finding; only a run that is stuck suffers from it."""
    thrashing = [kernel for kernel in view.kernels if is_thrashing(view, kernel)]
    if not thrashing:
        return
    first = thrashing[0]
    window = judged_steps(view, first.row)
    cosine, ratio = first.row.median("cosine", window), first.row.median("update_ratio", window)
    yield Finding(
        rule="thrashing_weights",
        severity=WARNING if learning(view).level == STUCK else INFO,
        target=first.name,
        target_kind="variable",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"{first.name} goes to and fro",
        message=(
            f"From the start, updates of {names([kernel.name for kernel in thrashing])} mostly undo the one before (their directions "
            f"have a cosine of {number(cosine)}; 1 is the same way, -1 the opposite). "
            f"Each moves {percent(ratio)} of the weights' size, and all together their way is {times(_detour(view, first))} as long as "
            "the distance covered. "
            "The steps leap over the minimum and back."
        ),
        evidence={"cosine": cosine, "update_ratio": ratio, "path_over_displacement": _detour(view, first), "healthy_min": -0.43},
        advice=("Divide the learning rate by 3 to 10", "Use a larger batch, or less momentum"),
        chart=chart("variables", first.name, "cosine"),
    )


RULE = Rule(
    "thrashing_weights",
    check,
    Doc(
        says="successive updates undo each other",
        condition="median cosine below -0.5, steps above 1e-3, way over 10 times the distance; a warning in a stuck run only",
        usual="above -0.25, lowest -0.43",
    ),
)
