"""In evaluation mode batch normalisation does not do what it does in training: its moving statistics lag behind."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import INFO, WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import learning
from tb_featuremap_plugin.diagnosis.phrases import names, number
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.rules.constant_output import is_constant
from tb_featuremap_plugin.diagnosis.run_view import LayerView, RunView
from tb_featuremap_plugin.schema.layer_kinds import leaf_of

FAR = 5.0
"""Factor between what a layer puts out in evaluation mode and what its gain and offset make of normalised values."""

LONG = 200
"""Updates after which moving statistics have arrived, with any usual momentum."""

_SIZES = ("weight", "gamma", "scale"), ("bias", "beta", "offset")


def check(view: RunView) -> Iterable[Finding]:
    """Compares the size of what batch normalisations put out with that of their gains: a warning where the answers suffer from it."""
    gate, output = learning(view), view.output
    if not gate.beats_chance or output is None:
        return
    lagging = [layer for layer in view.layers if layer.is_normalization and layer.info.state and _is_far(view, layer)]
    constant = is_constant(view, output)
    normalised = [layer for layer in view.layers if layer.is_normalization and layer.info.state]
    if not constant or not normalised:
        return
    layer = (lagging or normalised)[0]
    yield Finding(
        rule="batchnorm_lag",
        severity=WARNING if gate.updates >= LONG else INFO,
        target=layer.name,
        target_kind="layer",
        first_step=view.steps[0],
        last_step=view.last_step,
        title="In evaluation mode the answers are all the same",
        message=(
            f"The loss of the training has come to {number(gate.end)}, which no constant answer reaches, yet in evaluation mode "
            f"`{output.name}` gives the same answer to every input at step {view.last_step:,}. There "
            f"{names([one.name for one in lagging or normalised])} use moving statistics, which need tens to hundreds of updates to "
            "arrive; until then feature maps show what those make of the input."
        ),
        evidence={"latest_loss": gate.end, "factor": _factor(view, layer)},
        advice=(
            "Let the moving statistics follow faster: a larger momentum in torch (0.1), a smaller one in Keras (0.9)",
            "Use larger batches, or GroupNorm",
        )
        if gate.updates >= LONG
        else (),
        chart=chart("layers", layer.name, "std"),
    )


def _is_far(view: RunView, layer: LayerView) -> bool:
    factor = _factor(view, layer)
    return factor > FAR or factor < 1 / FAR


def _factor(view: RunView, layer: LayerView) -> float:
    """What is put out over what gain and offset make of normalised values; NaN if unknown."""
    gain, offset = (_size(view, layer, leaves) for leaves in _SIZES)
    expected = math.hypot(1.0 if math.isnan(gain) else gain, 0.0 if math.isnan(offset) else offset)
    return layer.row.last("rms") / expected if expected > 0 else math.nan


def _size(view: RunView, layer: LayerView, leaves: tuple[str, ...]) -> float:
    own = next((one for one in view.variables if one.name in layer.info.weights and leaf_of(one.name) in leaves), None)
    return own.row.last("norm") / math.sqrt(own.row.last("size")) if own is not None and own.row.last("size") > 0 else math.nan


RULE = Rule(
    "batchnorm_lag",
    check,
    Doc(
        says="in evaluation mode the answers are all the same, in training they are not: moving statistics lag behind",
        condition="input share of the output as of `constant_output`, with a loss that no constant answer reaches, behind batch"
        " normalisation; a warning after 200 updates, a note before",
    ),
)
