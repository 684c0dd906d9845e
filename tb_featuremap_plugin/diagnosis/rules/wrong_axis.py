"""The answer is normalised over an axis that does not hold the classes."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import ERROR, Finding
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView

_NORMALISING = ("softmax", "softmin", "log_softmax")


def check(view: RunView) -> Iterable[Finding]:
    """Judges what is applied last to the output, where the logger saw its axis."""
    output = view.output
    if output is None or output.info.output_axis != 0 or not output.row.last("samples") > 1:
        return
    name = output.answers.name if output.answers.name in _NORMALISING else "softmax"
    yield Finding(
        rule="wrong_axis",
        severity=ERROR,
        target=output.name,
        target_kind="layer",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"{name.capitalize()} runs over the batch, not over the classes",
        message=(
            f"What `{output.name}` puts out goes through {name} over axis 0, which holds the inputs of a batch. So from the start the "
            "answers to one class sum to 1 over the batch, and what an input gets depends on what else is in its batch."
        ),
        evidence={"axis": 0},
        advice=(
            "Use dim=-1, or dim=1 where channels come first: the axis of the classes",
            "Use none at all before a loss that takes logits, such as CrossEntropyLoss",
        ),
        chart=chart("losses", "", "loss"),
    )


RULE = Rule(
    "wrong_axis",
    check,
    Doc(
        says="a softmax of the output runs over the batch",
        condition="what is applied last to the output normalises over axis 0; needs the logger of torch",
    ),
    is_consequence=False,
)
