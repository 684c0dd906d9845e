"""A generator gives nearly the same answer to every noise."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.phrases import percent
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView

COLLAPSED = 0.02
"""Input share of what is made, below which all of it is alike."""

FALLEN = 0.1
"""That share over what it was at first: a generator that starts with little variety has not lost it."""

MIN_UPDATES = 60
_LATEST = 3
_NOISE = (0.3, 1.5)


def check(view: RunView) -> Iterable[Finding]:
    """Judges models that are given noise and no targets."""
    output = view.output
    if output is None or view.last_step < MIN_UPDATES or view.targets.logged("mean").any() or not _gets_noise(view):
        return
    first, last = output.row.first("input_share"), output.row.last("input_share", _LATEST)
    if not last < COLLAPSED or not last < FALLEN * first:
        return
    yield Finding(
        rule="mode_collapse",
        severity=WARNING,
        target=output.name,
        target_kind="layer",
        first_step=view.steps[0],
        last_step=view.last_step,
        title="Nearly the same is made of every noise",
        message=(
            f"At the start {percent(first)} of what `{output.name}` puts out depended on the noise that goes in; by now it is "
            f"{percent(last)}. The generator has settled on one answer, as it does when that deceives the critic once, or when the critic "
            "is so sure that no gradient comes back."
        ),
        evidence={"input_share": last, "input_share_at_start": first},
        advice=(
            "Balance the two: a smaller learning rate for the critic, or one update of it for several of the generator",
            "Give the critic's scores to a loss on logits, with labels of 0.9 in place of 1",
        ),
        chart=chart("layers", output.name, "input_share"),
    )


def _gets_noise(view: RunView) -> bool:
    """Whether the probe is centred at 0 with a spread of about 1, as what is drawn at random."""
    mean, spread = view.inputs.first("mean"), view.inputs.first("std")
    return abs(mean) < _NOISE[0] * spread and _NOISE[0] < spread < _NOISE[1] and view.inputs.first("integers") < 1


RULE = Rule(
    "mode_collapse",
    check,
    Doc(
        says="a generator makes nearly the same of every noise",
        condition="without targets, after 60 updates, input share of the output below 2 % and a tenth of what it was",
    ),
)
