"""What is known of Keras layers, as `fm.Layer`s in the order in which they are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from tb_featuremap_plugin.arrays.tensors import to_numpy
from tb_featuremap_plugin.integrations.keras.call_trace import LayerCall, Trace
from tb_featuremap_plugin.integrations.keras.leaf_layers import named_layers, variables_of
from tb_featuremap_plugin.schema import activations
from tb_featuremap_plugin.schema.layer_kinds import ACTIVATION, CONVOLUTIONS, DENSE, family_of
from tb_featuremap_plugin.schema.network import Layer

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=D)(?=[A-Z])|(?<=[a-z])(?=[A-Z])")


def kind_of(layer: Any) -> str:
    """The class in words: "conv2d_transpose", "batch_normalization"."""
    return snake_case(type(layer).__name__)


def snake_case(name: str) -> str:
    """A class's name in words: "Conv2DTranspose" is "conv2d_transpose", "LeakyReLU" is "leaky_relu"."""
    return _WORD_START.sub("_", name).lower().replace("re_lu", "relu")


def describe(trace: Trace, model: Any, names: Mapping[int, str], loss_weights: Any = None) -> list[Layer]:
    """The layers of a pass in order of depth, then what has variables and was not called.

    Args:
        trace: of the pass.
        model: that was called.
        names: of variables, by identity.
        loss_weights: as the model was compiled with: outputs that count less are auxiliary.
    """
    roles = _roles(trace, loss_weights)
    described, seen = [], set()
    for call in trace.calls:
        first = id(call.layer) not in seen
        seen.add(id(call.layer))
        layer = _describe(call, names if first else {}, roles.get(call.name, "hidden"))
        described.append(replace(layer, **_function(trace.functions.get(call.name))))
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


def _describe(call: LayerCall, names: Mapping[int, str], role: str) -> Layer:
    layer = call.layer
    weights, state = variables_of(layer)
    return Layer(
        call.name,
        kind=kind_of(layer),
        activation=activation_of(layer),
        weights=tuple(names[id(variable)] for variable in weights if id(variable) in names),
        state=tuple(names[id(variable)] for variable in state if id(variable) in names),
        trainable=bool(layer.trainable),
        role=role,
        inputs=call.inputs,
        kernel_size=_numbers(layer, "kernel_size", "pool_size"),
        strides=_numbers(layer, "strides"),
        padding=_padding(layer),
        dilation=_numbers(layer, "dilation_rate"),
        groups=getattr(layer, "groups", None) if isinstance(getattr(layer, "groups", None), int) else None,
        receives=_range(call.given),
    )


def _function(operation: Any) -> dict[str, Any]:
    """The activation that an operation is; empty if it is not one."""
    known = activations.find(type(operation).__name__) if operation is not None else None
    return {"output_function": known.name} if known is not None else {}


def _range(given: Any) -> tuple[float, float] | None:
    """Lowest and highest number of the first tensor that a layer was given; None if those are no finite floating-point numbers."""
    first = next(iter(keras.tree.flatten(given)), None)
    if not keras.ops.is_tensor(first):
        return None
    values = to_numpy(first, "inputs")
    if values.dtype.kind != "f" or values.size == 0 or not np.all(np.isfinite(values)):
        return None
    return float(values.min()), float(values.max())


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
    outputs = keras.tree.flatten(trace.outputs)
    weights = keras.tree.flatten(loss_weights) if loss_weights is not None else []
    largest = max(weights) if len(weights) == len(outputs) else None
    roles: dict[str, str] = {}
    for index, output in enumerate(outputs):
        side = largest is not None and weights[index] < largest
        for name in trace.sources(output):
            roles[name] = "auxiliary" if len(outputs) > 1 and (side or "aux" in name) else "output"
    return roles
