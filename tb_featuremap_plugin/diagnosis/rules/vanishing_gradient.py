"""The gradient fades on its way from the loss back to the first layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tb_featuremap_plugin.diagnosis.findings import ERROR, INFO, Finding
from tb_featuremap_plugin.diagnosis.initial_scale import sentence, starts_small
from tb_featuremap_plugin.diagnosis.learning_progress import EARLY, LEARNED, LEARNING, early, judged_steps, learning
from tb_featuremap_plugin.diagnosis.phrases import number, percent
from tb_featuremap_plugin.diagnosis.reference_ranges import chart
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView, VariableView
from tb_featuremap_plugin.schema.answers import Severity, TargetKind

LOST = 1e-3
"""Gradient norm of the first kernel over the largest of any kernel. 95 % of 94 runs that learn stay above 0.15, the lowest is 0.012."""

FADING = 2e-2
STILL = 1e-5
"""A gradient share below FADING counts as lost if besides the first kernel's update ratio is below STILL."""

SQUASHED = 5e-2
"""Gradient share that is blamed for a loss that hardly falls where several sigmoid, tanh or softmax layers lie on the way."""

_LATEST = 5
"""Latest gradients of which the median is taken."""

_STACK = 2
_LINEAR_IN_GRADIENT = ("sgd", "momentum", "nesterov")
"""Optimizers whose update is proportional to the gradient, so that one can be inferred from the other."""


@dataclass(frozen=True)
class _Profile:
    """Typical gradient norm of each kernel from the first to the last."""

    kernels: Sequence[VariableView]
    norms: Sequence[float]
    inferred: bool

    @property
    def share(self) -> float:
        """The first kernel's over the largest."""
        return self.norms[0] / max(self.norms) if max(self.norms) > 0 else math.nan

    def steepest(self) -> VariableView:
        """The kernel at which the gradient falls most on its way back."""
        drops = [here / max(after, 1e-300) for here, after in zip(self.norms, self.norms[1:], strict=False)]
        return self.kernels[drops.index(min(drops))]


def check(view: RunView) -> Iterable[Finding]:
    """Compares the first trainable kernel's gradient with the largest of any kernel."""
    profile, gate = _profile(view), learning(view)
    if profile is None or gate.level in (LEARNED, EARLY) or gate.beats_chance:
        return
    if _is_cut(profile):
        return  # nothing at all comes back: `unchanged_weights` says so
    ratio = profile.kernels[0].row.median("update_ratio", judged_steps(view, profile.kernels[0].row))
    fading = profile.share < FADING and ratio < STILL
    squashed = gate.is_poor and profile.share < SQUASHED and len(_squashing(view)) >= _STACK
    if (profile.share < LOST or fading or squashed) and not _comes_back(view, profile.kernels):
        yield _finding(view, profile, ratio, INFO if gate.level == LEARNING and not gate.is_poor else ERROR)


def _is_cut(profile: _Profile) -> bool:
    """Whether the gradient is whole at one kernel and nothing at the one before it, as behind detach() or stop_gradient."""
    largest = max(profile.norms)
    zeros = [norm == 0 for norm in profile.norms]
    first = zeros.index(False) if False in zeros else len(zeros)
    return (
        0 < first < len(zeros)
        and profile.norms[first] > SQUASHED * largest
        and all(kernel.row.last("displacement") == 0 for kernel in profile.kernels[:first])
    )


def _comes_back(view: RunView, kernels: Sequence[VariableView]) -> bool:
    """Whether the latest gradients reach the first kernel: last layers and branches that start at zero let little through at first."""
    norms = [kernel.row.last("gradient_norm", _LATEST) for kernel in kernels]
    return not math.isnan(norms[0]) and norms[0] > SQUASHED * np.nanmax(norms)


def _profile(view: RunView) -> _Profile | None:
    kernels = view.kernels
    if len(kernels) < 2:
        return None
    norms = [kernel.row.median("gradient_norm", early(view, kernel.row)) for kernel in kernels]
    inferred = all(math.isnan(norm) for norm in norms)
    if inferred and any(word in (view.record.optimizer or "").lower() for word in _LINEAR_IN_GRADIENT):
        norms = [kernel.row.median("update_norm", judged_steps(view, kernel.row)) for kernel in kernels]
    known = [(kernel, norm) for kernel, norm in zip(kernels, norms, strict=True) if not math.isnan(norm)]
    if len(known) < 2 or known[0][0] is not kernels[0]:
        return None
    return _Profile([kernel for kernel, _ in known], [norm for _, norm in known], inferred)


def _finding(view: RunView, profile: _Profile, ratio: float, severity: Severity) -> Finding:
    first, last = profile.kernels[0], profile.kernels[-1]
    steepest = profile.steepest()
    kind: TargetKind = "layer" if first.layer else "variable"
    target = first.layer.name if first.layer else first.name
    how = "judged from the size of its updates, " if profile.inferred else ""
    moves = f" and moves by {percent(ratio)} of its size a step" if math.isfinite(ratio) else ""
    return Finding(
        rule="vanishing_gradient",
        severity=severity,
        target=target,
        target_kind=kind,
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"The gradient hardly reaches {target}",
        message=(
            f"From the start, {how}the gradient shrinks from {number(profile.norms[-1])} at `{last.name}` to {number(profile.norms[0])} "
            f"at `{first.name}`, "
            f"most of all at `{steepest.name}`. `{first.name}` gets {percent(profile.share)} of the largest gradient{moves}: "
            f"the first layers cannot learn. {_cause(view, profile)}"
        ),
        evidence={
            "gradient_share": profile.share,
            "healthy_min": 0.012,
            "update_ratio": ratio,
            "steepest": steepest.name,
            "gradient_norms": {kernel.name: norm for kernel, norm in zip(profile.kernels, profile.norms, strict=True)},
        },
        advice=(
            "Use relu with he_normal in hidden layers",
            "Put BatchNorm between the layers, or add skip connections",
            "Keep softmax for the output: inside the network it divides every gradient by the number of units",
        )
        if _squashing(view)
        else ("Use he_normal", "Put BatchNorm between the layers, or add skip connections"),
        chart=chart("variables", first.name, "gradient_norm"),
    )


def _squashing(view: RunView) -> list[str]:
    return [layer.name for layer in view.hidden if layer.activation.squashes]


def _cause(view: RunView, profile: _Profile) -> str:
    small = next((kernel for kernel in profile.kernels if starts_small(kernel)), None)
    if small is not None:
        return f"{sentence(small)} (`{small.name}`)"
    squashing = _squashing(view)
    if squashing:
        return f"Each sigmoid, tanh or softmax on the way makes it smaller: there are {len(squashing)} hidden ones here."
    return "Layers that put out nothing, or almost the same for every input, stop it on its way."


RULE = Rule(
    "vanishing_gradient",
    check,
    Doc(
        says="the gradient fades on its way to the first layers",
        condition="the first kernel's norm below 1e-3 of the largest; below 0.05 behind two squashing layers in a run that hardly"
        " learns; below 0.02 if the first kernel moves by less than 1e-5; where nothing at all comes, see `unchanged_weights`",
        usual="above 0.15, lowest 0.012",
    ),
)
