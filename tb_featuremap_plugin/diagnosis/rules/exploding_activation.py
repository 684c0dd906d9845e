"""The signal grows from layer to layer at the start, or grows out of bounds during training."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from tb_featuremap_plugin.diagnosis.findings import ERROR, WARNING, Finding
from tb_featuremap_plugin.diagnosis.initial_scale import sentence, worst_start
from tb_featuremap_plugin.diagnosis.learning_progress import LEARNED, learning
from tb_featuremap_plugin.diagnosis.phrases import number, step, times
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import LayerView, RunView

START_FACTOR = 30.0
"""Spread of a layer at the start over that of the input (or 1). Over 94 runs that learn it stays below 1.7."""

GROWTH = 100.0
LARGEST = 1e4
"""Largest activation that is out of bounds, if it grew by GROWTH since the start. Runs that learn stay below 100."""


def check(view: RunView) -> Iterable[Finding]:
    """Reports the first layer over the limit at the start; else the first that grew over it."""
    limit = START_FACTOR * max(1.0, _finite(view.inputs.first("std")))
    for layer in view.layers:
        if layer.row.first("std") > limit and not _is_unsettled(view, layer):
            yield _at_start(view, layer)
            return
    if learning(view).level != LEARNED:
        yield from _growth(view)


def _is_unsettled(view: RunView, layer: LayerView) -> bool:
    """Whether it shows young moving statistics and no explosion: behind BatchNorm, with weights that start at a usual size.

    The probe runs in evaluation mode, where statistics that still say mean 0 and variance 1 normalise nothing.
    """
    return view.batch_normalized_before(layer) and worst_start(view, large=True) is None


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _at_start(view: RunView, layer: LayerView) -> Finding:
    std, source = layer.row.first("std"), view.inputs.first("std")
    culprit = worst_start(view, large=True) or view.kernel_of(layer)
    cause = sentence(culprit)
    who = f" (`{culprit.name}`)" if culprit and cause else ""
    exponential = " Its exponential activation turns moderate sums into huge values." if layer.activation.name == "exponential" else ""
    return Finding(
        rule="exploding_activation",
        severity=ERROR,
        target=layer.name,
        target_kind="layer",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"The signal explodes at {layer.name}",
        message=(
            f"From the start, what `{layer.name}` puts out has a spread (standard deviation) of {number(std)}, while the input's is "
            f"{number(source)}. "
            f"A signal that grows from layer to layer makes the first loss, the gradients and the updates huge. {cause}{who}{exponential}"
        ).strip(),
        evidence={"std": std, "input_std": source, "limit": START_FACTOR},
        advice=_advice(view, layer, exponential=bool(exponential)),
        chart=chart("layers", layer.name, "std"),
    )


def _advice(view: RunView, layer: LayerView, *, exponential: bool) -> tuple[str, ...]:
    if exponential:
        return "Use ReLU instead of the exponential activation", "Or put BatchNorm between the layers"
    sums = [other for other in view.chain if len(other.info.inputs) > 1 and other.depth <= layer.depth]
    if len(sums) > 1:
        return (
            "Start the last layer of each residual block at 0, or divide it by the root of the number of blocks: sums of blocks grow",
            "Or put a normalisation in front of each block (LayerNorm, BatchNorm)",
        )
    return (
        "Use he_normal before ReLU, glorot_uniform before tanh or sigmoid",
        "Or put BatchNorm between the layers",
        "Check that the input is scaled to about -1..1",
    )


def _growth(view: RunView) -> Iterable[Finding]:
    for layer in view.layers:
        size = np.fmax(np.abs(layer.row("max")), np.abs(layer.row("min")))
        start = size[~np.isnan(size)][:1]
        over = np.flatnonzero((size > LARGEST) & (size > GROWTH * start)) if len(start) else np.zeros(0, np.intp)
        if len(over) and start[0] > 0:
            yield _grown(view, layer, float(start[0]), float(np.nanmax(size)), int(layer.row.steps[over[0]]))
            return


def _grown(view: RunView, layer: LayerView, start: float, largest: float, since: int) -> Finding:
    return Finding(
        rule="exploding_activation",
        severity=WARNING,
        target=layer.name,
        target_kind="layer",
        first_step=since,
        last_step=view.last_step,
        place="exploding_activation: growth",
        title=f"The values of {layer.name} grow out of bounds",
        message=(
            f"The largest value of `{layer.name}` grew from {number(start)} to {number(largest)} ({times(largest / start)}), over the "
            f"limit since {step(since)}. "
            "Weights that grow without bound end in NaN or in dead units; mostly the updates are too large."
        ),
        evidence={"start": start, "largest": largest},
        advice=("Divide the learning rate by 10", "Clip gradients to a norm of 1, or add weight decay or BatchNorm"),
        chart=chart("layers", layer.name, "max"),
    )


RULE = Rule(
    "exploding_activation",
    check,
    Doc(
        says="the signal grows from layer to layer, or out of bounds during training",
        condition="at the start, a layer's standard deviation over 30 times the input's (or 30), not behind BatchNorm; later, values "
        "over 1e4 and grown"
        " 100 times",
        usual="at most 1.7; below 100",
    ),
)
