"""Moving statistics of a batch normalisation that is trained never move: in evaluation mode it normalises nothing."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import FEWEST
from tb_featuremap_plugin.diagnosis.phrases import names
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import LayerView, RunView, VariableView
from tb_featuremap_plugin.schema.layer_kinds import leaf_of

_MEANS = ("running_mean", "moving_mean", "mean")
_SPREADS = ("running_var", "moving_variance", "var")
_OF_JAX = ("mean",)
"""Collections that a function returns and a loop must store: there all of them stay behind together."""


def check(view: RunView) -> Iterable[Finding]:
    """Looks at mean and variance of each batch normalisation whose gain or offset is trained.

    Where all of them stand still in torch and Keras, the model is in evaluation mode, which is another rule's.
    """
    if view.last_step < FEWEST:
        return
    means = {layer.name: _statistics(view, layer, _MEANS) for layer in view.layers if layer.is_normalization and _is_trained(view, layer)}
    known = {layer: mean for layer, mean in means.items() if mean is not None}
    still = [layer for layer in view.layers if layer.name in known and _stand_still(view, layer)]
    of_jax = any(mean is not None and leaf_of(mean.name) in _OF_JAX for mean in known.values())
    if not still or (len(still) == len(known) and not of_jax):
        return
    first = known[still[0].name]
    assert first is not None, "those without a mean were left out"
    yield Finding(
        rule="batchnorm_frozen",
        severity=WARNING,
        target=still[0].name,
        target_kind="layer",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"The moving statistics of {names([layer.name for layer in still])} never move",
        message=(
            f"{names([layer.name for layer in still])} {'is' if len(still) == 1 else 'are'} trained, but after {view.last_step:,} updates "
            "the moving mean is still 0 and the moving variance still 1, as at the start. So in evaluation mode what comes in is not "
            "normalised, and the network answers otherwise than in training."
        ),
        evidence={"displacement": first.row.last("displacement"), "layers": [layer.name for layer in still]},
        advice=_ADVICE_OF_JAX if of_jax else _ADVICE,
        chart=chart("variables", first.name, "displacement"),
    )


_ADVICE = (
    "Leave momentum at its default (0.1 in torch, 0.99 in Keras), and the layer in training mode while it is trained",
    "Or freeze all of the layer, gain and offset too, if its statistics are meant to stay",
)
_ADVICE_OF_JAX = (
    'Take the new statistics from the update and store them: out, new = model.apply(variables, x, train=True, mutable=["batch_stats"])',
    "Give the watcher what was stored, not what init returned",
)


def _statistics(view: RunView, layer: LayerView, leaves: tuple[str, ...]) -> VariableView | None:
    own = (variable for variable in view.variables if variable.name in layer.info.state)
    return next((variable for variable in own if leaf_of(variable.name) in leaves), None)


def _is_trained(view: RunView, layer: LayerView) -> bool:
    weights = [variable for variable in view.variables if variable.name in layer.info.weights]
    return layer.info.trainable and any(variable.trainable and variable.row.last("displacement") > 0 for variable in weights)


def _stand_still(view: RunView, layer: LayerView) -> bool:
    """Mean and variance as they were made. Both: the mean of a layer whose inputs are all 0 stays where it is, its variance does not."""
    mean, spread = (_statistics(view, layer, leaves) for leaves in (_MEANS, _SPREADS))
    if mean is None or spread is None:
        return False
    starts_at_none = mean.row.first("initial_norm") == 0 and mean.row.last("norm") == 0
    is_one = spread.row.last("mean") == 1 and spread.row.last("std") == 0
    return starts_at_none and is_one and mean.row.peak("displacement") == 0 and spread.row.peak("displacement") == 0


RULE = Rule(
    "batchnorm_frozen",
    check,
    Doc(
        says="batch normalisations that are trained never take in moving statistics",
        condition="after 20 steps mean and variance of some of them are still 0 and 1, as they were made; in JAX also of all",
        usual="they move with the first step",
    ),
    is_consequence=False,
)
