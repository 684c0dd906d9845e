"""What is known of torch modules, as `fm.Layer`s in the order in which they are called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from tb_featuremap_plugin.arrays.layouts import UNKNOWN_LAYOUT
from tb_featuremap_plugin.integrations.torch.call_trace import ModuleCall, Trace
from tb_featuremap_plugin.schema import activations
from tb_featuremap_plugin.schema.layer_kinds import ACTIVATION, NORMALISATION, family_of
from tb_featuremap_plugin.schema.network import Layer

_KINDS = (
    (re.compile(r"^Lazy"), ""),
    (re.compile(r"^Linear$"), "dense"),
    (re.compile(r"^(Sync)?BatchNorm.*|^InstanceNorm.*"), "batch_normalization"),
    (re.compile(r"^LayerNorm$|^RMSNorm$"), "layer_normalization"),
    (re.compile(r"^GroupNorm$"), "group_normalization"),
    (re.compile(r"^ConvTranspose(\dd)$"), r"conv\1_transpose"),
    (re.compile(r"^MaxPool(\dd)$"), r"max_pooling\1"),
    (re.compile(r"^AvgPool(\dd)$"), r"average_pooling\1"),
    (re.compile(r"^(.*)ReLU(6?)$"), r"\1_relu\2"),
)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])")

_CONVOLUTIONS = (nn.modules.conv._ConvNd,)
_HARD_LIMITS = {(-1, 1): "hard_tanh", (0, 6): "relu6"}
"""What `nn.Hardtanh` is, by its limits."""


def kind_of(module: nn.Module) -> str:
    """The class in words, the same as for Keras where the two mean the same."""
    name = type(module).__name__
    for pattern, replacement in _KINDS:
        name = pattern.sub(replacement, name)
    words = _WORD_START.sub("_", name).lower().lstrip("_").replace("__", "_")
    depthwise = isinstance(module, _CONVOLUTIONS) and 1 < module.groups == module.in_channels
    return f"depthwise_{words}" if depthwise else words


def activation_of(module: nn.Module) -> str | None:
    """Name of a module's activation; "linear" for convolutions and dense layers, None where the question makes no sense."""
    if isinstance(module, (*_CONVOLUTIONS, nn.Linear)):
        return "linear"
    if isinstance(module, nn.Hardtanh):
        return _HARD_LIMITS.get((module.min_val, module.max_val))
    kind = kind_of(module)
    known = activations.find(kind) if family_of(kind) == ACTIVATION else None
    return known.name if known is not None else None


def is_worth_a_picture(module: nn.Module) -> bool:
    """Whether a module's output is logged by default: convolutions, dense layers, normalisations and activations."""
    return isinstance(module, (*_CONVOLUTIONS, nn.Linear)) or family_of(kind_of(module)) in (ACTIVATION, NORMALISATION)


def describe(trace: Trace, module: nn.Module) -> list[Layer]:
    """The layers of a pass in order of depth, then what has variables and was not called.

    Args:
        trace: of the pass.
        module: that was called.
    """
    roles = _roles(trace)
    names = {id(part): name for name, part in module.named_modules()}
    described, seen = [], set()
    for call in trace.calls:
        own = "" if id(call.module) in seen else names[id(call.module)]
        seen.add(id(call.module))
        first = call.name.partition(":")[0] == call.name
        layer = _describe(call, own, roles.get(call.name, "hidden"), with_variables=first)
        function, axis = trace.functions.get(call.name, (None, layer.output_axis))
        described.append(replace(layer, output_function=function, output_axis=axis))
    idle = [(name, part) for name, part in module.named_modules() if id(part) not in seen and _has_variables(part, module)]
    return described + [_describe(ModuleCall(name or "model", part, (), 0), name, "hidden", with_variables=True) for name, part in idle]


def layout_of(call: ModuleCall) -> str | None:
    """The layout of a call's output as it is logged; "unknown" where its axes are not known, None where it is no tensor."""
    if not call.axes:
        return None
    return call.arrangement.layout if call.arrangement is not None else UNKNOWN_LAYOUT


def _describe(call: ModuleCall, path: str, role: str, *, with_variables: bool) -> Layer:
    module = call.module
    weights, state, trainable = _variables(module, path) if with_variables else ((), (), True)
    return Layer(
        call.name,
        kind=kind_of(module),
        activation=activation_of(module),
        weights=weights,
        state=state,
        trainable=trainable,
        role=role,
        inputs=call.inputs,
        kernel_size=_numbers(module, "kernel_size"),
        strides=_numbers(module, "stride"),
        padding=getattr(module, "padding", None) if isinstance(getattr(module, "padding", None), str) else _numbers(module, "padding"),
        dilation=_numbers(module, "dilation"),
        groups=getattr(module, "groups", None) if isinstance(module, _CONVOLUTIONS) else None,
        receives=call.receives,
        output_axis=_axis(module, call.axes),
        layout=layout_of(call),
    )


def _axis(module: nn.Module, axes: int) -> int | None:
    """The axis over which a softmax sums to 1; None for other modules, and where it was not said."""
    dim = getattr(module, "dim", None) if isinstance(module, (nn.Softmax, nn.LogSoftmax, nn.Softmin)) else None
    return dim % axes if isinstance(dim, int) and axes else None


def _variables(module: nn.Module, path: str) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Names of what training changes, names of the rest, and whether anything is to change at all."""
    deep = isinstance(module, nn.MultiheadAttention)
    parameters = dict(module.named_parameters(prefix=path, recurse=deep))
    buffers = [name for name, buffer in module.named_buffers(prefix=path, recurse=deep) if buffer.is_floating_point()]
    moving = [name for name, parameter in parameters.items() if parameter.requires_grad]
    if not moving:
        return tuple(parameters), tuple(buffers), not parameters
    still = [name for name in parameters if name not in moving]
    return tuple(moving), (*still, *buffers), True


def _has_variables(part: nn.Module, module: nn.Module) -> bool:
    inside_attention = any(
        part is child
        for other in module.modules()
        if isinstance(other, nn.MultiheadAttention)
        for child in other.modules()
        if child is not other
    )
    return not inside_attention and (any(True for _ in part.parameters(recurse=False)) or _any_buffer(part))


def _any_buffer(part: nn.Module) -> bool:
    return any(True for _ in part.buffers(recurse=False))


def _numbers(module: nn.Module, attribute: str) -> tuple[int, ...] | None:
    value: Any = getattr(module, attribute, None)
    if isinstance(value, int) and not isinstance(value, bool):
        axes = re.search(r"(\d)d$", type(module).__name__)
        return (value,) * (int(axes.group(1)) if axes else 1)
    return tuple(value) if isinstance(value, Sequence) and all(isinstance(number, int) for number in value) else None


def _roles(trace: Trace) -> Mapping[str, str]:
    several = len(trace.outputs) > 1
    return {
        name: "auxiliary" if several and index > 0 and "aux" in name else "output"
        for index, names in enumerate(trace.outputs)
        for name in names
    }
