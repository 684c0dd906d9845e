"""The signal is lost from layer to layer: hardly anything of what a layer puts out still depends on the input."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import ERROR, INFO, WARNING, Finding
from tb_featuremap_plugin.diagnosis.initial_scale import sentence, starts_small
from tb_featuremap_plugin.diagnosis.learning_progress import EARLY, LEARNED, LEARNING, STUCK, learning
from tb_featuremap_plugin.diagnosis.phrases import number, percent
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import LayerView, RunView
from tb_featuremap_plugin.schema.answers import Severity

LOST = 1e-3
"""Input share below which a layer no longer hands its input on. 95 % of 94 runs that learn stay above 0.018 at the start."""

FADING = 1e-2
"""Input share below which it is lost too, if the layer cut it to a fraction of FADING_DROP and its weights start far too small."""

FADING_DROP = 0.25

_MOST_LOST_HERE = 0.1


def check(view: RunView) -> Iterable[Finding]:
    """Reports the first layer at which the signal is lost at the start."""
    gate = learning(view)
    if gate.level == LEARNED:
        return
    for layer in view.layers:
        if layer.name in view.path and layer.info.role != "output" and _is_lost(view, layer):
            severity = _severity(view, layer)
            if severity is not None:
                yield _finding(view, _culprit(view, layer), severity)
            return


def _culprit(view: RunView, lost: LayerView) -> LayerView:
    """The layer at which the signal is lost; where squashing activations lose it step by step, the one that takes most."""
    squashing = [layer for layer in view.layers[: lost.depth] if layer.activation.squashes and _share(layer) > 0]
    if starts_small(view.kernel_of(lost)) or not squashing:
        return lost
    return min([*squashing, lost], key=lambda layer: _share(layer) / _share_before(view, layer))


def _severity(view: RunView, layer: LayerView) -> Severity | None:
    """None where evaluation mode is what loses the signal: the moving statistics of a young batch normalisation normalise nothing."""
    gate = learning(view)
    if gate.beats_chance or (view.batch_normalized_before(layer) and (gate.level != STUCK or not layer.row.last("input_share") < LOST)):
        return None
    if gate.level == LEARNING and not gate.is_poor:
        return INFO
    return ERROR if _share(layer) < LOST and gate.level != EARLY else WARNING


def _share(layer: LayerView) -> float:
    return layer.row.first("input_share")


def _share_before(view: RunView, layer: LayerView) -> float:
    share = view.before(layer).first("input_share")
    return view.inputs.first("input_share") if math.isnan(share) else share


def _is_lost(view: RunView, layer: LayerView) -> bool:
    share, before = _share(layer), _share_before(view, layer)
    if not 0 < share < FADING or not layer.row.first("rms") > 0 or _answers_one_thing(layer):
        return False
    if share < LOST:
        return not before < LOST
    return share < FADING_DROP * before and starts_small(view.kernel_of(layer))


def _answers_one_thing(layer: LayerView) -> bool:
    """A softmax over one unit is 1 for every input, by its nature and not for a lost signal."""
    return layer.activation.sums_to_one and layer.row.first("units") <= 1


def _finding(view: RunView, layer: LayerView, severity: Severity) -> Finding:
    share, before = _share(layer), _share_before(view, layer)
    kernel = view.kernel_of(layer)
    chance = view.chance_loss
    stays = f" The loss stays near {number(chance)}, which is what guessing gives." if math.isfinite(chance) and severity != INFO else ""
    squashed = layer.activation.squashes and not starts_small(kernel)
    cause = sentence(kernel) or _stack_sentence(view, layer)
    return Finding(
        rule="vanishing_activation",
        severity=severity,
        target=layer.name,
        target_kind="layer",
        first_step=view.steps[0],
        last_step=view.last_step,
        place="vanishing_activation: squashed" if squashed else None,
        title=f"The signal is lost at {layer.name}",
        message=(
            f"From the start, only {percent(share)} of what `{layer.name}` puts out depends on the input; one layer before it is "
            f"{percent(before)}. "
            f"The rest is the same for every input, mostly bias, so the size of the output looks normal. {cause}{stays}"
        ),
        evidence={
            "input_share": share,
            "input_share_before": before,
            "healthy_min": 0.018,
            "he_factor": kernel.he_factor if kernel else math.nan,
        },
        advice=(
            "Use ReLU instead of squashing activations in hidden layers" if squashed else f"Initialise `{layer.name}` with he_normal",
            f"Or put BatchNorm before `{layer.name}`",
            "Check that the input is scaled to about -1..1",
        ),
        chart=chart("layers", layer.name, "input_share"),
    )


def _stack_sentence(view: RunView, layer: LayerView) -> str:
    small = [other.name for other in view.layers[: layer.depth] if starts_small(view.kernel_of(other))]
    if small:
        return f"Weights that start far too small in the layers before it, such as `{small[0]}`, make it fade step by step."
    if _share(layer) < _MOST_LOST_HERE * _share_before(view, layer):
        return "Most of it is lost in this layer."
    return "Each layer before it passes on less than it gets."


RULE = Rule(
    "vanishing_activation",
    check,
    Doc(
        says="the signal is lost: hardly anything of a layer's output depends on the input",
        condition="at the start, an input share below 0.1 %; or below 1 % where one layer took three quarters of it and its "
        "weights start 4 times too small",
        usual="above 1.8 %",
    ),
)
