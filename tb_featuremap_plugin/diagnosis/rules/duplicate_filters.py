"""Many filters of a layer are copies of each other."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import INFO, Finding
from tb_featuremap_plugin.diagnosis.phrases import percent, since
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView, VariableView

MANY = 0.5
"""Share of filters with a cosine above 0.99 to an earlier one."""

MIN_INPUTS = 9
"""With fewer inputs a unit, many units point the same way by chance: 16 directions fill a plane."""

MIN_UNITS = 4


def check(view: RunView) -> Iterable[Finding]:
    """Reports the first kernel that is mostly copies."""
    for kernel in view.kernels:
        share = kernel.row.last("duplicates")
        if share > MANY and kernel.row.first("fan_in") >= MIN_INPUTS and _units(kernel) >= MIN_UNITS:
            yield _finding(view, kernel, share)
            return


def _units(kernel: VariableView) -> float:
    return kernel.row.first("size") / kernel.row.first("fan_in")


def _finding(view: RunView, kernel: VariableView, share: float) -> Finding:
    row = kernel.row
    first = int(row.steps[row("duplicates") > MANY][0])
    return Finding(
        rule="duplicate_filters",
        severity=INFO,
        target=kernel.name,
        target_kind="variable",
        first_step=first,
        last_step=view.last_step,
        title=f"{percent(share)} of the filters of {kernel.name} are copies",
        message=(
            f"{percent(share)} of the filters of `{kernel.name}` point the same way as an earlier one {since(first)} (cosine above 0.99). "
            "Copies answer alike, so the layer has fewer different filters than it seems."
        ),
        evidence={"duplicates": share},
        advice=("Check that the kernel starts at random values", "Fewer filters may do as well here"),
        chart=chart("variables", kernel.name, "duplicates"),
    )


RULE = Rule(
    "duplicate_filters",
    check,
    Doc(
        says="filters that are copies of each other",
        condition="over half with a cosine above 0.99 to an earlier one, of at least 9 inputs; a note",
    ),
    is_note=True,
)
