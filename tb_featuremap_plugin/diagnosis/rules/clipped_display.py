"""Why a naive picture of a layer's feature maps is white or black."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import INFO, Finding
from tb_featuremap_plugin.diagnosis.phrases import number, percent
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import LayerView, RunView
from tb_featuremap_plugin.schema.layer_kinds import CONVOLUTIONS

WHITE = 0.8
"""Share of the positive values that lie above 1, from which on a picture drawn from 0 to 1 shows little but white."""

BLACK = 0.9
"""Share of negative values from which on such a picture is mostly black. Half is usual before an activation."""

VISIBLE = 0.1
"""Share of all values above 1 that must be there for a picture to look white."""


def check(view: RunView) -> Iterable[Finding]:
    """Reports the first layer whose feature maps a fixed 0..1 range would show white, or else the one it would show blackest."""
    maps = [layer for layer in view.layers if layer.family in CONVOLUTIONS]
    white = next((layer for layer in maps if _white(layer) > WHITE), None)
    black = max(maps, key=lambda layer: layer.row.last("below_zero"), default=None)
    if white is not None:
        yield _finding(view, white, "above_one", f"{percent(_white(white))} of its positive values are above 1", "white")
    elif black is not None and black.row.last("below_zero") > BLACK:
        yield _finding(view, black, "below_zero", f"{percent(black.row.last('below_zero'))} of its values are below 0", "black")


def _white(layer: LayerView) -> float:
    above, positive = layer.row.last("above_one"), 1 - layer.row.last("zeros") - layer.row.last("below_zero")
    return above / positive if above > VISIBLE and positive > 0 else 0.0


def _finding(view: RunView, layer: LayerView, column: str, seen: str, colour: str) -> Finding:
    return Finding(
        rule="clipped_display",
        severity=INFO,
        target=layer.name,
        target_kind="layer",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"Pictures of {layer.name} with a fixed range are {colour}",
        message=(
            f"`{layer.name}` puts out {number(layer.row.last('min'))} to {number(layer.row.last('max'))}, and {seen}. "
            f"What draws them as they are, such as tf.summary.image, cuts everything to 0..1, so such a picture is mostly {colour}. "
            "The maps here are drawn with each channel's own range, and show what is there. This says nothing about training."
        ),
        evidence={"above_one": layer.row.last("above_one"), "below_zero": layer.row.last("below_zero"), "zeros": layer.row.last("zeros")},
        advice=("Choose the range while looking: per channel, or one for the layer",),
        chart=chart("layers", layer.name, column),
    )


RULE = Rule(
    "clipped_display",
    check,
    Doc(
        says="why a naive picture of a layer's maps is white or black",
        condition="over 80 % of the positive values above 1, or over 90 % of all below 0; a note",
    ),
    is_note=True,
)
