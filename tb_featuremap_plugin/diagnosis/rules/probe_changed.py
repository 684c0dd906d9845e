"""The probe inputs changed during the run, so that feature maps before and after are not of the same thing."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from tb_featuremap_plugin.diagnosis.findings import INFO, Finding
from tb_featuremap_plugin.diagnosis.phrases import step
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView


def check(view: RunView) -> Iterable[Finding]:
    """Looks at the digests in the run record."""
    probes = view.record.probes
    changes = [later for earlier, later in pairwise(probes) if later.digest != earlier.digest]
    if not changes:
        return
    times = "once" if len(changes) == 1 else f"{len(changes)} times"
    yield Finding(
        rule="probe_changed",
        severity=INFO,
        target=view.title,
        target_kind="run",
        first_step=changes[0].step,
        last_step=view.last_step,
        title="The probe inputs changed",
        message=(
            f"The inputs that feature maps are computed from changed {times}, first at {step(changes[0].step)}. "
            "Differences between maps and layer statistics before and after may come from the inputs and not from what was learned."
        ),
        evidence={"changes": len(changes), "steps": [change.step for change in changes]},
        advice=("Log the same fixed batch at every step",),
    )


RULE = Rule(
    "probe_changed",
    check,
    Doc(
        says="the probe inputs changed, so maps before and after are of different things",
        condition="another digest; a note",
    ),
    is_consequence=False,
    is_note=True,
)
