"""The validation loss rises while the training loss goes on falling: what is learned now holds for the training data alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.phrases import number, percent, step
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import Curve, RunView, median

RISEN = 1.2
"""Median of the latest validation losses over the lowest one. Losses of a few hundred samples vary by a tenth."""

LEAST_RISEN = 1.1
"""And the least of the latest ones: not one of them is as good as the lowest again."""

FALLEN = 0.8
"""Training loss of now over that of the lowest validation loss: where it rises too, or stands still, something else is wrong."""

MIN_VALIDATIONS = 5
_LATEST = 3
_WINDOW = 0.1


def check(view: RunView) -> Iterable[Finding]:
    """Compares the validation losses with the lowest of them, and the training losses of both times."""
    steps, losses = _validations(view)
    if len(losses) < MIN_VALIDATIONS or not np.all(np.isfinite(losses)):
        return
    lowest, at = view.progress.last("lowest_validation_loss"), view.progress.last("lowest_validation_step")
    latest = losses[-_LATEST:]
    if not lowest > 0 or not at < steps[-_LATEST] or not median(latest) > RISEN * lowest or not latest.min() > LEAST_RISEN * lowest:
        return
    then, now = _training_loss(view, at), _training_loss(view, float(steps[-1]))
    if not 0 < now < FALLEN * then or not now < median(latest):
        return
    yield _finding(view, int(at), lowest, median(latest), then, now)


def _finding(view: RunView, at: int, lowest: float, latest: float, then: float, now: float) -> Finding:
    return Finding(
        rule="overfitting",
        severity=WARNING,
        target=view.title,
        target_kind="run",
        first_step=at,
        last_step=view.last_step,
        title="It learns the training data by heart",
        message=(
            f"The validation loss was lowest at {step(at)}, {number(lowest)}. It is {percent(latest / lowest - 1)} higher by now "
            f"({number(latest)}), while the training loss fell from {number(then)} to {number(now)}. What it has learned since holds "
            "for the training data only."
        ),
        evidence={"lowest_validation_loss": lowest, "validation_loss": latest, "loss_then": then, "loss_now": now},
        advice=(_best_weights(view, at), "Train on more data, or vary them at random (crops, flips, noise)", _regularise(view)),
        chart=chart("losses", "", "loss"),
    )


def _best_weights(view: RunView, at: int) -> str:
    if "keras" in view.record.versions and "torch" not in view.record.versions:
        return f'Keep the weights of {step(at)}: keras.callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True)'
    return f"Keep the weights of {step(at)}: save them whenever the validation loss is the lowest so far, and use those"


def _regularise(view: RunView) -> str:
    decays = bool(view.record.weight_decay)
    return f"Hold it back: dropout before the last layer, {'a stronger' if decays else 'a'} weight decay, or fewer channels"


def _validations(view: RunView) -> tuple[Curve, Curve]:
    """Steps and validation losses, each once; between two records only the latest is known."""
    steps, losses = view.progress("validation_step"), view.progress("validation_loss")
    known = ~np.isnan(steps)
    distinct, first = np.unique(steps[known], return_index=True)
    return distinct, losses[known][first]


def _training_loss(view: RunView, at: float) -> float:
    """The median of the losses of the tenth of the run that ends with a step; NaN if none is known."""
    steps, losses = view.loss_curve
    if not len(steps):
        return float("nan")
    width = max(_WINDOW * float(steps[-1] - steps[0]), 1.0)
    inside = losses[(steps <= at) & (steps > at - width)]
    return median(inside) if len(inside) and bool(np.all(np.isfinite(inside))) else float("nan")


RULE = Rule(
    "overfitting",
    check,
    Doc(
        says="the validation loss rises while the training loss falls",
        condition="after 5 validations, median of the latest three above 1.2 times the lowest and all three above 1.1 times, with a"
        " training loss below 0.8 of what it was then; needs validation losses (Keras' `val_loss`, `watcher.validate(loss)`)",
        usual="it falls, or stays level",
    ),
    is_consequence=False,
)
