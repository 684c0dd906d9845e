"""Dropout that leaves next to nothing of what a layer receives."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import ERROR, WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import EARLY, LEARNED, UNKNOWN, learning
from tb_featuremap_plugin.diagnosis.phrases import percent
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView
from tb_featuremap_plugin.schema.network import Layer

HIGH = 0.9
"""Rate from which on a run that hardly learns is laid to it. Srivastava et al. (JMLR 2014, section 7.3) found 0.2 to 0.6 to be best,
and networks that no longer fit the training data above that."""


def check(view: RunView) -> Iterable[Finding]:
    """Reports the highest rate of a run that hardly learns."""
    gate = learning(view)
    high = [(layer.rate, layer) for layer in view.record.layers if layer.rate is not None and "dropout" in (layer.kind or "")]
    if not high or gate.level in (LEARNED, EARLY, UNKNOWN) or not gate.is_poor or gate.beats_chance:
        return
    rate, layer = max(high, key=lambda pair: pair[0])
    if rate >= HIGH:
        yield _finding(view, layer, rate)


def _finding(view: RunView, layer: Layer, rate: float) -> Finding:
    left = "no number at all" if rate >= 1 else f"{percent(1 - rate)} of the numbers that it receives"
    return Finding(
        rule="dropout_too_high",
        severity=ERROR if rate >= 1 else WARNING,
        target=layer.name,
        target_kind="layer",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"{layer.name} drops too much",
        message=(
            f"From the start `{layer.name}` lets through {left} in training: its rate is {rate:g}, the share that is dropped, "
            "not the share that is kept. The loss has hardly fallen."
        ),
        evidence={"rate": rate},
        advice=(
            f"Use a rate of 0.2 to 0.5{f'; if {rate:g} was to be kept, write {1 - rate:.2g}' if rate < 1 else ''}",
            "Leave dropout out until the network fits the training data",
        ),
    )


RULE = Rule(
    "dropout_too_high",
    check,
    Doc(
        says="dropout leaves next to nothing",
        condition="a rate of 0.9 or more in a run that hardly learns; an error at 1",
        usual="0.2 to 0.5",
    ),
)
