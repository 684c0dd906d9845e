"""The model gives the same answer for every input."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from tb_featuremap_plugin.diagnosis.findings import ERROR, WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import EARLY, LEARNED, UNKNOWN, learning, stays
from tb_featuremap_plugin.diagnosis.phrases import number, percent, since
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import LayerView, Mask, RunView

CONSTANT = 1e-3
"""Input share of the output, throughout the second half of the run. 95 % of 94 runs that learn stay above 0.13, all above 0.04."""

TARGET_SHARE = 0.01
"""The output's spread over inputs must also be below this share of the targets' spread: targets of 500 +- 1 have a share of 0.002
by their nature."""


def check(view: RunView) -> Iterable[Finding]:
    """Judges the output layer over the second half of the run. Inputs that are all the same are no such case."""
    output, gate = view.output, learning(view)
    if output is None or view.inputs.last("constant_units") >= 1 or gate.level == EARLY or gate.beats_chance:
        return
    if gate.level == UNKNOWN and _is_undecided(output):
        return
    if gate.level == LEARNED and not view.targets.logged("mean").any():
        return  # the probe may be of one kind, as the real samples that a critic is shown
    if is_constant(view, output):
        yield _finding(view, output, _constant(view, output), output.row.logged("input_share"))


def is_constant(view: RunView, output: LayerView) -> bool:
    """Whether the output is the same for every probe input throughout the second half of the run."""
    late = output.row.logged("input_share") & (output.row.steps >= view.last_step / 2) & (output.row.steps > 0)
    return bool(late.any() and _constant(view, output)[late].all())


def _is_undecided(output: LayerView) -> bool:
    """Whether a squashed answer is about the one that says nothing, 1/2 or an equal share for each class.

    Without a loss that is no fault: so begins every network with small weights, and so ends a critic that cannot tell.
    """
    size, units = output.row.last("rms"), output.row.last("units")
    squashed = output.answers.name in ("sigmoid", "softmax")
    return squashed and any(abs(size - even) < _NEAR * even for even in (0.5, 1 / max(1.0, units)))


_NEAR = 0.1


def _constant(view: RunView, output: LayerView) -> Mask:
    share = output.row("input_share")
    spread = share * output.row("rms")
    target_spread = view.targets.last("std")
    limit = TARGET_SHARE * target_spread if target_spread > 0 else math.inf
    constant: Mask = (output.row("rms") == 0) | ((share < CONSTANT) & ~(spread > limit))
    return constant


def _finding(view: RunView, output: LayerView, constant: Mask, known: Mask) -> Finding:
    at = stays(constant, known)
    first = int(output.row.steps[at]) if at is not None else view.steps[0]
    share = output.row.last("input_share")
    _, losses = view.loss_curve
    finite = losses[np.isfinite(losses)]
    falls = len(finite) > 1 and finite[-1] < finite[0]
    loss = "The loss may fall all the same, down to" if falls else "The loss cannot fall below"
    return Finding(
        rule="constant_output",
        severity=WARNING if learning(view).level == UNKNOWN else ERROR,
        target=output.name,
        target_kind="layer",
        first_step=first,
        last_step=view.last_step,
        title="The model gives the same answer for every input",
        message=(
            f"Only {percent(share)} of what `{output.name}` puts out depends on the input {since(first)}: every probe input gets the "
            "same answer. "
            f"{loss} what the best constant answer gives"
            f"{_chance(view)}."
        ),
        evidence={"input_share": share, "healthy_min": 0.13},
        advice=(
            "Look for a layer before it that is dead, saturated or constant",
            "Divide the learning rate by 10 if it began during training; check initialisation and input scale if it was so from the start",
        ),
        chart=chart("layers", output.name, "input_share"),
    )


def _chance(view: RunView) -> str:
    return f" (here about {number(view.chance_loss)})" if math.isfinite(view.chance_loss) else ""


RULE = Rule(
    "constant_output",
    check,
    Doc(
        says="the model answers the same for every input",
        condition="input share of the output below 0.1 %, and its spread below 1 % of the targets', throughout the second half",
        usual="above 13 %, lowest 4 %",
    ),
)
