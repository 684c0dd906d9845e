"""A layer is marked as frozen, and its weights move."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.phrases import names, percent, since
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import Curve, RunView, VariableView


def check(view: RunView) -> Iterable[Finding]:
    """Reports weights (not moving statistics) of frozen layers that changed at all."""
    moving = [variable for variable in view.variables if _is_frozen(variable) and (_way_while_frozen(variable) > 0).any()]
    moving = [variable for variable in moving if not _trained_in_turns(variable) and not _follows(view, variable)]
    if not moving:
        return
    first = moving[0]
    way = _way_while_frozen(first)
    moved = float(np.nanmax(way)) / max(first.row.last("initial_norm"), 1e-30)
    start = int(first.row.steps[way > 0][0])
    yield Finding(
        rule="frozen_but_moving",
        severity=WARNING,
        target=first.name,
        target_kind="variable",
        first_step=start,
        last_step=view.last_step,
        title=f"{first.name} is frozen but moves",
        message=(
            f"{names([variable.name for variable in moving])} belong to a layer that is marked as not trainable, and yet they changed "
            f"{since(start)}, by up to {percent(moved)} of their size. "
            "Either the optimizer still updates them (it was built before the layer was frozen, or applies weight decay to everything), "
            "or something writes into them."
        ),
        evidence={"moved_since_start": moved, "variables": [variable.name for variable in moving]},
        advice=("Freeze the layer before compiling the model or building the optimizer", "Give the optimizer only the trainable variables"),
        chart=chart("variables", first.name, "displacement", healthy=(0.0, 0.0)),
    )


def _is_frozen(variable: VariableView) -> bool:
    if variable.layer is None or variable.is_state:
        return False
    return not variable.layer.info.trainable or variable.name in variable.layer.info.frozen


def _trained_in_turns(variable: VariableView) -> bool:
    """Whether it gets a new gradient at each step: it is frozen only while another network is trained.

    What an optimizer still applies to a variable that was frozen is the gradient of before, the same again and again.
    """
    norms = variable.row("gradient_norm")
    known = norms[~np.isnan(norms)]
    return len(known) > 1 and bool(known[-1] > 0) and len(np.unique(known[1:])) > len(known) // 2


def _follows(view: RunView, variable: VariableView) -> bool:
    """Whether it is the slow copy of another variable: no gradient reaches it, and one that is trained has its shape and ending."""
    if variable.row.peak("gradient_norm") > 0:
        return False
    ending = _ending(variable.name)
    return any(other.trainable and other.shape == variable.shape and _ending(other.name) == ending for other in view.variables)


def _ending(name: str) -> str:
    """A name without its first part, which tells teacher from student: "0.weight" of "teacher.0.weight"."""
    return name.replace("/", ".").partition(".")[2] or name


def _way_while_frozen(variable: VariableView) -> Curve:
    """How far from where it was when it was frozen, at each step [T]: what it did before, in an earlier training, is its right."""
    displacement, trainable = variable.row("displacement"), variable.row("trainable") > 0
    frozen = np.where(trainable, np.nan, displacement)
    known = frozen[~np.isnan(frozen)]
    start = known[0] if trainable.any() and len(known) else 0.0
    way: Curve = np.abs(frozen - start)
    return way


RULE = Rule(
    "frozen_but_moving",
    check,
    Doc(
        says="a layer marked as not trainable changes",
        condition="any weight of it moved at all",
        usual="no movement",
    ),
    is_consequence=False,
)
