"""The output layer starts as a copy of the embedding, and the two drift apart."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.phrases import percent, since
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView, VariableView
from tb_featuremap_plugin.schema.layer_kinds import EMBEDDING

SAME = 1e-6
"""Relative difference of two statistics of float32 values that are the same."""

_STATISTICS = ("norm", "mean", "min", "max")


def check(view: RunView) -> Iterable[Finding]:
    """Compares the embedding with the output's kernel, where both have the same shape, one way or the other."""
    output = view.output
    head = view.kernel_of(output) if output else None
    if head is None or not head.trainable or not head.start_is_known:
        return
    tables = [variable for variable in view.variables if _is_table(variable)]
    for table in tables:
        at = _parting(table, head) if _fits(table, head) else None
        if at is not None:
            yield _finding(view, table, head, at)
            return


def _is_table(variable: VariableView) -> bool:
    return variable.layer is not None and variable.layer.family == EMBEDDING and variable.trainable


def _fits(table: VariableView, head: VariableView) -> bool:
    shape = table.shape or ()
    return len(shape) == 2 and head.shape in (shape, shape[::-1])  # rows and columns


def _parting(table: VariableView, head: VariableView) -> int | None:
    """Index of the first step at which two variables that started equal differ; None if they did not start equal or never differ."""
    if len(table.row.steps) != len(head.row.steps) or not _equal(table, head, 0):
        return None
    return next((at for at in range(1, len(table.row.steps)) if not _equal(table, head, at)), None)


def _equal(one: VariableView, other: VariableView, at: int) -> bool:
    pairs = [(float(one.row(name)[at]), float(other.row(name)[at])) for name in _STATISTICS]
    return all(math.isclose(a, b, rel_tol=SAME, abs_tol=SAME * abs(pairs[0][0])) for a, b in pairs) and pairs[0][0] > 0


def _finding(view: RunView, table: VariableView, head: VariableView, at: int) -> Finding:
    step = int(table.row.steps[at])
    apart = abs(table.row.last("norm") - head.row.last("norm")) / table.row.last("norm")
    layer = head.layer.name if head.layer else head.name
    return Finding(
        rule="tying_broken",
        severity=WARNING,
        target=layer,
        target_kind="layer" if head.layer else "variable",
        first_step=step,
        last_step=view.last_step,
        title=f"{layer} and the embedding started as one and drift apart",
        message=(
            f"`{head.name}` and `{table.name}` held the same numbers at the start, as tied weights do, and have differed {since(step)} "
            f"(their norms by {percent(apart)} now). So they are copies: each is trained by itself, with twice the weights that a "
            "tied pair has."
        ),
        evidence={"difference_of_norms": apart, "variables": [table.name, head.name]},
        advice=(
            "Assign the parameter itself, not its values: head.weight = embedding.weight",
            "Tie again after weights were loaded or the model was moved or copied",
        ),
        chart=chart("variables", head.name, "norm"),
    )


RULE = Rule(
    "tying_broken",
    check,
    Doc(
        says="the output layer starts as a copy of the embedding, and the two drift apart",
        condition="norm, mean and extremes equal at the start to 1e-6, and different later",
        usual="tied weights are one variable",
    ),
    is_consequence=False,
)
