"""Why a naive picture of a layer's feature maps is white or black."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import INFO, Finding
from tb_featuremap_plugin.diagnosis.healthy import chart
from tb_featuremap_plugin.diagnosis.rule import Rule
from tb_featuremap_plugin.diagnosis.study import LayerView, Study
from tb_featuremap_plugin.diagnosis.words import number, percent

MOST = 0.5
"""Share of values outside 0..1, on one side, from which on a picture drawn with that range shows little else."""


def check(study: Study) -> Iterable[Finding]:
    """Reports the layer with feature maps that a fixed 0..1 range would show worst."""
    maps = [layer for layer in study.layers if "conv" in layer.kind]
    worst = max(maps, key=_clipped, default=None)
    if worst is not None and _clipped(worst) > MOST:
        yield _finding(study, worst)


def _clipped(layer: LayerView) -> float:
    shares = (layer.row.last("above_one"), layer.row.last("below_zero"))
    return max([share for share in shares if share == share], default=0.0)


def _finding(study: Study, layer: LayerView) -> Finding:
    above, below = layer.row.last("above_one"), layer.row.last("below_zero")
    white = above >= below
    return Finding(
        rule="clipped_display",
        severity=INFO,
        target=layer.name,
        target_kind="layer",
        first_step=study.steps[0],
        last_step=study.last_step,
        title=f"Pictures of {layer.name} with a fixed range are {'white' if white else 'black'}",
        message=(
            f"{percent(above)} of the values of `{layer.name}` are above 1 and {percent(below)} below 0; they run from "
            f"{number(layer.row.last('min'))} to {number(layer.row.last('max'))}. "
            "What draws them as they are, such as tf.summary.image, cuts everything to 0..1, so such a picture is mostly "
            f"{'white' if white else 'black'}. "
            "The maps here are drawn with each channel's own range, and show what is there. This says nothing about training."
        ),
        evidence={"above_one": above, "below_zero": below},
        advice=("Choose the range while looking: per channel, or one for the layer",),
        chart=chart("layers", layer.name, "above_one" if white else "below_zero"),
    )


RULE = Rule("clipped_display", 95, check)
