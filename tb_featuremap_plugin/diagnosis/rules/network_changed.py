"""Layers came or went during the run, or variables were replaced, frozen or freed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tb_featuremap_plugin.diagnosis.findings import INFO, Finding
from tb_featuremap_plugin.diagnosis.phrases import names, step
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView
from tb_featuremap_plugin.schema.network import NetworkChange

MOST_SENTENCES = 4
"""Changes that are written out; the run record has all."""


def check(view: RunView) -> Iterable[Finding]:
    """Says what the run record dates."""
    changes = view.record.changes
    if not changes:
        return
    more = len(changes) - MOST_SENTENCES
    sentences = [f"{_when(change)}: {'; '.join(_parts(change))}." for change in changes[:MOST_SENTENCES]]
    yield Finding(
        rule="network_changed",
        severity=INFO,
        target=view.title,
        target_kind="run",
        first_step=changes[0].step,
        last_step=view.last_step,
        title="The network changed during training",
        message=" ".join(
            [
                *sentences,
                *([f"It changed {more} more times."] if more > 0 else []),
                "What was logged of these before and after is not of the same thing.",
            ]
        ),
        evidence={"changes": len(changes), "steps": [change.step for change in changes]},
        advice=("Compare steps on the same side of a change",),
    )


def _when(change: NetworkChange) -> str:
    return f"After {step(change.after)}, and by {step(change.step)}"


def _parts(change: NetworkChange) -> Iterator[str]:
    """What happened, in words; variables of layers that came or went are not named again."""
    kinds: Sequence[tuple[tuple[str, ...], str]] = (
        (change.layers_added, "new layers"),
        (change.layers_removed, "layers that are no longer used"),
        (change.variables_added if not change.layers_added else (), "new variables"),
        (change.variables_removed if not change.layers_removed else (), "variables that are gone"),
        (change.variables_replaced, "variables that were replaced"),
        (change.frozen, "frozen"),
        (change.unfrozen, "training again"),
    )
    return (f"{what} {names(some)}" for some, what in kinds if some)


RULE = Rule(
    "network_changed",
    check,
    Doc(
        says="layers came or went during the run, or variables were replaced, frozen or freed",
        condition="described otherwise than at the logged step before; a note",
    ),
    is_consequence=False,
    is_note=True,
)
