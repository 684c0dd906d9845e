"""Training goes on in evaluation mode: batch normalisation uses moving statistics that nobody updates, dropout drops nothing."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import FEWEST
from tb_featuremap_plugin.diagnosis.phrases import names
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView, VariableView
from tb_featuremap_plugin.schema.layer_kinds import leaf_of

_MEANS = ("running_mean", "moving_mean")


def check(view: RunView) -> Iterable[Finding]:
    """Looks at the moving means of layers that are trained: all of them, still at the zeros that they start with."""
    facts = view.record.loop_facts
    if facts is not None and facts.updates > 0 and facts.evaluating == facts.updates:
        yield _seen(view, facts.updates)
        return
    means = [variable for variable in view.variables if leaf_of(variable.name) in _MEANS and _is_trained(view, variable)]
    if not means or view.last_step < FEWEST or not all(_never_moved(mean) for mean in means):
        return
    first = means[0]
    layers = [mean.layer.name for mean in means if mean.layer]
    yield Finding(
        rule="eval_mode_training",
        severity=WARNING,
        target=layers[0] if layers else first.name,
        target_kind="layer" if layers else "variable",
        first_step=view.steps[0],
        last_step=view.last_step,
        title="It is trained in evaluation mode",
        message=(
            f"The weights of {names(layers or [first.name])} change, but its moving statistics are still what they were at the start: "
            "mean 0 and variance 1. So the updates are made in evaluation mode, in which batch normalisation normalises nothing yet and "
            "dropout drops nothing."
        ),
        evidence={"displacement": first.row.last("displacement"), "variables": [mean.name for mean in means]},
        advice=_ADVICE,
        chart=chart("variables", first.name, "displacement"),
    )


def _seen(view: RunView, updates: int) -> Finding:
    return Finding(
        rule="eval_mode_training",
        severity=WARNING,
        target=view.title,
        target_kind="run",
        first_step=view.steps[0],
        last_step=view.last_step,
        title="It is trained in evaluation mode",
        message=(
            f"From the start, at all of the first {updates} updates, the model was in evaluation mode. There its batch normalisation uses "
            "moving statistics that nothing updates, and its dropout drops nothing."
        ),
        evidence={"updates": updates},
        advice=_ADVICE,
        chart=chart("losses", "", "loss"),
    )


_ADVICE = (
    "Call model.train() before the loop, and again after each evaluation, which calls model.eval()",
    "In Keras, call the model with training=True in your own loop",
)


def _is_trained(view: RunView, mean: VariableView) -> bool:
    layer = mean.layer
    if layer is None or not layer.info.trainable:
        return False
    weights = [variable for variable in view.variables if variable.name in layer.info.weights]
    return any(variable.trainable and variable.row.last("displacement") > 0 for variable in weights)


def _never_moved(mean: VariableView) -> bool:
    return mean.row.first("initial_norm") == 0 and mean.row.peak("displacement") == 0 and mean.row.last("norm") == 0


RULE = Rule(
    "eval_mode_training",
    check,
    Doc(
        says="the model is trained in evaluation mode",
        condition="the logger of torch saw it at all of the first updates; or after 20 steps the moving"
        " means of all batch normalisations that are trained are still the zeros that they started with",
        usual="they move with the first step",
    ),
    is_consequence=False,
)
