"""Makes the variables of a model that has none yet, as its first training step would, with nothing else changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np

from tb_featuremap_plugin.integrations.keras.guarded_pass import inference

_PLAIN = (bool, int, float, complex, str, bytes, np.ndarray, np.generic)


def is_built(model: Any) -> bool:
    """Whether a model has its variables: TensorFlow's trainer makes those of a subclassed model in the first step."""
    return bool(model.built) and all(layer.built for layer in model._flatten_layers(include_self=False) if layer.name is not None)


def build(model: Any, probe: Any) -> None:
    """Makes the variables of a model.

    Random numbers are drawn as the first training step would have drawn them. What the model's own code counts or collects in `call`
    is as before.

    Args:
        model: not built.
        probe: tensors.

    Raises:
        Exception: whatever the model raises for this probe.
    """
    with ExitStack() as stack:
        stack.enter_context(inference(model))
        stack.enter_context(keras.StatelessScope())
        for layer in [model, *model._flatten_layers(include_self=False)]:
            if not type(layer).__module__.startswith("keras."):
                stack.enter_context(_call_uncounted(layer))
        model(probe, training=False)


@contextmanager
def _call_uncounted(layer: Any) -> Iterator[None]:
    """Puts plain values of a layer back after each of its calls, whose `build` comes before it."""
    attributes, call = layer.__dict__, layer.call
    own = attributes.get("call")

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        plain, known = _plain(attributes), set(attributes)
        output = call(*args, **kwargs)
        if set(attributes) == known:  # else it made something, which its counters may tell of
            _put_back(attributes, plain)
        return output

    attributes["call"] = wrapper
    try:
        yield
    finally:
        if own is None:
            del attributes["call"]
        else:
            attributes["call"] = own


def _plain(attributes: dict[str, Any]) -> dict[str, Any]:
    """Numbers, texts and arrays among attributes, and what lists and dictionaries hold of them."""
    names = [name for name in attributes if not name.startswith("_") and name != "built"]
    return {name: _copied(attributes[name]) for name in names if _is_plain(attributes[name])}


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, set)):
        return all(not isinstance(held, (keras.layers.Layer, keras.Variable)) for held in value)
    if isinstance(value, dict):
        return all(not isinstance(held, (keras.layers.Layer, keras.Variable)) for held in value.values())
    return isinstance(value, _PLAIN)


def _copied(value: Any) -> Any:
    if isinstance(value, (dict, list, set)):
        return (value, {**value} if isinstance(value, dict) else list(value) if isinstance(value, list) else set(value))
    return (value, value.copy() if isinstance(value, np.ndarray) else None)


def _put_back(attributes: dict[str, Any], plain: dict[str, Any]) -> None:
    for name, (value, content) in plain.items():
        attributes[name] = value
        if isinstance(value, (dict, list, set)):
            if value != content:
                value.clear()
                (value.extend if isinstance(value, list) else value.update)(content)
        elif isinstance(value, np.ndarray):
            value[...] = content
