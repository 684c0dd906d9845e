"""The output cannot match the loss or the targets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import LEARNED, STUCK, learning
from tb_featuremap_plugin.diagnosis.output_shape import independent, mismatch, one_class, one_unit_softmax, spread_apart, units_of
from tb_featuremap_plugin.diagnosis.phrases import number, percent
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import UNKNOWN_ACTIVATION, Curve, LayerView, RunView
from tb_featuremap_plugin.schema.losses import BINARY, CATEGORICAL, HINGE, OTHER, REGRESSION, SPARSE

TOLERANCE = 0.02
"""Share of the range by which 5 % of the targets must lie outside what the output can reach."""

NEGATIVE = -0.01
"""A cross-entropy of proper targets is never below 0; this leaves room for rounding."""

NEGATIVE_UNKNOWN = -1.5
"""The same for a loss whose name is not known, over probabilities and labels. Losses made of overlaps and cosines reach -1 rightly."""


_Test = Callable[[RunView, LayerView], Iterator[Finding]]


def check(view: RunView) -> Iterable[Finding]:
    """Tries each kind of mismatch; the first that holds is reported."""
    output = view.output
    if output is None:
        return
    if view.record.loss_facts is not None and not view.targets.logged("mean").any():
        tests: tuple[_Test, ...] = (one_unit_softmax,)  # whose output the loss is of, nobody said
    else:
        tests = _TESTS
    found = next((finding for test in tests for finding in test(view, output)), None)
    if found is not None:
        yield found


def _twice(view: RunView, output: LayerView) -> Iterator[Finding]:
    loss = view.loss
    activation = output.answers
    categorical = loss.family in (CATEGORICAL, SPARSE) and activation.sums_to_one
    binary = loss.family == BINARY and activation.probabilities and not activation.sums_to_one
    if not loss.takes_logits or not (categorical or binary):
        return
    applied = "softmax" if categorical else "sigmoid"
    floor = _softmax_floor(units_of(output)) if categorical else _sigmoid_floor(view.targets.last("mean"))
    latest = learning(view).end
    if latest < floor * (1 - TOLERANCE):
        return
    yield mismatch(
        view,
        output,
        f"{activation.name.capitalize()} is applied twice",
        f"`{output.name}` ends in {activation.name}, and the loss ({loss.name}) applies {applied} once more. "
        f"So its scores lie between 0 and 1 from the start, and the loss cannot fall below about {number(floor)} (lately: "
        f"{number(latest)}); gradients are small, and learning is slow or stops.",
        (f"Remove the {activation.name} from the last layer", "Or use the loss on probabilities (from_logits=False)"),
        WARNING,
        floor=floor,
        latest_loss=latest,
    )


def _softmax_floor(units: float) -> float:
    """Least cross-entropy of softmax over scores in 0..1 with the right class at 1: ln(1 + (C - 1) / e)."""
    return math.log(1 + (units - 1) / math.e) if units > 1 else 0.0


def _sigmoid_floor(positive_share: float) -> float:
    """The same for sigmoid: ln(1 + 1/e) for each positive label, ln 2 for each negative one."""
    share = positive_share if 0 <= positive_share <= 1 else 1.0
    return share * math.log(1 + 1 / math.e) + (1 - share) * math.log(2)


def _lowest_loss(view: RunView) -> float:
    _, losses = view.loss_curve
    known = [float(loss) for loss in losses if math.isfinite(loss)]
    remembered = view.progress.last("lowest_loss")
    return min([*known, *([remembered] if math.isfinite(remembered) else [])], default=math.nan)


def _no_probabilities(view: RunView, output: LayerView) -> Iterator[Finding]:
    loss = view.loss
    expected = loss.is_cross_entropy and loss.takes_logits is False and not loss.takes_log_probabilities
    if not expected or output.answers.probabilities or output.answers is UNKNOWN_ACTIVATION:
        return
    low, high = _lowest(output.row("min")), -_lowest(-output.row("max"))
    wanted = "sigmoid" if loss.family == BINARY else "softmax"
    yield mismatch(
        view,
        output,
        "The loss expects probabilities and gets raw scores",
        f"The loss ({loss.name}) takes the logarithm of probabilities, but `{output.name}` ({output.answers.name}) puts out values from "
        f"{number(low)} to {number(high)} from the start on. "
        "Values below 0 or above 1 are cut off or turn into NaN, and where they are cut off there is no gradient.",
        (f"Tell the loss that it gets raw scores (from_logits=True), with no activation in `{output.name}`", f"Or end in {wanted}"),
        min=low,
        max=high,
    )


def _label_range(view: RunView) -> tuple[float, float]:
    """Lowest and highest target; NaN on a side where the one that the loss ignores hides what else there is."""
    low, high = view.targets.last("min"), view.targets.last("max")
    ignored = view.record.loss_facts.ignored if view.record.loss_facts else None
    return (math.nan if low == ignored else low), (math.nan if high == ignored else high)


def _lowest(curve: Curve) -> float:
    known = curve[~np.isnan(curve)]
    return float(known.min()) if len(known) else math.nan


def _bad_labels(view: RunView, output: LayerView) -> Iterator[Finding]:
    low, high = _label_range(view)
    units = units_of(output)
    if view.loss.family == SPARSE and view.targets.last("integers") == 1 and units > 1 and (high >= units or low < 0):
        what = f"class numbers from {number(low)} to {number(high)}, but `{output.name}` has units for 0 to {number(units - 1)}"
        advice: tuple[str, ...] = ("Give the last layer one unit a class, and number the classes from 0",)
    elif view.loss.family in (BINARY, CATEGORICAL) and (low < -TOLERANCE or high > 1 + TOLERANCE):
        what = f"targets from {number(low)} to {number(high)}, but this cross-entropy is made for 0 to 1"
        advice = (
            "For several classes: one softmax unit a class, with sparse categorical cross-entropy on class numbers",
            "For a number (regression): no activation in the last layer, with mean squared error",
        )
    else:
        return
    yield mismatch(
        view,
        output,
        "The targets do not fit the loss",
        f"From the start, the loss ({view.loss.name}) gets {what}. It then rewards answers without bound, can become negative, and "
        "pushes the output to its limit.",
        advice,
        target_min=low,
        target_max=high,
    )


def _out_of_range(view: RunView, output: LayerView) -> Iterator[Finding]:
    limits, family = output.answers.limits, view.loss.family
    if family in (CATEGORICAL, SPARSE, BINARY, HINGE) or not _comparable(view, output):
        return
    low, high = view.targets.last("p05"), view.targets.last("p95")
    spread = high - low
    below, above = low < limits[0] - TOLERANCE * spread, high > limits[1] + TOLERANCE * spread
    if not (below or above):
        return
    reach = _reach(*limits)
    yield mismatch(
        view,
        output,
        f"{output.name} cannot reach the targets",
        f"Most targets lie between {number(low)} and {number(high)}, but `{output.name}` ends in {output.answers.name}, which gives "
        f"{reach} only. "
        "So from the start the loss has a floor, and training pushes the output to its limit, where it stops.",
        ("Use no activation in the last layer for regression", f"Or scale the targets into {reach}"),
        target_p05=low,
        target_p95=high,
    )


def _reach(low: float, high: float) -> str:
    if math.isinf(high):
        return f"{number(low)} and more"
    return f"{number(high)} and less" if math.isinf(low) else f"{number(low)} to {number(high)}"


def _comparable(view: RunView, output: LayerView) -> bool:
    """A target each for every unit; class numbers for several units are of another kind."""
    return view.targets.last("units") == units_of(output)


def _several_labels(view: RunView, output: LayerView) -> Iterator[Finding]:
    low, high = view.targets.last("channel_sum_min"), view.targets.last("channel_sum_max")
    softmax = view.loss.family in (BINARY, *REGRESSION) and output.answers.sums_to_one and units_of(output) > 1
    if softmax and _comparable(view, output) and (low < 1 - TOLERANCE or high > 1 + TOLERANCE):
        yield mismatch(
            view,
            output,
            "Softmax cannot give several labels at once",
            f"The targets of one input sum to {number(low)} to {number(high)}, but `{output.name}` ends in {output.answers.name}, "
            "whose units always sum to 1. "
            "So from the start, inputs with several labels, or with none, cannot be answered rightly.",
            ("Use sigmoid in the last layer: each label is then a question of its own", "For numbers (regression): no activation there"),
            sum_min=low,
            sum_max=high,
        )


def _against_negative(view: RunView, output: LayerView) -> tuple[str, ...]:
    """What to try first: a loss on logarithms gets probabilities, or a sign or labels are wrong."""
    general = ("Check the sign of the loss", "Check that labels are 0 or 1, or one-hot")
    if not view.loss.takes_log_probabilities or not output.answers.probabilities:
        return general
    return ("Use log_softmax in place of softmax: this loss takes logarithms", "Or no softmax, and CrossEntropyLoss", *general)


def _negative_loss(view: RunView, output: LayerView) -> Iterator[Finding]:
    lowest = _lowest_loss(view)
    low, high = view.targets.last("min"), view.targets.last("max")
    classes = output.answers.probabilities and low >= 0 and (high <= 1 or view.targets.last("integers") == 1)
    unknown = view.loss.family in (None, OTHER) and classes
    if (view.loss.is_cross_entropy and lowest < NEGATIVE) or (unknown and lowest < NEGATIVE_UNKNOWN):
        yield mismatch(
            view,
            output,
            "The loss is negative",
            f"The loss fell to {number(lowest)}. A comparison of probabilities with labels cannot be below 0, so its sign is wrong or "
            "the labels are not between 0 and 1; "
            "minimising it drives the answers away from the labels.",
            _against_negative(view, output),
            lowest_loss=lowest,
        )


def _margin(view: RunView, output: LayerView) -> Iterator[Finding]:
    if view.loss.family == HINGE and output.answers.probabilities:
        yield mismatch(
            view,
            output,
            "The hinge loss cannot be met by probabilities",
            f"The hinge loss wants scores below -1 and above 1 for the two sides of a class, but `{output.name}` ends in "
            f"{output.answers.name}, between 0 and 1. "
            "The wrong side can never be reached, so the loss stays near 1 from the start whatever is learned.",
            ("Use cross-entropy with this output", "Or use no activation (or tanh) in the last layer, with targets of -1 and 1"),
            WARNING,
            lowest_loss=_lowest_loss(view),
        )


def _cut_off(view: RunView, output: LayerView) -> Iterator[Finding]:
    late = output.row.steps >= view.last_step / 2
    dead = output.row.median("dead_units", late)
    if output.answers.rectifies and dead > 0 and view.targets.last("max") > 0 and learning(view).level != LEARNED:
        yield mismatch(
            view,
            output,
            f"Units of {output.name} are cut off by ReLU",
            f"`{output.name}` is the output and ends in {output.answers.name}; {percent(dead)} of its units have been 0 for every "
            "probe input over the second half of the run. An output below zero is cut off, gets no gradient, and can never come back to "
            "meet its target.",
            _instead_of_relu(view),
            WARNING,
            dead_units=dead,
        )


def _instead_of_relu(view: RunView) -> tuple[str, ...]:
    if view.loss.takes_logits:
        return ("Use no activation in the last layer: the loss takes scores of both signs",)
    for_classes = "Use softmax or sigmoid in the last layer, with cross-entropy"
    for_numbers = "Use no activation in the last layer for regression"
    return (for_classes,) if view.loss.is_cross_entropy else (for_numbers, f"{for_classes}, where the targets are classes")


def _squared_classes(view: RunView, output: LayerView) -> Iterator[Finding]:
    labels = view.targets.last("integers") == 1 and view.targets.last("min") >= 0 and view.targets.last("max") <= 1
    unsuitable = view.loss.family in REGRESSION and output.answers.probabilities
    if not (unsuitable and labels and learning(view).level == STUCK):
        return
    finding = mismatch(
        view,
        output,
        "Squared error on probabilities learns slowly",
        f"The targets are classes and `{output.name}` ends in {output.answers.name}, but the loss is {view.loss.name}. "
        "Where an answer is confidently wrong, "
        f"the slope of {output.answers.name} is almost zero, so the gradient is small just where it should be large. The loss has not "
        "fallen from the start.",
        (f"Use {'categorical' if output.answers.sums_to_one else 'binary'} cross-entropy",),
        WARNING,
    )
    yield replace(finding, place="wrong_output: squared classes")


_TESTS: tuple[_Test, ...] = (
    one_unit_softmax,
    one_class,
    independent,
    spread_apart,
    _twice,
    _no_probabilities,
    _bad_labels,
    _out_of_range,
    _several_labels,
    _negative_loss,
    _margin,
    _cut_off,
    _squared_classes,
)
"""Each kind of mismatch, in the order in which they are tried."""


RULE = Rule(
    "wrong_output",
    check,
    Doc(
        says="the output cannot match its loss or targets",
        condition="[see below](#wrong_output)",
    ),
    is_consequence=False,
)
