"""Weights that start where training cannot get away from: all zero, all units equal, or far from the scale that the width asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tb_featuremap_plugin.diagnosis.findings import ERROR, WARNING, Finding
from tb_featuremap_plugin.diagnosis.initial_scale import he_std, scale_factor, sentence
from tb_featuremap_plugin.diagnosis.learning_progress import LEARNED, STUCK, learning
from tb_featuremap_plugin.diagnosis.phrases import names, percent
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView, VariableView
from tb_featuremap_plugin.schema.answers import TargetKind

EQUAL_UNITS = 1e-4
"""Deviation of units from their mean over the mean absolute weight. Random initialisers give more than 0.1."""

ZERO_NORM = 1e-8
"""Norm at or below which a kernel starts at zero."""

LONG = 100
"""Updates after which a loss that has not fallen is blamed on the scale of the start: many an odd start is mended by then."""

FAR_SCALE = 10.0
"""Factor to the usual standard deviation from which on the scale alone is blamed for a run that is stuck. With depth L it
multiplies the signal by its L-th power. Over 94 runs that learn it stays within 3."""


def check(view: RunView) -> Iterable[Finding]:
    """Reports the first kernel of each kind of bad start."""
    inner = list(_hidden_kernels(view))
    zero = [kernel for kernel in inner if kernel.row.first("initial_norm") <= ZERO_NORM and not _harmless_zero(view, kernel)]
    equal = [kernel for kernel in inner if kernel.row.first("initial_norm") > ZERO_NORM and kernel.row.first("unit_spread") < EQUAL_UNITS]
    if zero:
        yield _zero(view, zero)
    if equal:
        yield _equal(view, equal)
    if not zero and not equal:
        yield from _off_scale(view)


def _hidden_kernels(view: RunView) -> Iterator[VariableView]:
    """All kernels but those of the last layer, which may well start at zero: its units get different gradients all the same.

    Of a training that was resumed, nobody knows how it started.
    """
    last = view.kernels[-1].layer if view.kernels else None
    for kernel in view.kernels:
        is_last = kernel.layer is not None and last is not None and kernel.layer.name == last.name
        if kernel.start_is_known and not is_last:
            yield kernel


_FEW_UPDATES = 3
"""Updates before which a kernel that starts at zero may still stand there: what follows it may start at zero too."""


def _harmless_zero(view: RunView, kernel: VariableView) -> bool:
    """A zero start is deliberate in some residual branches: it is harmless where the kernel grows and its units come apart.

    It is no fault either where the signal has another way, past that kernel.
    """
    if view.last_step < _FEW_UPDATES or (kernel.layer is not None and kernel.layer.name not in view.path):
        return True
    grows = kernel.row.last("norm") > ZERO_NORM
    return grows and (learning(view).level == LEARNED or kernel.row.last("unit_spread") > EQUAL_UNITS) and not _layer_is_constant(kernel)


def _layer_is_constant(kernel: VariableView) -> bool:
    return kernel.layer is not None and kernel.layer.row.last("constant_units") >= 1


def _zero(view: RunView, kernels: list[VariableView]) -> Finding:
    first = kernels[0]
    return Finding(
        rule="bad_init",
        severity=ERROR,
        target=_target(first),
        target_kind=_target_kind(first),
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"{first.name} starts at zero",
        message=(
            f"Every weight of {names([kernel.name for kernel in kernels])} is 0 from the start. The layer then gives the same answer for "
            "every input, "
            "and little or no gradient comes through it, so that it and the layers around it cannot start to learn."
        ),
        evidence={"initial_norm": first.row.first("initial_norm"), "variables": [kernel.name for kernel in kernels]},
        advice=("Initialise kernels at random: he_normal for ReLU layers, glorot_uniform otherwise; only biases may start at 0",),
        chart=chart("variables", first.name, "norm"),
    )


def _equal(view: RunView, kernels: list[VariableView]) -> Finding:
    first = kernels[0]
    spread = first.row.first("unit_spread")
    return Finding(
        rule="bad_init",
        severity=ERROR,
        target=_target(first),
        target_kind=_target_kind(first),
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"All units of {_target(first)} start equal",
        message=(
            f"All units of {names([kernel.name for kernel in kernels])} start with the same weights (they differ by {percent(spread)} of "
            "their size; "
            "random initialisers give about 100 %). Equal units compute the same thing and get the same gradient, so they stay copies of "
            "each other: "
            "the layer works as if it had a single unit."
        ),
        evidence={"unit_spread": spread, "healthy_min": 0.1, "variables": [kernel.name for kernel in kernels]},
        advice=("Initialise kernels at random: he_normal for ReLU layers, glorot_uniform otherwise",),
        chart=chart("variables", first.name, "unit_spread"),
    )


def _off_scale(view: RunView) -> Iterator[Finding]:
    gate = learning(view)
    if gate.level != STUCK or gate.updates < LONG:
        return
    for kernel in view.kernels:
        factor = scale_factor(kernel)
        if factor > 0 and not 1 / FAR_SCALE < factor < FAR_SCALE and not kernel.starts_at_zero:
            yield _far(view, kernel, factor)
            return


def _far(view: RunView, kernel: VariableView, factor: float) -> Finding:
    usual = he_std(kernel.row.first("fan_in"))
    size = "large" if factor > 1 else "small"
    effect = "drives the layers after it to their limits" if factor > 1 else "lets the signal and the gradient fade from layer to layer"
    return Finding(
        rule="bad_init",
        severity=WARNING,
        target=_target(kernel),
        target_kind=_target_kind(kernel),
        first_step=view.steps[0],
        last_step=view.last_step,
        place="bad_init: too large" if factor > 1 else "bad_init: too small",
        title=f"{kernel.name} starts far too {size}",
        message=f"{sentence(kernel)} That {effect}, and so far the loss has not fallen.",
        evidence={"initial_std": kernel.row.first("initial_std"), "he_std": usual, "factor": factor},
        advice=("Use he_normal before ReLU, glorot_uniform before tanh, sigmoid or softmax", "Or put BatchNorm after the layer"),
        chart=chart("variables", kernel.name, "std", healthy=(usual / 3, usual * 3)),
    )


def _target(kernel: VariableView) -> str:
    return kernel.layer.name if kernel.layer else kernel.name


def _target_kind(kernel: VariableView) -> TargetKind:
    return "layer" if kernel.layer else "variable"


RULE = Rule(
    "bad_init",
    check,
    Doc(
        says="units start equal; kernels start at zero; the initial scale is far off",
        condition="difference between units below 1e-4 of the weights' size; norm below 1e-8 in a hidden layer that does not grow"
        " out of it; standard deviation over 10 times off He's and Glorot's in a run that is stuck",
        usual="difference above 0.1; scale within 3 times",
    ),
)
