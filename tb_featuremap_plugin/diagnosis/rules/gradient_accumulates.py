"""Gradients are never cleared: every update is made of the sum of all gradients so far."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import ERROR, WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import LEARNED, learning
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView

MOST = 0.8
"""Share of the updates that were looked at. A loop that clears its gradients does so each time."""

FEWEST = 10


def check(view: RunView) -> Iterable[Finding]:
    """Judges what the logger saw of the loop."""
    facts = view.record.loop_facts
    if facts is None or facts.updates < FEWEST or facts.kept_gradients < MOST * facts.updates or not view.kernels:
        return
    kernel = view.kernels[-1]
    yield Finding(
        rule="gradient_accumulates",
        severity=WARNING if learning(view).level == LEARNED else ERROR,
        target=view.title,
        target_kind="run",
        first_step=view.steps[0],
        last_step=view.last_step,
        title="Gradients are not cleared between updates",
        message=(
            f"From the start, {facts.kept_gradients} of the first {facts.updates} updates were made with gradients that still held those "
            "of the update before: backward() adds to what is there. So every step repeats all earlier ones, the steps grow, and the loss "
            "swings up and down instead of falling."
        ),
        evidence={"updates": facts.updates, "kept_gradients": facts.kept_gradients},
        advice=("Call optimizer.zero_grad() before loss.backward(), once for each optimizer.step()",),
        chart=chart("variables", kernel.name, "gradient_norm"),
    )


RULE = Rule(
    "gradient_accumulates",
    check,
    Doc(
        says="gradients are not cleared between updates",
        condition="of the first 24 updates 80 % were made with gradients that held those of the update before; needs the logger of torch",
        usual="none",
    ),
    is_consequence=False,
)
