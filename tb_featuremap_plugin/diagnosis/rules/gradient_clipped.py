"""Gradients are clipped to so little that plain gradient descent gets nowhere."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import EARLY, learning
from tb_featuremap_plugin.diagnosis.phrases import number
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import Curve, RunView
from tb_featuremap_plugin.schema.activations import bare

SMALL = 0.05
"""Norm of all gradients together, to which clipping takes too much. Published recipes clip to 0.1 and more."""

EVEN = 1e-3
"""Spread of that norm over its mean: gradients that are clipped at every step all have the same norm."""

_ENOUGH = 5


def check(view: RunView) -> Iterable[Finding]:
    """Judges the norm of all gradients together, in a run that hardly learns with an optimizer that takes them as they are."""
    gate = learning(view)
    if gate.level == EARLY or not gate.is_poor or not bare(view.record.optimizer).startswith(("sgd", "momentum", "nesterov")):
        return
    norms = _total(view)
    if len(norms) < _ENOUGH or not 0 < norms.mean() < SMALL or not norms.std() < EVEN * norms.mean():
        return
    kernel = view.kernels[-1]
    yield Finding(
        rule="gradient_clipped",
        severity=WARNING,
        target=view.title,
        target_kind="run",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"Every gradient is clipped to {number(float(norms.mean()))}",
        message=(
            f"From the start all gradients together have a norm of {number(float(norms.mean()))} at every step: they are clipped to that, "
            "always. Plain gradient descent multiplies them by the learning rate, so that little is left of each step, and the loss "
            "hardly falls."
        ),
        evidence={"norm": float(norms.mean()), "steps": len(norms)},
        advice=("Clip to a norm of 1 (clip_grad_norm_), which cuts off only what is unusual", "Or raise the learning rate as much"),
        chart=chart("variables", kernel.name, "gradient_norm"),
    )


def _total(view: RunView) -> Curve:
    """Norm of all gradients together at each step at which any is known, from the second update on."""
    rows = [variable.row for variable in view.variables if variable.trainable]
    if not any(kernel.row.last("displacement") > 0 for kernel in view.kernels):  # then gradients stay as they are
        return np.zeros(0)
    squares = np.array([row("gradient_norm") ** 2 for row in rows])
    known = ~np.all(np.isnan(squares), 0) & (rows[0].steps > 1)
    total: Curve = np.sqrt(np.nansum(squares[:, known], 0))
    return total


RULE = Rule(
    "gradient_clipped",
    check,
    Doc(
        says="gradients are clipped to next to nothing",
        condition="all gradients together have the same norm at every step, below 0.05, in a run that hardly learns by plain gradient"
        " descent",
    ),
)
