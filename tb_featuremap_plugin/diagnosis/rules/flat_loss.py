"""The loss does not fall, or rises."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import INFO, Finding
from tb_featuremap_plugin.diagnosis.gates import LEARNED, Learning, learning
from tb_featuremap_plugin.diagnosis.healthy import chart
from tb_featuremap_plugin.diagnosis.rule import Rule
from tb_featuremap_plugin.diagnosis.study import Study
from tb_featuremap_plugin.diagnosis.words import number, times

FLAT = 0.98
"""What is left of the first losses, at least, for a loss to be called flat."""

RISEN = 1.5
MIN_LOSSES = 60
"""Fewer losses than this say little."""


def check(study: Study) -> Iterable[Finding]:
    """Compares the latest losses with the first."""
    steps, losses = study.loss_curve
    gate = learning(study)
    if len(losses) < MIN_LOSSES or not gate.start > 0 or not gate.end >= FLAT * gate.start:
        return
    if gate.level == LEARNED and gate.end <= RISEN * gate.start:  # before this logdir began
        return
    yield Finding(
        rule="flat_loss",
        severity=INFO,
        target=study.run.title,
        target_kind="run",
        first_step=int(steps[0]),
        last_step=int(steps[-1]),
        title="The loss rises" if gate.end > RISEN * gate.start else "The loss does not fall",
        message=f"{_seen(gate, int(steps[-1]))} If nothing else was found, the statistics of layers and weights give no reason, and it "
        "may lie in the data.",
        evidence={"first_losses": gate.start, "latest_losses": gate.end},
        advice=(
            "Check that labels belong to their inputs, before and after shuffling",
            "Check that the loss fits the output",
            "Try to learn a single batch by heart: if that fails, it is not the data",
        ),
        chart=chart("losses", "", "loss", healthy=(None, FLAT * gate.start)),
    )


def _seen(gate: Learning, last: int) -> str:
    if gate.end > RISEN * gate.start:
        return f"After {last:,} steps the loss is {number(gate.end)}, {times(gate.end / gate.start)} its start ({number(gate.start)})."
    return f"After {last:,} steps the loss is {number(gate.end)}, and it was {number(gate.start)} at the start."


RULE = Rule("flat_loss", 90, check)
