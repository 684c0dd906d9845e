"""The loss does not fall, or rises; a warning where the weights wither meanwhile."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from tb_featuremap_plugin.diagnosis.findings import INFO, WARNING, Finding
from tb_featuremap_plugin.diagnosis.learning_progress import LEARNED, STUCK, STUCK_SHARE, Learning, has_stopped, learning
from tb_featuremap_plugin.diagnosis.phrases import number, percent, times
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView, VariableView, median
from tb_featuremap_plugin.schema.losses import CATEGORICAL, REGRESSION, SPARSE

FLAT = 0.98
"""What is left of the first losses, at least, for a loss to be called flat."""

RISEN = 1.5
MIN_LOSSES = 60
"""Fewer losses than this say little."""


WITHERED = 0.5
"""Median of the kernels' norms over those at the start, below which weight decay is the likely reason for a loss that does not fall.
Networks that learn shrink as far, to 0.35 in a small dense one with a strong decay, so it is no reason for anything else."""


def check(view: RunView) -> Iterable[Finding]:
    """Compares the latest losses with the first, and with chance."""
    steps, losses = view.loss_curve
    gate = learning(view)
    if len(losses) < MIN_LOSSES or not gate.start > 0:
        return
    left = _left_of_kernels(view)
    if left < WITHERED and (_stays_near_chance(gate) or (gate.is_poor and has_stopped(view))):
        yield _withered(view, gate, left)
        return
    if not gate.end >= FLAT * gate.start:
        return
    if gate.level == LEARNED and gate.end <= RISEN * gate.start:  # before this logdir began
        return
    if not view.targets.logged("mean").any() and view.loss.family not in _FALLS and gate.end <= RISEN * gate.start:
        return  # a critic, a policy, two views of one picture: such losses need not fall
    yield Finding(
        rule="flat_loss",
        severity=INFO,
        target=view.title,
        target_kind="run",
        first_step=int(steps[0]),
        last_step=int(steps[-1]),
        title="The loss rises" if gate.end > RISEN * gate.start else "The loss does not fall",
        message=f"{_seen(gate, int(steps[-1]))} If nothing else was found, the statistics of layers and weights give no reason, and it "
        "may lie in the data.",
        evidence={"first_losses": gate.start, "latest_losses": gate.end},
        advice=(
            "Check that labels belong to their inputs, before and after shuffling",
            "Check that the loss fits the output",
            "Try to learn a single batch by heart: if that fails, it is not the data",
        ),
        chart=chart("losses", "", "loss", healthy=(None, FLAT * gate.start)),
    )


_FALLS = (CATEGORICAL, SPARSE, *REGRESSION)
"""Losses that fall in a training that works, whoever it is that gives the targets."""


def _stays_near_chance(gate: Learning) -> bool:
    """A loss that holds the penalty itself falls with the weights, and may have learnt: that says nothing of it."""
    fell = gate.end < STUCK_SHARE * gate.start
    stuck = gate.level == STUCK or gate.end > RISEN * gate.start
    return stuck and not fell and not gate.end < min(STUCK_SHARE * gate.chance, RISEN * gate.start)


def _left_of_kernels(view: RunView) -> float:
    """Norm of the trainable kernels over that at the start, in the median; NaN if unknown."""
    kernels = [kernel for kernel in view.kernels if kernel.start_is_known and not kernel.starts_at_zero]
    return median(np.array([_left(kernel) for kernel in kernels]))


def _left(kernel: VariableView) -> float:
    """Norm over that at the start; NaN if that is unknown or 0."""
    initial = kernel.row.last("initial_norm")
    return kernel.row.last("norm") / initial if initial > 0 else math.nan


def _withered(view: RunView, gate: Learning, left: float) -> Finding:
    kernel = min((kernel for kernel in view.kernels if not math.isnan(_left(kernel))), key=_left)
    return Finding(
        rule="flat_loss",
        severity=WARNING,
        target=view.title,
        target_kind="run",
        first_step=view.steps[0],
        last_step=view.last_step,
        title="The weights shrink, and the loss does not fall",
        message=(
            f"The weights of the layers are left with {percent(left)} of their size at the start, in the median, and `{kernel.name}` "
            f"shrank most. {_seen(gate, view.last_step)} Weight decay, or an L2 penalty on the weights, takes away more than "
            "learning gives back, until little of the signal is left."
        ),
        evidence={"left_of_kernels": left, "healthy_min": WITHERED, "first_losses": gate.start, "latest_losses": gate.end},
        advice=(
            "Divide the weight decay by 100, or try without any",
            "Look for a penalty that is set twice, in the layers (kernel_regularizer) and in the optimizer",
        ),
        chart=chart("variables", kernel.name, "norm", healthy=(WITHERED * kernel.row.last("initial_norm"), None)),
        place="flat_loss: weights wither",
    )


def _seen(gate: Learning, last: int) -> str:
    if gate.end > RISEN * gate.start:
        return f"After {last:,} steps the loss is {number(gate.end)}, {times(gate.end / gate.start)} its start ({number(gate.start)})."
    return f"After {last:,} steps the loss is {number(gate.end)}, and it was {number(gate.start)} at the start."


RULE = Rule(
    "flat_loss",
    check,
    Doc(
        says="the loss does not fall, or rises, and nothing explains it",
        condition="after 60 losses, at least 98 % of the first ones; a note",
    ),
    Doc(
        says="the weights shrink while the loss does not fall, as weight decay does that is far too strong",
        condition="a run that is stuck near chance, has stopped above 0.65 of it, or is above 1.5 times its first losses, with"
        " kernels below 0.5 of their norms at"
        " the start in the median",
        usual="networks that learn shrink as far, to 0.35",
        when="as a warning",
    ),
    is_note=True,
)
