"""Hidden sigmoid or tanh units that sit at their limits, where the slope is almost zero."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import ERROR, INFO, WARNING, Finding
from tb_featuremap_plugin.diagnosis.initial_scale import sentence, starts_large
from tb_featuremap_plugin.diagnosis.learning_progress import LEARNED, learning, stays
from tb_featuremap_plugin.diagnosis.phrases import percent, since
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import LayerView, RunView
from tb_featuremap_plugin.schema.answers import Severity

MOST = 0.5
"""Share of values within 2.5 % of the limits. 95 % of 94 runs that learn stay below 0.39 in hidden layers, a few reach 0.64."""

ALMOST_ALL = 0.9

FLAT = 0.75
"""The same where the weights start far too large: then the cause is certain, and what a run learns it learns behind that layer."""


def check(view: RunView) -> Iterable[Finding]:
    """Reports the first hidden layer that is saturated over most of the run."""
    for layer in view.hidden:
        if layer.activation.squashes and layer.name in view.path and _share(layer) > MOST:
            yield _finding(view, layer)
            return


def _share(layer: LayerView) -> float:
    return layer.row.median("saturated", layer.row.logged("saturated"))


def _severity(view: RunView, layer: LayerView) -> Severity:
    gate = learning(view)
    if gate.level != LEARNED and _share(layer) > FLAT and starts_large(view.feeding_kernel(layer)):
        return WARNING if not gate.is_poor else ERROR
    if gate.level == LEARNED or gate.beats_chance:
        return INFO
    if gate.is_poor and _share(layer) > ALMOST_ALL:
        return ERROR
    return WARNING if gate.is_poor or _share(layer) > ALMOST_ALL else INFO


def _finding(view: RunView, layer: LayerView) -> Finding:
    share, kernel = _share(layer), view.feeding_kernel(layer)
    at = stays(layer.row("saturated") > MOST, layer.row.logged("saturated"))
    first = int(layer.row.steps[at]) if at is not None else view.steps[0]
    cause = f" {sentence(kernel)}" if starts_large(kernel) else ""
    return Finding(
        rule="saturated_activation",
        severity=_severity(view, layer),
        target=layer.name,
        target_kind="layer",
        first_step=first,
        last_step=view.last_step,
        title=f"{layer.name} is saturated",
        message=(
            f"{percent(share)} of what `{layer.name}` puts out sits at the limits of its {layer.activation.name} {since(first)}. "
            f"There the slope is almost zero, so hardly any gradient comes through, to it and to the layers before it.{cause}"
        ),
        evidence={"saturated": share, "healthy_max": 0.39},
        advice=(
            "Use glorot_uniform: the weights are too large" if cause else "Scale the input to about -1..1",
            "Use relu with he_normal in hidden layers, or put BatchNorm before the activation",
        ),
        chart=chart("layers", layer.name, "saturated"),
    )


RULE = Rule(
    "saturated_activation",
    check,
    Doc(
        says="a hidden sigmoid or tanh layer sits at its limits",
        condition="over half of its values within 2.5 % of the limits, median over the run; a warning also above three quarters where "
        "the weights start over 4 times too large",
        usual="below 39 %, one in a hundred 64 %",
    ),
)
