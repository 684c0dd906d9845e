"""NaN or infinity in the loss, in what layers put out, in weights or in gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tb_featuremap_plugin.diagnosis.findings import ERROR, Finding
from tb_featuremap_plugin.diagnosis.phrases import number, step
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import Curve, LayerView, Row, RunView
from tb_featuremap_plugin.reading.run import Table
from tb_featuremap_plugin.schema.answers import TargetKind
from tb_featuremap_plugin.schema.columns import NONFINITE

MODEST = 1e4
"""Largest activation before the loss broke, up to which the layers are not blamed for it. Runs that learn stay below 100."""


@dataclass(frozen=True)
class _Place:
    """Where the first number broke: ordered by step, then by depth."""

    step: int
    depth: int
    target: str
    kind: TargetKind
    what: str
    count: float


def check(view: RunView) -> Iterable[Finding]:
    """Finds the first broken number, by step and then by depth: any at all, since none of 94 runs that learn has one."""
    places = sorted([*_in_layers(view), *_in_variables(view)], key=lambda place: (place.step, place.depth))
    loss_step = _first_broken_loss(view)
    if loss_step is not None and _loss_broke_by_itself(view, loss_step, places):
        yield _loss_finding(view, loss_step)
    elif places:
        yield _finding(view, places[0], loss_step)
    elif loss_step is not None:
        yield _loss_finding(view, loss_step)


def _in_layers(view: RunView) -> Iterator[_Place]:
    if not _any(view.run.layers, NONFINITE):
        return
    for layer in view.layers:
        count = _count(layer.row, NONFINITE)
        if count.any():
            at = int(np.argmax(count > 0))
            yield _Place(int(layer.row.steps[at]), 2 * layer.depth, layer.name, "layer", "`{0}` puts out {1} values that", float(count[at]))


def _in_variables(view: RunView) -> Iterator[_Place]:
    if not _any(view.run.variables, (*NONFINITE, "gradient_nonfinite")):
        return
    for variable in view.variables:
        depth = variable.layer.depth if variable.layer else len(view.layers)
        for columns, what in (
            (NONFINITE, "`{0}` has {1} weights that"),
            (("gradient_nonfinite",), "the gradient of `{0}` has {1} entries that"),
        ):
            count = _count(variable.row, columns)
            if count.any() and not _means_it(variable.row, count):
                at = int(np.argmax(count > 0))
                yield _Place(int(variable.row.steps[at]), 2 * depth + 1, variable.name, "variable", what, float(count[at]))


def _means_it(row: Row, count: Curve) -> bool:
    """Whether a variable that nobody trains held infinity from the start and never more of it: a mask, or an extremum not yet seen."""
    still = not np.any(np.nan_to_num(row("trainable")) > 0)
    return still and not np.any(np.nan_to_num(row("nan")) > 0) and bool(count[0] > 0 and count.max() <= count[0])


def _any(table: Table | None, columns: Iterable[str]) -> bool:
    """Whether any count in a whole table is above 0: mostly none is, and then no row need be looked at."""
    if table is None:
        return False
    positions = [table.columns.index(column) for column in columns if column in table.columns]
    return bool(np.any(table.values[:, :, positions] > 0))


def _count(row: Row, columns: Iterable[str]) -> Curve:
    total: Curve = np.sum([np.nan_to_num(row(column)) for column in columns], axis=0)
    return total


def _first_broken_loss(view: RunView) -> int | None:
    steps, losses = view.loss_curve
    broken = np.flatnonzero(~np.isfinite(losses))
    seen = [int(steps[broken[0]])] if len(broken) else []
    remembered = view.progress.last("first_nonfinite_loss_step")
    return min([*seen, *([int(remembered)] if math.isfinite(remembered) else [])], default=None)


def _loss_broke_by_itself(view: RunView, loss_step: int, places: list[_Place]) -> bool:
    """Whether every layer still had modest, finite values when the loss broke: then it was a log or a division inside the loss."""
    if places and places[0].step < loss_step:
        return False
    sizes = [_size_before(layer, loss_step) for layer in view.layers]
    steps, losses = view.loss_curve
    before = losses[steps < loss_step]
    calm = len(before) == 0 or bool(np.all(np.abs(before[np.isfinite(before)]) < MODEST))
    recent = max((int(s) for s in view.steps if s < loss_step), default=0)
    return calm and bool(sizes) and max(sizes) < MODEST and loss_step - recent <= max(_NEAR_STEPS, loss_step // 4)


_NEAR_STEPS = 10
"""Activations of at most this many steps before the loss broke (or a quarter of its step) count as "just before"."""


def _size_before(layer: LayerView, loss_step: int) -> float:
    earlier = layer.row.steps < loss_step
    sizes = np.fmax(np.abs(layer.row("max")[earlier]), np.abs(layer.row("min")[earlier]))
    known = sizes[~np.isnan(sizes)]
    return float(known[-1]) if len(known) else 0.0


def _loss_finding(view: RunView, loss_step: int) -> Finding:
    output = view.output
    kind: TargetKind = "layer" if output else "run"
    target = output.name if output else view.title
    return Finding(
        rule="non_finite",
        severity=ERROR,
        target=target,
        target_kind=kind,
        first_step=loss_step,
        last_step=view.last_step,
        title="The loss itself becomes NaN",
        message=(
            f"The loss is not a number from {step(loss_step)} on, while every layer still gave finite, modest values just before. "
            "So it broke inside the loss: most often the logarithm of a probability that had become exactly 0, or a division by 0. "
            "Everything after that step is lost."
        ),
        evidence={"first_nonfinite_loss_step": loss_step},
        advice=(
            "Use the framework's own cross-entropy on raw scores (logits) instead of log(softmax(x)) or log(sigmoid(x))",
            "If the loss is hand-written: clip probabilities to 1e-7 .. 1 - 1e-7 before the logarithm, add 1e-8 to denominators and "
            "under roots",
            "Divide the learning rate by 10",
        ),
        chart=chart("losses", "", "loss", log=True),
    )


def _finding(view: RunView, place: _Place, loss_step: int | None) -> Finding:
    loss = f" The loss is not a number from {step(loss_step)} on." if loss_step is not None else ""
    half = any(dtype == "float16" for dtype in view.record.variable_dtypes.values())
    return Finding(
        rule="non_finite",
        severity=ERROR,
        place="non_finite: overflow" if half else None,
        target=place.target,
        target_kind=place.kind,
        first_step=min(place.step, loss_step) if loss_step is not None else place.step,
        last_step=view.last_step,
        title=f"NaN or infinity at {place.target}",
        message=(
            f"At {step(place.step)}, {place.what.format(place.target, number(place.count))} are NaN or infinite; no layer before it "
            f"broke earlier.{loss} "
            "Such values spread to every weight within a step, and what comes after cannot be used. "
            f"{_OVERFLOW if half else _USUALLY}"
        ),
        evidence={"count": place.count, "step": place.step, "first_nonfinite_loss_step": loss_step},
        advice=(
            "Keep the weights in float32 and compute in half precision (torch.autocast, mixed_float16), or use bfloat16"
            if half
            else "Divide the learning rate by 10, or clip gradients to a norm of 1",
            "Scale the inputs to about -1..1, and regression targets to a spread of about 1",
            "Use the framework's own loss on raw scores (logits) instead of a logarithm of your own",
        ),
        chart=chart("layers" if place.kind == "layer" else "variables", place.target, "nan"),
    )


_OVERFLOW = "The weights are float16, which holds nothing above 65,504: sums and squares of moderate numbers are too large for it."
_USUALLY = "Usually the updates just before were far too large, or a logarithm or division met 0."


RULE = Rule(
    "non_finite",
    check,
    Doc(
        says="NaN or infinity: the first step, and the first layer of that step",
        condition="any, in outputs, weights, gradients or the loss",
        usual="infinity that a buffer had from the start, as masks and minima not yet seen have",
    ),
)
