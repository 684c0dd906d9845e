"""Units that are zero for every probe input: no gradient reaches them any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from tb_featuremap_plugin.diagnosis.findings import ERROR, INFO, WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import EARLY, LEARNED, learning, stays
from tb_featuremap_plugin.diagnosis.phrases import names, percent, since
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import LayerView, RunView
from tb_featuremap_plugin.schema.answers import Severity

NOTABLE = 0.5
"""Share of dead units that is worth a note. 95 % of 94 runs that learn stay below 0.48."""

MANY = 0.6
"""Share of dead units that explains a loss that does not fall. Runs that learn well reach 0.88 in a layer, so this counts only in
runs that do not."""

GREW = 0.2
MOST = 0.8
"""Up to this share, units are blamed only if GREW of them died in training, or MANY were dead at the start. Behind inputs that differ
little, such as pooled maps, about half of all units say nothing at the start, and wake up later."""

SETTLED = 40
"""Updates before which a share up to MOST is no reason for anything: units of narrow layers go and come back."""

ALMOST_ALL = 0.95
"""Share beyond which nothing passes the layer."""

_RECENT = 3


def check(view: RunView) -> Iterable[Finding]:
    """Reports the first layer with the most telling share of dead units, and names the others."""
    dead = [layer for layer in view.hidden if _can_die(layer) and _share(layer) > (NOTABLE if layer.name in view.path else ALMOST_ALL)]
    if not dead:
        return
    worst = max(_share(layer) for layer in dead)
    limit = next((limit for limit in (ALMOST_ALL, MANY, NOTABLE) if worst > limit), NOTABLE)
    first = next(layer for layer in dead if _share(layer) > limit)
    others = [layer.name for layer in dead if layer is not first]
    yield _finding(view, first, others, _severity(view, first, worst, on_path=first.name in view.path))


def _can_die(layer: LayerView) -> bool:
    return layer.activation.rectifies


def _share(layer: LayerView) -> float:
    return layer.row.last("dead_units", _RECENT)


def _severity(view: RunView, layer: LayerView, share: float, *, on_path: bool) -> Severity:
    gate = learning(view)
    if gate.level == LEARNED or gate.beats_chance or not on_path:
        return INFO
    if share > ALMOST_ALL:
        return WARNING if gate.level == EARLY else ERROR
    start = float(np.nan_to_num(layer.row.first("dead_units")))
    sleeps = share < MOST and (gate.updates < SETTLED or (start < MANY and share < start + GREW))
    return WARNING if gate.is_poor and share > MANY and not sleeps else INFO


def _finding(view: RunView, layer: LayerView, others: list[str], severity: Severity) -> Finding:
    curve, share = layer.row("dead_units"), _share(layer)
    at = stays(curve > min(share, ALMOST_ALL) * 0.9, layer.row.logged("dead_units"))
    first = int(layer.row.steps[at]) if at is not None else view.steps[0]
    also = f" The same holds, less so or further on, for {names(others)}." if others else ""
    return Finding(
        rule="dead_units",
        severity=severity,
        target=layer.name,
        target_kind="layer",
        first_step=first,
        last_step=view.last_step,
        place="dead_units: nothing passes" if share > ALMOST_ALL else None,
        title=f"{percent(share)} of the units of {layer.name} are dead",
        message=(
            f"{percent(share)} of the {layer.row.last('units'):.0f} units of `{layer.name}` have been zero for every probe input "
            f"{since(first)}. "
            f"A ReLU unit that is never active gets no gradient and cannot recover.{also} {_meaning(view, severity, share, first)}"
        ),
        evidence={
            "dead_units": share,
            "healthy_max": NOTABLE,
            "layers": [layer.name, *others],
            "at_start": float(np.nan_to_num(layer.row.first("dead_units"))),
        },
        advice=(
            *_first_advice(view, first),
            "Use leaky_relu or elu instead of relu",
            "Check that the input is scaled to about -1..1",
        ),
        chart=chart("layers", layer.name, "dead_units"),
    )


def _first_advice(view: RunView, first: int) -> Iterator[str]:
    """Large steps are blamed for units that died only where a large step was seen before."""
    if first <= view.steps[0]:
        yield "Start biases at 0 and use he_normal"
        return
    steps = [kernel.row("update_ratio")[kernel.row.steps <= first] for kernel in view.kernels]
    if any(bool((ratios > _LARGE_STEP).any()) for ratios in steps):
        yield "Divide the learning rate by 10: large steps push units below zero for good"


_LARGE_STEP = 0.1


def _meaning(view: RunView, severity: Severity, share: float, first: int) -> str:
    if severity == INFO and learning(view).level == LEARNED:
        return "The loss has fallen well all the same, so this costs capacity and little else."
    if share > ALMOST_ALL:
        return "Nothing passes such a layer: what comes after it gets the same values for every input."
    return "They began so at initialisation." if first <= view.steps[0] else "They died during training."


RULE = Rule(
    "dead_units",
    check,
    Doc(
        says="ReLU units that are zero for every probe input",
        condition="over 60 % in a run that hardly learns, of which 20 % died in training, or over 80 % (over 60 % at the start); over 95 % "
        "in any that has not learned; a note from 50 %",
        usual="below 48 %, up to 88 %",
    ),
)
