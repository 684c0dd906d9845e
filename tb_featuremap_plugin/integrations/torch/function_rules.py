"""Functions of torch that say more of axes than the operators that they are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from tb_featuremap_plugin.integrations.common import axes as algebra
from tb_featuremap_plugin.integrations.common.axis_labels import Labels, Role, Trust
from tb_featuremap_plugin.integrations.torch.axis_rules import attended
from tb_featuremap_plugin.integrations.torch.data_flow import Flow


def follow_function(flow: Flow, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], outputs: list[torch.Tensor]) -> None:
    """Labels what a function puts out, where it is one of those.

    Args:
        flow: that is told.
        name: of the function.
        args: by position.
        kwargs: by name.
        outputs: its tensors.
    """
    if name in _FUNCTIONS and outputs:
        _FUNCTIONS[name](flow, {**dict(zip(_PARAMETERS[name], args, strict=False)), **kwargs}, outputs)


_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu", "quantized_lstm", "quantized_gru")
FunctionRule = Callable[[Flow, Mapping[str, Any], list[torch.Tensor]], None]


def _linear(flow: Flow, inputs: Mapping[str, Any], outputs: list[torch.Tensor]) -> None:
    flow.relabel(outputs[0], algebra.dense(flow.labels(inputs["input"]), outputs[0].shape[-1], flow.origins))


def _attention_of_heads(flow: Flow, inputs: Mapping[str, Any], outputs: list[torch.Tensor]) -> None:
    """Of [positions, samples, channels], or [positions, channels] of one sample."""
    query = inputs["query"]
    if query.ndim == 3:
        _second_axis_is_samples(flow, query)
        _meet(flow, query, inputs["key"], 1)
    flow.relabel(outputs[0], algebra.dense(flow.labels(query), outputs[0].shape[-1], flow.origins))


def _meet(flow: Flow, one: torch.Tensor, other: torch.Tensor, axis: int) -> None:
    """Two tensors share an axis: what is known of one's is known of the other's."""
    labels = [Labels((flow.labels(tensor).axes[axis],)) for tensor in (one, other) if tensor.ndim > axis]
    if len(labels) == 2 and labels[0].shape == labels[1].shape:
        algebra.join(labels, flow.origins)


def _recurrent(flow: Flow, inputs: Mapping[str, Any], outputs: list[torch.Tensor]) -> None:
    data, states = inputs["input"], outputs[1:]
    packed = isinstance(inputs.get("hx"), torch.Tensor) and not isinstance(inputs.get("batch_first"), bool)
    labels = flow.labels(data)
    if packed or data.ndim != 3:
        flow.relabel(outputs[0], algebra.dense(labels, outputs[0].shape[-1], flow.origins, Trust.NORMALISATION))
        return
    if not inputs["batch_first"]:
        _second_axis_is_samples(flow, data)
        labels = flow.labels(data)
    samples = labels.axes[0 if inputs["batch_first"] else 1]
    result = algebra.dense(labels, outputs[0].shape[-1], flow.origins, Trust.NORMALISATION)
    flow.relabel(outputs[0], result)
    for state in states:
        layers = flow.origins.new(state.shape[0], Role.POSITION, Trust.JOINED)
        units = flow.origins.new(state.shape[-1], Role.CHANNEL, Trust.NORMALISATION)
        flow.relabel(state, Labels(((layers,), samples, (units,)), frozenset({units.origin})))


def _second_axis_is_samples(flow: Flow, tensor: torch.Tensor) -> None:
    """A layer that takes time first was given the samples first: then the first axis of the inputs is time."""
    first, second = flow.labels(tensor).axes[:2]
    given = [factor for factor in first if flow.origins.is_sample(factor)]
    whole = len(second) == 1 and second[0].is_whole and not any(map(flow.origins.is_sample, second))
    if len(given) == len(first) == 1 and whole and given[0].is_whole and flow.origins.role(second[0]) in (Role.UNKNOWN, Role.POSITION):
        flow.origins.sample = second[0]


def _attention(flow: Flow, inputs: Mapping[str, Any], outputs: list[torch.Tensor]) -> None:
    query, key, value = (flow.labels(inputs[key]) for key in ("query", "key", "value"))
    flow.relabel(outputs[0], attended(query, key, value, flow.origins))


def _bag(flow: Flow, inputs: Mapping[str, Any], outputs: list[torch.Tensor]) -> None:
    ids = inputs["input"]
    if ids.ndim == 2:
        new = flow.origins.new(outputs[0].shape[-1], Role.CHANNEL, Trust.NORMALISATION)
        flow.relabel(outputs[0], Labels((flow.labels(ids).axes[0], (new,)), frozenset({new.origin})))


_FUNCTIONS: dict[str, FunctionRule] = {
    "linear": _linear,
    "multi_head_attention_forward": _attention_of_heads,
    **dict.fromkeys(_RECURRENT, _recurrent),
    "scaled_dot_product_attention": _attention,
    "embedding_bag": _bag,
}
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "linear": ("input", "weight", "bias"),
    "multi_head_attention_forward": ("query", "key", "value"),
    **dict.fromkeys(
        _RECURRENT,
        ("input", "hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional", "batch_first"),
    ),
    "scaled_dot_product_attention": ("query", "key", "value"),
    "embedding_bag": ("input", "weight"),
}
