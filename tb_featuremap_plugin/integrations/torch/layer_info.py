"""What is known of torch modules, as `fm.Layer`s in the order in which they are called."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from tb_featuremap_plugin.arrays.layouts import UNKNOWN_LAYOUT
from tb_featuremap_plugin.integrations.torch.call_trace import ModuleCall, Trace
from tb_featuremap_plugin.integrations.torch.module_kinds import CONVOLUTION_MODULES, activation_of, kind_of
from tb_featuremap_plugin.integrations.torch.module_variables import VariableNames, Variables
from tb_featuremap_plugin.schema.layer_kinds import family_of
from tb_featuremap_plugin.schema.network import Layer

__all__ = ["activation_of", "describe", "kind_of", "kind_of_call"]


def describe(trace: Trace, module: nn.Module, names: Collection[str] = ()) -> list[Layer]:
    """The layers of a pass in order of depth, and among them what has variables and was not called, where those were first used.

    Args:
        trace: of the pass.
        module: that was called.
        names: of calls that are logged; blocks and functions are described only if they are among them.
    """
    named = frozenset(names)
    calls = sorted((*trace.calls, *(call for call in trace.others if call.name in named)), key=lambda call: call.order)
    variables, roles = VariableNames(module), _roles(trace)
    paths = {id(part): name for name, part in module.named_modules()}
    described: list[tuple[float, Layer]] = []
    seen: set[int] = set()
    for call in calls:
        new = id(call.module) not in seen and not call.function
        kind = kind_of_call(trace, call, paths)
        own = variables.of(call.module, paths[id(call.module)], kind, trace.uses) if new else Variables()
        seen |= {id(call.module)} if new else set()
        described.append((call.order, _describe(call, kind, own, roles.get(call.name, "hidden"), trace)))
    for path, part in module.named_modules():
        idle = _idle(path, part, seen, variables, trace, module)
        described += [idle] if idle is not None else []
    return [layer for _, layer in sorted(described, key=lambda one: one[0])]


def kind_of_call(trace: Trace, call: ModuleCall, paths: Mapping[int, str]) -> str:
    """What is called: a module's kind, or a function's name; a block that is named after what it is made of is just that."""
    if call.function:
        return call.function
    path = paths.get(id(call.module), "")
    own = (f"{path}.{name}" if path else name for name, _ in call.module.named_parameters(recurse=False))
    kind = kind_of(call.module, {use for name in own for use in trace.uses.get(name, ())})
    return "block" if call in trace.others and family_of(kind) else kind


def _idle(
    path: str, part: nn.Module, seen: set[int], variables: VariableNames, trace: Trace, model: nn.Module
) -> tuple[float, Layer] | None:
    """A module that has variables and no call that is listed, and the place where they are first used; None for others."""
    if id(part) in seen or _is_inside(path, model):
        return None
    kind = kind_of(part)
    own = variables.of(part, path, kind, trace.uses)
    if not own.weights and not own.state:
        return None
    place = min((trace.used_at[name] for name in own.weights if name in trace.used_at), default=float("inf"))
    kernels = own.kernels if place < float("inf") or own.kernels else None
    layer = _describe(ModuleCall(path or "model", part, (), 0), kind, replace(own, kernels=kernels), "hidden", trace)
    return place - 0.5, layer


def _is_inside(path: str, model: nn.Module) -> bool:
    """Whether a module is a part of attention or of a parametrisation, whose variables are those of the module around it."""
    parts = path.split(".")
    # by the class: a scripted module refuses its own
    outer = [nn.Module.get_submodule(model, ".".join(parts[:end])) for end in range(len(parts))]
    return "parametrizations" in parts or any(isinstance(module, nn.MultiheadAttention) for module in outer)


def layout_of(call: ModuleCall) -> str | None:
    """The layout of a call's output as it is logged; "unknown" where its axes are not known, None where it is no tensor."""
    if not call.axes:
        return None
    return call.arrangement.layout if call.arrangement is not None else UNKNOWN_LAYOUT


def _describe(call: ModuleCall, kind: str, variables: Variables, role: str, trace: Trace) -> Layer:
    module: Any = nn.Identity() if call.function else call.module
    padding = getattr(module, "padding", None)
    function, axis = trace.functions.get(call.name, (None, _axis(module, call.axes)))
    return Layer(
        call.name,
        kind=kind,
        activation=activation_of(module, kind),
        weights=variables.weights,
        state=variables.state,
        trainable=variables.trainable,
        frozen=variables.frozen,
        kernels=variables.kernels,
        role=role,
        inputs=call.inputs,
        kernel_size=_numbers(module, "kernel_size"),
        strides=_numbers(module, "stride"),
        padding=padding if isinstance(padding, str) else _numbers(module, "padding"),
        dilation=_numbers(module, "dilation"),
        groups=getattr(module, "groups", None) if isinstance(module, CONVOLUTION_MODULES) else None,
        receives=call.receives,
        output_function=function,
        output_axis=axis,
        layout=layout_of(call),
        calls=call.calls if call.calls > 1 else None,
        rate=float(module.p) if isinstance(module, nn.modules.dropout._DropoutNd) else None,
    )


def _axis(module: nn.Module, axes: int) -> int | None:
    """The axis over which a softmax sums to 1; None for other modules, and where it was not said."""
    dim = getattr(module, "dim", None) if isinstance(module, (nn.Softmax, nn.LogSoftmax, nn.Softmin)) else None
    return dim % axes if isinstance(dim, int) and axes else None


def _numbers(module: nn.Module, attribute: str) -> tuple[int, ...] | None:
    value: Any = getattr(module, attribute, None)
    if isinstance(value, int) and not isinstance(value, bool):
        axes = re.search(r"(\d)d$", type(module).__name__)
        return (value,) * (int(axes.group(1)) if axes else 1)
    return tuple(value) if isinstance(value, Sequence) and all(isinstance(number, int) for number in value) else None


def _roles(trace: Trace) -> Mapping[str, str]:
    """Roles of the calls that the outputs came from; what only leads to another of them, as past a shortcut, is hidden."""
    before = _before({call.name: call.inputs for call in trace.calls})
    ends = {name for names in trace.outputs for name in names}
    inner = {name for end in ends for name in before.get(end, ())}
    several = len(trace.outputs) > 1
    return {
        name: "auxiliary" if several and index > 0 and "aux" in name else "output"
        for index, names in enumerate(trace.outputs)
        for name in names
        if name not in inner
    }


def _before(inputs: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    """Of each call the names of all that lead to it; calls are listed in order."""
    found: dict[str, frozenset[str]] = {}
    for name, direct in inputs.items():
        known = [one for one in direct if one in found]
        found[name] = frozenset(known).union(*(found[one] for one in known))
    return found
