"""A trainable kernel that does not move."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tb_featuremap_plugin.diagnosis.findings import ERROR, INFO, WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import EARLY, LEARNED, LEARNING, enough, judged_steps, learning
from tb_featuremap_plugin.diagnosis.phrases import names, number
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView, VariableView
from tb_featuremap_plugin.schema.answers import Severity

STILL = 1e-7
"""Median update-to-weight ratio of single steps. The slowest kernels of 94 runs that learn stay above 4.9e-4; float32 cannot
hold steps much below 6e-8 of a weight."""


def _never(view: RunView, calls: int) -> Finding:
    return Finding(
        rule="unchanged_weights",
        severity=ERROR,
        target=view.kernels[-1].name,
        target_kind="variable",
        first_step=view.steps[0],
        last_step=view.last_step,
        title="No update was ever made",
        message=(
            f"From the start there were {calls:,} calls that should each have followed an update, gradients were there, and no optimizer "
            "that holds the model's parameters made a step. No weight has moved."
        ),
        evidence={"calls_without_update": calls},
        advice=(
            "Call optimizer.step() after loss.backward()",
            "Check that the optimizer was made of the parameters of this model, after it was built, moved or loaded",
        ),
        chart=chart("losses", "", "loss"),
    )


_LEAST_NORM = 1e-8


def check(view: RunView) -> Iterable[Finding]:
    """Reports kernels that stand still, the last in depth first: what stops it lies at or behind it."""
    loop = view.record.loop_facts
    if loop is not None and loop.calls_without_update > 0 and view.kernels:
        yield _never(view, loop.calls_without_update)
        return
    still = [kernel for kernel in view.kernels if _is_still(view, kernel)]
    level = learning(view).level
    if level == EARLY:
        return
    never = [kernel for kernel in still if _never_moved(kernel)]
    if level == LEARNED and not never:
        return
    if still:
        yield _finding(view, still, INFO if level in (LEARNED, LEARNING) and _are_unused(view, still) else _severity(level, never))


def _are_unused(view: RunView, still: list[VariableView]) -> bool:
    """Whether each is a part of a layer that the answer does not need: no gradient comes, and the layer's other kernels move.

    So it is with the way back of a recurrent layer of which only the last step is read.
    """
    moving = {kernel.layer.name for kernel in view.kernels if kernel.layer and kernel.row.last("displacement") > 0}
    return all(kernel.layer and kernel.layer.name in moving and kernel.row.peak("gradient_norm") == 0 for kernel in still)


def _is_still(view: RunView, kernel: VariableView) -> bool:
    window = judged_steps(view, kernel.row)
    stands = enough(kernel.row("update_ratio")[window]) and kernel.row.median("update_ratio", window) < STILL
    return stands and not _moves_at_times(view, kernel)


def _moves_at_times(view: RunView, kernel: VariableView) -> bool:
    """Whether it still gets anywhere: with gradients accumulated over batches most single steps change nothing."""
    row = kernel.row
    late = row("displacement")[row.steps >= view.last_step / 2]
    known = late[~np.isnan(late)]
    return len(known) > 1 and float(np.ptp(known)) > STILL * max(row.last("initial_norm"), _LEAST_NORM)


def _never_moved(kernel: VariableView) -> bool:
    return kernel.row.last("displacement") == 0 and kernel.row.peak("changed") == 0


def _severity(level: str, never: list[VariableView]) -> Severity:
    if level == LEARNED:
        return WARNING
    if level == LEARNING:
        return WARNING if never else INFO
    return ERROR


def _finding(view: RunView, still: list[VariableView], severity: Severity) -> Finding:
    worst = still[-1]
    ratio = worst.row.median("update_ratio", judged_steps(view, worst.row))
    gradient = worst.row.last("gradient_norm", len(view.steps))
    seen = {True: "no gradient reaches it", False: f"its gradient has a norm of {number(gradient)}"}[gradient == 0] if gradient >= 0 else ""
    why, advice = _reason(view, still, gradient)
    return Finding(
        rule="unchanged_weights",
        severity=severity,
        target=worst.name,
        target_kind="variable",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"{worst.name} does not change",
        message=(
            f"{names([kernel.name for kernel in still])} {'is' if len(still) == 1 else 'are'} trainable but {_how_still(still, ratio)} "
            "since the start"
            f"{'; ' + seen if seen else ''}. {why}"
        ),
        evidence={"update_ratio": ratio, "healthy_min": 4.9e-4, "gradient_norm": gradient, "variables": [kernel.name for kernel in still]},
        advice=(*advice, "If it stands still on purpose, freeze it: requires_grad_(False), or trainable = False"),
        chart=chart("variables", worst.name, "update_ratio"),
    )


def _reason(view: RunView, still: list[VariableView], gradient: float) -> tuple[str, tuple[str, ...]]:
    """What keeps kernels where they are, and what to do about it."""
    if all(kernel.name in view.record.not_optimized for kernel in still):
        return "The optimizer does not have them: it changes only the parameters that it was made with.", (
            "Make the optimizer of model.parameters() after the last layer was added or replaced",
        )
    if gradient > 0 and len(still) == len(view.kernels):
        return "A gradient arrives, and nothing is done with it.", (
            "Call optimizer.step() after loss.backward()",
            "Check that the learning rate is not 0, and that the optimizer was made of this model's parameters",
        )
    if gradient > 0:
        return "A gradient arrives, and nothing is done with it.", (
            "Give the optimizer these parameters: it was made without them, or before they were replaced",
            "Check the learning rate of their group",
        )
    if gradient == 0 and _are_unused(view, still):
        return "Other weights of the same layer move, so the answer does not depend on these.", (
            "Check that all of the layer's output is used: of a two-way recurrent layer, the last step holds one step of the way back",
        )
    return "What does not move cannot learn.", (
        "Look at the layers behind it: dead units, a constant output, detach(), no_grad() or stop_gradient stop every gradient",
        "Check that the optimizer was given this variable, and that the learning rate is not 0",
    )


def _how_still(still: list[VariableView], ratio: float) -> str:
    verb = "has" if len(still) == 1 else "have"
    if all(_never_moved(kernel) for kernel in still):
        return f"{verb} not moved by a single bit"
    return f"{'moves' if len(still) == 1 else 'move'} by {number(ratio)} of {'its' if len(still) == 1 else 'their'} size a step"


RULE = Rule(
    "unchanged_weights",
    check,
    Doc(
        says="a trainable kernel does not move",
        condition="median update ratio below 1e-7; a note where other kernels of the same layer move and no gradient comes",
        usual="above 4.9e-4",
    ),
)
