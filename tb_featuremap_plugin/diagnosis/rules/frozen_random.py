"""Layers are frozen as they were initialised, so that nothing is ever learned in them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.initial_scale import glorot_std
from tb_featuremap_plugin.diagnosis.learning_progress import EARLY, LEARNED, learning
from tb_featuremap_plugin.diagnosis.phrases import names
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView, VariableView

FILLED = 0.97
"""Of a uniform distribution's range, the least that the extremes of MANY entries fill: 0.94 has a chance of less than 1e-3."""

MANY = 256
_ROUNDING = 1e-5


def check(view: RunView) -> Iterable[Finding]:
    """Looks whether frozen kernels fill exactly the range from which torch and Keras draw them."""
    frozen = [variable for variable in view.variables if _is_frozen_kernel(variable)]
    fresh = [kernel for kernel in frozen if _is_fresh(kernel)]
    gate = learning(view)
    if not fresh or len(fresh) < len(frozen) or gate.level in (LEARNED, EARLY) or not view.kernels:
        return
    first = fresh[0]
    yield Finding(
        rule="frozen_random",
        severity=WARNING,
        target=first.layer.name if first.layer else first.name,
        target_kind="layer" if first.layer else "variable",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"{names([kernel.name for kernel in fresh]).replace('`', '')} {'is' if len(fresh) == 1 else 'are'} frozen at random",
        message=(
            f"{names([kernel.name for kernel in fresh])} {'is' if len(fresh) == 1 else 'are'} marked as not trainable, and fill exactly "
            "the range from which such weights are drawn at the start: no training has ever changed them. What comes after them has to "
            "make do with random features."
        ),
        evidence={"min": first.row.first("min"), "max": first.row.first("max"), "variables": [kernel.name for kernel in fresh]},
        advice=(
            "Load the trained weights before the layers are frozen, and check that all of them were found (strict=True)",
            "Or let them train: requires_grad_(True), or trainable = True",
        ),
        chart=chart("variables", first.name, "std"),
    )


def _is_frozen_kernel(variable: VariableView) -> bool:
    """Of a layer that the signal passes: copies that are kept beside it, such as a teacher, are not."""
    used = variable.layer is not None and variable.layer.depth >= 0
    return used and variable.is_kernel and not variable.trainable and variable.row.first("size") >= MANY


def _is_fresh(kernel: VariableView) -> bool:
    if kernel.row.peak("displacement") > 0:
        return False
    fan_in, fan_out = kernel.row.first("fan_in"), kernel.row.first("fan_out")
    if not 0 < fan_in < math.inf or not 0 < fan_out < math.inf:
        return False
    ends = (-kernel.row.first("min"), kernel.row.first("max"))
    ranges = (1 / math.sqrt(fan_in), math.sqrt(3) * glorot_std(fan_in, fan_out), math.sqrt(6 / fan_in))
    return any(all(FILLED * end < found <= (1 + _ROUNDING) * end for found in ends) for end in ranges)


RULE = Rule(
    "frozen_random",
    check,
    Doc(
        says="layers are frozen as they were initialised",
        condition="all frozen kernels of 256 weights or more fill 97 % of the range of torch's or Keras' uniform start and never leave it,"
        " in a run that has not learned",
        usual="trained weights leave that range",
    ),
)
