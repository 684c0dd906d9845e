"""Targets of a regression that are so large that the output does not get there."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import EARLY, learning
from tb_featuremap_plugin.diagnosis.phrases import number
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView
from tb_featuremap_plugin.schema.losses import REGRESSION

LARGE = 100.0
"""Mean or spread of the targets from which on their size is blamed for an output that stays away from them. An output layer starts with
answers of about 1, and Adam with its usual rate moves them by about 1e-3 of the inputs' sum a step."""


def check(view: RunView) -> Iterable[Finding]:
    """Compares what the output gives with where the targets lie, in a run that hardly learns."""
    output, gate = view.output, learning(view)
    if output is None or view.loss.family not in REGRESSION or gate.level == EARLY or not gate.is_poor:
        return
    mean, spread = view.targets.last("mean"), view.targets.last("std")
    answers = output.row.last("mean")
    if not max(abs(mean), spread) > LARGE or not abs(answers - mean) > spread:
        return
    yield Finding(
        rule="unscaled_targets",
        severity=WARNING,
        target=output.name,
        target_kind="layer",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"The targets are around {number(mean)}, the answers around {number(answers)}",
        message=(
            f"The targets have a mean of {number(mean)} and a spread (standard deviation) of {number(spread)}; from the start to step "
            f"{view.last_step:,} the answers of `{output.name}` have come to a mean of {number(answers)}. An output starts with answers of "
            "about 1, and usual steps take very long to carry it that far, while gradients of that size throw the other layers about."
        ),
        evidence={"target_mean": mean, "target_std": spread, "answer_mean": answers},
        advice=(
            "Scale the targets: subtract their mean and divide by their standard deviation, and turn the answers back afterwards",
            "Or start the bias of the last layer at the targets' mean, and compare logarithms of targets that are positive",
        ),
        chart=chart("layers", output.name, "mean"),
    )


RULE = Rule(
    "unscaled_targets",
    check,
    Doc(
        says="targets of a regression that the output does not get to",
        condition="mean or spread of the targets above 100, and answers further from them than their spread, in a run that hardly learns",
    ),
)
