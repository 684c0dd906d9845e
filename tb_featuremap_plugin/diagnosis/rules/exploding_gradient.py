"""Gradients that are far larger than the loss explains."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import LEARNED, early, learning
from tb_featuremap_plugin.diagnosis.phrases import number
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView

LARGEST = 1e3
"""Median gradient norm of a kernel, per unit of a first loss above 1. Runs that learn stay below 113."""


def check(view: RunView) -> Iterable[Finding]:
    """Judges the kernel with the largest median gradient."""
    gate = learning(view)
    norms = [(kernel.row.median("gradient_norm", early(view, kernel.row)), kernel) for kernel in view.kernels]
    known = [(norm, kernel) for norm, kernel in norms if not math.isnan(norm)]
    if not known or gate.level == LEARNED:
        return
    norm, kernel = max(known, key=lambda pair: pair[0])
    scale = max(1.0, abs(gate.start)) if math.isfinite(gate.start) else 1.0
    if norm <= LARGEST * scale:
        return
    yield Finding(
        rule="exploding_gradient",
        severity=WARNING,
        target=kernel.name,
        target_kind="variable",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"The gradient of {kernel.name} is huge",
        message=(
            f"The gradient of `{kernel.name}` has a typical norm of {number(norm)} over the first half of the run; below about 100 is "
            "usual. "
            "With plain gradient descent such a step throws the weights away; other optimizers hide it until the loss jumps."
        ),
        evidence={"gradient_norm": norm, "first_loss": gate.start, "healthy_max": 113},
        advice=(
            "Clip gradients to a norm of 1",
            "Scale inputs and regression targets to a spread of about 1",
            "Use he_normal and BatchNorm",
        ),
        chart=chart("variables", kernel.name, "gradient_norm"),
    )


RULE = Rule(
    "exploding_gradient",
    check,
    Doc(
        says="gradients far larger than the loss explains",
        condition="median norm above 1000 times the first loss (or 1000)",
        usual="below 17, highest 113",
    ),
)
