"""What the first layer with a kernel receives is far outside -1..1, as with pixels of 0..255."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import ERROR, INFO, WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import EARLY, LEARNED, learning
from tb_featuremap_plugin.diagnosis.phrases import number
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import LayerView, RunView
from tb_featuremap_plugin.schema.answers import Severity
from tb_featuremap_plugin.schema.layer_kinds import CONVOLUTIONS

LARGEST = 20.0
"""Largest absolute value that the first kernel should get. Standardised data reach 12 over 94 runs that learn; raw pixels reach 255."""

SMALLEST = 0.01
"""Largest absolute value below which the input hardly exists, as after dividing by 255 twice (0.004)."""


RAW = 150.0
"""Largest absolute value from which on the input is as it came from a file, such as pixels: worth mending however well the run learns."""

WELL = 0.25
"""Share of the loss that is left where the size of the input has done no harm: 95 % of 94 runs that learn stay below it."""


def check(view: RunView) -> Iterable[Finding]:
    """Judges what the first kernel layer receives, unless something in front of it rescales."""
    layer = view.first_kernel_layer
    if layer is None or view.normalized_before(layer):
        return
    low, high = view.received(layer)
    largest = max(abs(low), abs(high))
    if math.isfinite(largest) and largest > LARGEST:
        yield _too_large(view, layer, low, high)
    elif 0 < largest < SMALLEST:
        yield _too_small(view, layer, low, high)


YOUNG = 40
"""Updates before which a run that has halved its loss is given time: it is on its way."""

VERY_WELL = 0.1
"""The same where a loss of thousands may have fallen by most of its size and mean nothing."""


def _severity(view: RunView, layer: LayerView, largest: float) -> Severity:
    """A note where the run learns all the same, as far as that is known, and where the layer's answer is rescaled at once."""
    gate = learning(view)
    if view.normalized_after(layer):
        return INFO
    if gate.level == LEARNED:
        well = WELL if gate.chance > 0 or gate.end < 1 else VERY_WELL
        return INFO if largest < RAW and (gate.share < well or gate.updates < YOUNG) else WARNING
    if gate.level == EARLY:
        return INFO if largest < RAW else WARNING
    return ERROR


def _too_large(view: RunView, layer: LayerView, low: float, high: float) -> Finding:
    std = layer.row.first("std")
    effect = f" Its outputs start with a spread of {number(std)}, where about 0.1 to 2 is usual." if std > 2 else ""
    return Finding(
        rule="unscaled_input",
        severity=_severity(view, layer, max(abs(low), abs(high))),
        target=layer.name,
        target_kind="input",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"The input runs from {number(low)} to {number(high)}",
        message=(
            f"`{layer.name}`, the first layer with weights, receives values from {number(low)} to {number(high)} from the start. "
            f"Initial weights and learning rates are meant for values around -1..1.{effect} "
            "Larger inputs make activations and updates larger by the same factor, which kills or saturates units and lets the loss jump; "
            "drawn with a fixed 0..1 range, such feature maps look all white."
        ),
        evidence={"min": low, "max": high, "first_layer_std": std, "healthy_max": LARGEST},
        advice=_advice(view, layer, low, high),
        chart=chart("layers", layer.name, "std"),
    )


def _advice(view: RunView, layer: LayerView, low: float, high: float) -> tuple[str, ...]:
    """For pixels or for features, in the words of the framework."""
    keras = "keras" in view.record.versions
    pixels = low >= 0 and high <= _BRIGHTEST and (layer.family in CONVOLUTIONS or view.inputs.last("units") >= _MANY_FEATURES)
    if pixels:
        return (
            "Divide the pixels by 255, then train from new weights",
            "Or let the model do it: keras.layers.Rescaling(1 / 255) as first layer"
            if keras
            else "Or let the model do it: x / 255 in forward",
        )
    return (
        "Subtract from each feature its mean and divide by its standard deviation, those of the training data, then train from new weights",
        "Or let the model do it: keras.layers.Normalization, with adapt(x)" if keras else "Or put BatchNorm1d in front of the first layer",
    )


_BRIGHTEST = 255
_MANY_FEATURES = 100


def _too_small(view: RunView, layer: LayerView, low: float, high: float) -> Finding:
    return Finding(
        rule="unscaled_input",
        severity=INFO if _severity(view, layer, 0.0) == INFO else WARNING,
        target=layer.name,
        target_kind="input",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"The input is almost zero: {number(low)} to {number(high)}",
        message=(
            f"`{layer.name}`, the first layer with weights, receives values from {number(low)} to {number(high)} from the start, where "
            "around -1..1 is usual. "
            "The network then hardly sees its input, and biases drown it. Often the data were divided by 255 twice."
        ),
        evidence={"min": low, "max": high, "healthy_min": SMALLEST},
        advice=("Check that the inputs are scaled only once, to 0..1 or to mean 0 and standard deviation 1",),
        chart=chart("layers", layer.name, "std"),
    )


RULE = Rule(
    "unscaled_input",
    check,
    Doc(
        says="what the first kernel layer receives is far outside -1..1",
        condition="largest absolute value above 20, or below 0.01; a note where a normalisation follows at once",
        usual="0.5 to 12",
    ),
    is_consequence=False,
)
