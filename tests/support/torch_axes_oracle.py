"""Which axis of what a torch layer puts out is the sample and which the channel: found by changing one and looking what moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from tb_featuremap_plugin.arrays.layouts import canonical_maps
from tb_featuremap_plugin.integrations.torch.call_trace import ModuleCall, Trace, trace
from tb_featuremap_plugin.integrations.torch.capture import capturing

Array = npt.NDArray[Any]

_SAMPLE = 1
"""The sample that is changed."""


@dataclass
class Verdict:
    """What was found of the layers of a network: names of those whose layout is true, is wrong, or is not known."""

    true: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def judge(model: nn.Module, probe: torch.Tensor, sample_axis: int = 0) -> Verdict:
    """Compares the layout of every layer's output with what perturbations move.

    Args:
        model: any module.
        probe: its input, with two samples or more.
        sample_axis: which axis of it they lie along.
    """
    model = model.eval().double()
    probe = probe.double() if probe.is_floating_point() else probe
    other = probe.clone().movedim(sample_axis, 0)
    other[_SAMPLE] = other[_SAMPLE] * 0.7 + 0.3 if probe.is_floating_point() else (other[_SAMPLE] + 1) % 7
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
        found = trace(model, lambda: model(probe))
        names = [call.name for call in found.calls if call.axes]
        plain, moved = (_outputs(model, found, names, one) for one in (probe, other.movedim(0, sample_axis)))
        verdict = Verdict()
        for call in found.calls:
            if call.name not in plain:
                continue
            if call.arrangement is None:
                verdict.unknown.append(call.name)
                continue
            samples = _only(plain[call.name], moved[call.name], 0, _SAMPLE)
            channels = _channels(model, found, call, plain[call.name], probe)
            (verdict.true if samples is not False and channels is not False else verdict.wrong).append(call.name)
    return verdict


def _outputs(model: nn.Module, found: Trace, names: list[str], probe: torch.Tensor) -> dict[str, Array]:
    arrangements = {call.name: call.arrangement for call in found.calls}
    taken: dict[str, torch.Tensor] = {}
    with capturing(model, found, names, lambda name, tensor: taken.update({name: tensor.clone()})) as changed:
        model(probe)
    assert not changed
    return {
        name: canonical_maps(tensor.numpy(), arranged.layout) if (arranged := arrangements[name]) else tensor.numpy()
        for name, tensor in taken.items()
    }


def _only(before: Array, after: Array, axis: int, index: int | None = None) -> bool | None:
    """Whether of an axis just one entry moved, and it is this one; None if nothing moved, or if no axis tells."""
    moved = ~np.isclose(before, after, rtol=1e-9, atol=1e-12)
    along = [np.atleast_1d(moved.any(axis=tuple(other for other in range(moved.ndim) if other != at))) for at in range(moved.ndim)]
    if not moved.any() or len(along[axis]) == 1:
        return None
    if along[axis].sum() == 1 < len(along[axis]) and (index is None or along[axis][index]):
        return True
    single = [at for at in range(moved.ndim) if along[at].sum() == 1 < len(along[at])]
    return False if single or index is not None else None


def _channels(model: nn.Module, found: Trace, call: ModuleCall, before: Array, probe: torch.Tensor) -> bool | None:
    """Whether one channel moves where the bias or the filter that makes it is changed, in the layer or the one before; None if unknown."""
    by_name = {one.name: one for one in found.calls}
    maker = call if _maker(call.module) is not None else by_name.get(call.inputs[0]) if len(call.inputs) == 1 else None
    parameter = _maker(maker.module) if maker is not None and maker.calls == 1 else None
    if parameter is None or before.shape[1] != len(parameter) or _times_used(model, parameter) > 1:
        return None
    index, kept = len(parameter) // 2, parameter.clone()
    parameter[index] += 0.4
    after = _outputs(model, found, [call.name], probe)[call.name]
    parameter.copy_(kept)
    return _only(before, after, 1, index if maker is call else None)


def _times_used(model: nn.Module, parameter: torch.Tensor) -> int:
    return sum(own is parameter for part in model.modules() for own in part._parameters.values())


def _maker(module: nn.Module) -> Any:
    """A parameter with an entry a channel of what a module puts out."""
    own = dict(module.named_parameters(recurse=False))
    rows = isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))
    bias, weight = own.get("bias"), own.get("weight")
    return bias if bias is not None else weight if weight is not None and (weight.ndim == 1 or rows) else None
