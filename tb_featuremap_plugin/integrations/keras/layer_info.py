"""What is known of Keras layers, as `fm.Layer`s in the order in which they are called."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras

from tb_featuremap_plugin.integrations.keras.call_trace import LayerCall, Trace
from tb_featuremap_plugin.integrations.keras.leaf_layers import named_layers, variables_of
from tb_featuremap_plugin.integrations.keras.variable_names import VariableNames
from tb_featuremap_plugin.schema import activations
from tb_featuremap_plugin.schema.layer_kinds import ACTIVATION, CONVOLUTIONS, DENSE, family_of, is_known
from tb_featuremap_plugin.schema.network import Layer

_GENERAL = (keras.layers.Layer, keras.layers.Wrapper, keras.Model, object)
"""Classes that say nothing of what a layer does."""

_DROPOUT = (keras.layers.Dropout, keras.layers.AlphaDropout, keras.layers.GaussianDropout)

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=D)(?=[A-Z])|(?<=[a-z])(?=[A-Z])")


def kind_of(layer: Any) -> str:
    """The class in words: "conv2d_transpose", "batch_normalization"; of a subclass of a Keras layer, that layer's."""
    for kind in type(layer).__mro__:
        if kind in _GENERAL:
            break
        if kind.__module__.partition(".")[0] == "keras" or is_known(kind.__name__):
            return snake_case(kind.__name__)
    return snake_case(type(layer).__name__)


def snake_case(name: str) -> str:
    """A class's name in words: "Conv2DTranspose" is "conv2d_transpose", "LeakyReLU" is "leaky_relu"."""
    return _WORD_START.sub("_", name).lower().replace("re_lu", "relu")


def describe(
    traces: Sequence[Trace],
    model: Any,
    names: VariableNames,
    logged: Collection[str],
    facts: CallFacts,
    loss_weights: Any = None,
) -> list[Layer]:
    """The layers of passes in order of depth, then what has variables and was not called.

    Args:
        traces: of the passes, one for each network that the probe goes through.
        model: that they are of.
        names: of variables.
        logged: names of the calls whose outputs are logged: of blocks, only these are listed.
        facts: what else is known of calls.
        loss_weights: as the model was compiled with: outputs that count less are auxiliary.
    """
    roles = {name: role for trace in traces for name, role in _roles(trace, loss_weights).items()}
    calls = {call.name: call for trace in traces for call in trace.calls if not call.block or call.name in logged}
    described, seen = [], set()
    for call in calls.values():
        first = id(call.layer) not in seen
        seen.add(id(call.layer))
        known = replace(call, inputs=tuple(name for name in call.inputs if name in calls))
        described.append(_described(known, names if first else VariableNames(()), roles.get(call.name, "hidden"), facts))
    idle = [(name, layer) for name, layer in named_layers(model).items() if id(layer) not in seen]
    for name, layer in [*idle, (model.name, model)]:
        if sum(map(len, variables_of(layer))):
            described.append(_describe(LayerCall(name, layer, (), None), names, "hidden"))
    return described


def activation_of(layer: Any) -> str | None:
    """Name of a layer's activation; "linear" if a convolution or dense layer has none, None where the question makes no sense."""
    if isinstance(layer, keras.layers.ReLU):
        if layer.negative_slope:
            return "leaky_relu"
        return "relu6" if layer.max_value == 6 else "relu"
    kind = kind_of(layer)
    function = getattr(layer, "activation", None)
    if function is None:
        known = activations.find(kind) if family_of(kind) == ACTIVATION else None
        return known.name if known is not None else "linear" if family_of(kind) in (*CONVOLUTIONS, DENSE) else None
    name = str(getattr(function, "__name__", type(function).__name__))
    known = activations.find(name)
    return known.name if known is not None else name


@dataclass(frozen=True)
class CallFacts:
    """What is known of calls besides their layers, by the names of the calls.

    Attributes:
        ranges: lowest and highest number that they were given.
        functions: operations, no layers, that were applied last.
        layouts: of their outputs.
    """

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    functions: Mapping[str, Any] = field(default_factory=dict)
    layouts: Mapping[str, str] = field(default_factory=dict)


def _described(call: LayerCall, names: VariableNames, role: str, facts: CallFacts) -> Layer:
    """A layer with the facts of its call."""
    span = facts.ranges.get(call.name)
    operation = facts.functions.get(call.name)
    known = activations.find(type(operation).__name__) if operation is not None else None
    return replace(
        _describe(call, names, role),
        receives=span if span is not None and all(map(math.isfinite, span)) else None,
        output_function=known.name if known is not None else None,
        layout=facts.layouts.get(call.name),
        calls=call.calls if call.calls > 1 else None,
    )


def _describe(call: LayerCall, names: VariableNames, role: str) -> Layer:
    layer = call.layer
    weights, state = ([], []) if call.block else variables_of(layer)
    frozen = [variable for variable in weights if layer.trainable and not variable.trainable]
    return Layer(
        call.name,
        kind=kind_of(layer),
        activation=activation_of(layer),
        weights=_names(weights, names),
        state=(*_names(state, names), *names.in_use(layer)),
        trainable=bool(layer.trainable),
        role=role,
        inputs=call.inputs,
        kernel_size=_numbers(layer, "kernel_size", "pool_size"),
        strides=_numbers(layer, "strides"),
        padding=_padding(layer),
        dilation=_numbers(layer, "dilation_rate"),
        groups=getattr(layer, "groups", None) if isinstance(getattr(layer, "groups", None), int) else None,
        frozen=_names(frozen, names),
        rate=float(layer.rate) if isinstance(layer, _DROPOUT) else None,
    )


def _names(variables: Sequence[Any], names: VariableNames) -> tuple[str, ...]:
    found = (names.name(variable) for variable in variables)
    return tuple(name for name in found if name is not None)


def _numbers(layer: Any, *attributes: str) -> tuple[int, ...] | None:
    for attribute in attributes:
        value = getattr(layer, attribute, None)
        if isinstance(value, int):
            return (value,)
        if isinstance(value, (list, tuple)) and all(isinstance(number, int) for number in value):
            return tuple(value)
    return None


def _padding(layer: Any) -> str | tuple[int, ...] | None:
    """A word, or one number an axis where as much is added before as after."""
    padding = getattr(layer, "padding", None)
    if isinstance(padding, str):
        return padding
    if isinstance(padding, (list, tuple)) and all(isinstance(pair, (list, tuple)) and len(set(pair)) == 1 for pair in padding):
        return tuple(pair[0] for pair in padding)
    return None


def _roles(trace: Trace, loss_weights: Any) -> dict[str, str]:
    """The output's role for the layers that the model's outputs come from; "auxiliary" for side heads."""
    outputs = trace.outputs
    weights = keras.tree.flatten(loss_weights) if loss_weights is not None else []
    largest = max(weights) if len(weights) == len(outputs) else None
    roles: dict[str, str] = {}
    for index, output in enumerate(outputs):
        side = largest is not None and weights[index] < largest
        for name in output:
            roles[name] = "auxiliary" if len(outputs) > 1 and (side or "aux" in name) else "output"
    return roles
