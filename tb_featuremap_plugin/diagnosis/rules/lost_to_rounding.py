"""Updates that are too small for the variable's dtype to hold: weight plus update is the weight again."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import INFO, WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import LEARNED, enough, judged_steps, learning
from tb_featuremap_plugin.diagnosis.phrases import names, number, percent
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView, VariableView

MOST = 0.5
"""Share of the entries with a gradient that a step leaves bitwise as they were. In float32 runs that learn it stays below 0.01."""

COARSE = 1e-4
"""Spacing at 1 from which on a dtype is too coarse for training by itself: float16 has 9.8e-4, bfloat16 7.8e-3, float32 1.2e-7."""

NO_GRADIENT = 1e-10
"""Mean absolute gradient below which, in float32, it is the gradient that is missing and not the precision. Where nothing at all
changes in float32, no step was made: the learning rate is 0, or the optimizer does not know the variable."""

NEAR = 1000
"""Size of the steps over the dtype's spacing from which on, in float32, it is not the precision that holds entries still: the loop itself
does, by clipping weights, pruning or masks."""


def is_rounded(view: RunView, variable: VariableView) -> bool:
    """Whether most of a variable's updates are lost to rounding."""
    window = judged_steps(view, variable.row)
    lost = variable.row("lost")[window]
    if not enough(lost) or not variable.row.median("lost", window) > MOST:
        return False
    if view.progress.last("learning_rate") == 0:
        return False
    coarse = variable.row.first("epsilon") > COARSE
    tiny = variable.row.median("update_ratio", window) < NEAR * variable.row.first("epsilon")
    partly = tiny and variable.row.median("changed", window) > 0 and variable.row.median("gradient_mean_abs", window) > NO_GRADIENT
    return coarse or partly


def check(view: RunView) -> Iterable[Finding]:
    """Reports all kernels whose updates are mostly lost, in one finding."""
    rounded = [kernel for kernel in view.kernels if is_rounded(view, kernel)]
    if not rounded:
        return
    first = rounded[0]
    lost = first.row.median("lost", judged_steps(view, first.row))
    dtype = view.record.variable_dtypes.get(first.name, "its number type")
    yield Finding(
        rule="lost_to_rounding",
        severity=INFO if learning(view).level == LEARNED and first.row.first("epsilon") < COARSE else WARNING,
        target=first.name,
        target_kind="variable",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"Updates of {first.name} are lost to rounding",
        message=(
            f"From the start, {percent(lost)} of the entries of {names([kernel.name for kernel in rounded])} that have a gradient stay "
            "exactly as they were in a step: "
            f"the update is smaller than the distance to the next number that {dtype} can hold ({number(first.row.first('epsilon'))} of "
            "a weight). Such updates are not saved up; they are gone."
        ),
        evidence={
            "lost": lost,
            "epsilon": first.row.first("epsilon"),
            "healthy_max": 0.01,
            "variables": [kernel.name for kernel in rounded],
        },
        advice=(
            "Keep the weights in float32 and compute in half precision (mixed precision)",
            "Raise the learning rate, or use stochastic rounding",
        ),
        chart=chart("variables", first.name, "lost"),
    )


RULE = Rule(
    "lost_to_rounding",
    check,
    Doc(
        says="updates too small for the variable's dtype to hold",
        condition="over half of the entries with a gradient stay bitwise as they were, in float16 or bfloat16, or in float32 "
        "where steps are below 1,000 times its spacing, while others change",
        usual="below 1 %",
    ),
)
