"""Whether an output has the shape and the function that its loss needs: units, positions, shares of one whole."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tb_featuremap_plugin.diagnosis.findings import ERROR, WARNING, Finding
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.run_view import LayerView, RunView
from tb_featuremap_plugin.schema.answers import Severity
from tb_featuremap_plugin.schema.losses import CATEGORICAL, SPARSE


def units_of(output: LayerView) -> float:
    """Units of the output, or its channels."""
    return output.row.last("units")


def mismatch(
    view: RunView, output: LayerView, title: str, message: str, advice: tuple[str, ...], severity: Severity = ERROR, **evidence: float
) -> Finding:
    """A finding of the rule `wrong_output`."""
    return Finding(
        rule="wrong_output",
        severity=severity,
        target=output.name,
        target_kind="layer",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=title,
        message=message,
        evidence=evidence,
        advice=advice,
        chart=chart("losses", "", "loss"),
    )


def one_unit_softmax(view: RunView, output: LayerView) -> Iterator[Finding]:
    """A softmax over a single unit."""
    name = output.answers.name
    if output.answers.sums_to_one and units_of(output) == 1:
        yield mismatch(
            view,
            output,
            f"A {name} over a single unit is always 1",
            f"`{output.name}` applies {name} to one unit. {name.capitalize()} makes its units sum to 1, so a single one is 1 for every "
            "input from the start, whatever was learned; "
            "the loss may even fall while every answer stays the same.",
            ("Use sigmoid with binary cross-entropy for two classes", "For a number (regression) use no activation in the last layer"),
            units=1,
        )


def spread_apart(view: RunView, output: LayerView) -> Iterator[Finding]:
    """Outputs [N, 1] against targets [N], or an answer for each of several positions against one target."""
    facts = view.record.loss_facts
    answers, targets = (facts.output_shape, facts.target_shape) if facts else ((), ())
    if not answers or not targets or answers == targets or answers[0] != targets[0] or answers[0] <= 1:
        return
    several = math.prod(answers) // max(1, math.prod(targets))
    if len(answers) > len(targets) and several > 1:
        yield mismatch(
            view,
            output,
            "Each target is compared with several answers",
            f"The model puts out {list(answers)} and the targets are {list(targets)}: {several} answers to "
            f"each. The loss ({view.loss.name}) compares all of them with the one target, from the start.",
            ("Put Flatten or global pooling before the last layer, so that there is one answer an input", "Or give a target for each"),
            answers=several,
        )
    elif len(answers) == len(targets) + 1 and answers[-1] == 1:
        yield mismatch(
            view,
            output,
            "Each output is compared with every target",
            f"The model puts out {list(answers)} and the targets are {list(targets)}. The loss ({view.loss.name}) broadcasts the two to "
            f"{[answers[0], *targets]}: every output is compared with the targets of all inputs, so that the mean target is the best "
            "answer to each.",
            ("Give both the same shape: model(x).squeeze(-1), or targets.unsqueeze(-1)",),
            output_axes=len(answers),
            target_axes=len(targets),
        )


def independent(view: RunView, output: LayerView) -> Iterator[Finding]:
    """A sigmoid a class: each answer is by itself, and the loss compares only that of the right class."""
    answers = output.answers
    if view.loss.family in (CATEGORICAL, SPARSE) and view.loss.takes_logits is False and units_of(output) > 1 and answers.name in _SIGMOIDS:
        yield mismatch(
            view,
            output,
            f"{answers.name.capitalize()} gives no shares of one whole",
            f"The loss ({view.loss.name}) compares shares of classes that sum to 1, but `{output.name}` ends in {answers.name}, which "
            "answers each class by itself, from the start. All may be near 1 at once, and the loss does not mind as it should.",
            ("End in softmax, for one class an input", "For several labels an input: keep the sigmoid, with binary cross-entropy"),
            WARNING,
            units=units_of(output),
        )


_SIGMOIDS = ("sigmoid", "hard_sigmoid")


def one_class(view: RunView, output: LayerView) -> Iterator[Finding]:
    """A loss over classes on a single unit."""
    if view.loss.family in (CATEGORICAL, SPARSE) and units_of(output) == 1 and output.row.last("samples") > 1:
        yield mismatch(
            view,
            output,
            "Cross-entropy over classes needs one unit a class",
            f"`{output.name}` has a single unit, but the loss ({view.loss.name}) compares classes. Over one class every answer is "
            "right, so the loss and its gradient are 0 or meaningless from the start.",
            ("Use binary cross-entropy with one sigmoid unit", "Or give the last layer one unit a class"),
            units=1,
        )
