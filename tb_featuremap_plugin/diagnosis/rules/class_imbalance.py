"""Most labels are the same, and the model has learned no more than that."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import has_stopped, learning
from tb_featuremap_plugin.diagnosis.phrases import number
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView
from tb_featuremap_plugin.schema.losses import BINARY

UNEVEN = 0.7
"""Entropy of the labels over that of classes of equal size, below which they are uneven: two classes of 81 % and 19 %."""

LONG = 100
"""Updates after which a run should know more than how frequent each class is."""

NEAR = 0.1
"""Share by which the loss may differ from the entropy of the labels."""


def check(view: RunView) -> Iterable[Finding]:
    """Compares the loss with the entropy of the labels."""
    output, gate = view.output, learning(view)
    if output is None or not view.loss.is_cross_entropy or gate.updates < LONG or not has_stopped(view) or gate.end >= gate.start:
        return
    classes = 2.0 if view.loss.family == BINARY else output.row.last("units")
    even = math.log(classes) if classes > 1 else math.nan
    entropy = view.chance_loss
    if entropy < UNEVEN * even and abs(gate.end - entropy) < NEAR * entropy:
        yield _finding(view, output.name, gate.end, entropy, even)


def _finding(view: RunView, output: str, loss: float, entropy: float, even: float) -> Finding:
    return Finding(
        rule="class_imbalance",
        severity=WARNING,
        target=output,
        target_kind="layer",
        first_step=view.steps[0],
        last_step=view.last_step,
        title="It has learned how frequent each class is, and no more",
        message=(
            f"Most labels are of one class: knowing nothing but how frequent each is gives a loss of about {number(entropy)} (classes of "
            f"equal size: {number(even)}). The loss has come to {number(loss)} since the start and stays there, so the model gives the "
            "frequent class as its answer to everything. A high accuracy hides that."
        ),
        evidence={"latest_loss": loss, "entropy": entropy, "entropy_of_equal_classes": even},
        advice=(
            "Weigh the classes: class_weight in fit, weight= or pos_weight= in torch's losses",
            "Or draw batches with as many of each class (WeightedRandomSampler)",
            "Look at recall and precision of each class, not at accuracy",
        ),
        chart=chart("losses", "", "loss", healthy=(None, entropy)),
    )


RULE = Rule(
    "class_imbalance",
    check,
    Doc(
        says="most labels are of one class, and the model has learned no more than that",
        condition="entropy of the labels below 0.7 of that of equal classes, and after 100 updates a loss within 10 % of it that falls no"
        " longer",
    ),
)
