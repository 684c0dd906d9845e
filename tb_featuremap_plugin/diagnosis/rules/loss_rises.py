"""The loss ends far above where it was."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import learning
from tb_featuremap_plugin.diagnosis.phrases import number, step, times
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView
from tb_featuremap_plugin.schema.losses import OTHER

RISEN = 2.0
"""Latest tenth of the losses over their lowest tenth, from which on they rise."""

HIGH = 0.75
"""And over the first losses: a loss that has become tiny may double."""

MIN_LOSSES = 60
_PARTS = 10


def check(view: RunView) -> Iterable[Finding]:
    """Compares tenths of the losses. What a loss that is not known means, or one without targets (as in a GAN), is not judged."""
    steps, losses = view.loss_curve
    known = view.loss.family not in (None, OTHER) and bool(view.targets.logged("mean").any())
    if not known or len(losses) < MIN_LOSSES or not np.all(np.isfinite(losses)):
        return
    means = np.array([float(np.mean(part)) for part in np.array_split(losses, _PARTS)])
    lowest, gate = float(means.min()), learning(view)
    if not lowest > 0 or not means[-1] > RISEN * lowest or not means[-1] > HIGH * gate.start:
        return
    at = int(steps[len(steps) * int(means.argmin()) // _PARTS])
    yield Finding(
        rule="loss_rises",
        severity=WARNING,
        target=view.title,
        target_kind="run",
        first_step=at,
        last_step=view.last_step,
        title="The loss rises",
        message=(
            f"The loss was at its lowest around {step(at)}, {number(lowest)}, and is {times(float(means[-1]) / lowest)} as high by now "
            f"({number(float(means[-1]))}; at the start {number(gate.start)}). What was learned is being lost."
        ),
        evidence={"lowest_losses": lowest, "latest_losses": float(means[-1]), "first_losses": gate.start},
        advice=(
            "Divide the learning rate by 3 to 10, or let it fall from where the loss was lowest",
            "Check the sign of the loss, and whether the data change on the way",
        ),
        chart=chart("losses", "", "loss"),
    )


RULE = Rule(
    "loss_rises",
    check,
    Doc(
        says="the loss rises again, or from the start",
        condition="after 60 losses, the latest tenth above twice the lowest tenth and above 0.75 of the first losses",
        usual="it falls, or stays low",
    ),
)
