"""The layers that a Keras model is made of, each with a name of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras


def named_layers(model: Any) -> dict[str, Any]:
    """All layers that do the work, by unique names, in the order in which the model holds them.

    Models and users' own composite layers are opened up; Keras' composite layers (attention, recurrent, wrappers) are one layer each.
    A name that occurs twice is told apart by the names of what it lies in: "block_1/conv".
    """
    found = list(_walk(model, (), set()))
    counts = Counter(layer.name for _, layer in found)
    names: dict[str, Any] = {}
    for path, layer in found:
        name = layer.name if counts[layer.name] == 1 else "/".join((*path, layer.name))
        names[_unused(name, names)] = layer
    return names


def operations(model: Any) -> list[Any]:
    """Steps of functional models that are no layers, such as `keras.ops.add`, here and in nested models."""
    found = [] if isinstance(model, keras.layers.Layer) else [model]
    for operation in getattr(model, "operations", ()):
        if not isinstance(operation, keras.layers.Layer):
            found.append(operation)
    for layer in _children(model):
        found += operations(layer)
    return found


def variables_of(layer: Any) -> tuple[list[Any], list[Any]]:
    """A layer's variables: those that training is meant to change, frozen or not, and its state (moving statistics and the like)."""
    parts = [layer, *layer._flatten_layers(include_self=False)] if _is_builtin(layer) else [layer]
    weights = [variable for part in parts for variable in part._trainable_variables]
    mine = weights + [variable for part in parts for variable in part._non_trainable_variables]
    known = {id(variable) for variable in weights}
    return weights, [variable for variable in mine if id(variable) not in known]


def _walk(layer: Any, path: tuple[str, ...], seen: set[int]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for child in _children(layer):
        if id(child) in seen or isinstance(child, keras.layers.InputLayer):
            continue
        seen.add(id(child))
        inside = _children(child)
        if not inside or _is_builtin(child):
            yield path, child
            continue
        if child._trainable_variables or child._non_trainable_variables:
            yield path, child
        yield from _walk(child, (*path, child.name), seen)


def _children(layer: Any) -> list[Any]:
    return [child for child in getattr(layer, "_layers", ()) if isinstance(child, keras.layers.Layer)]


def _is_builtin(layer: Any) -> bool:
    return type(layer).__module__.partition(".")[0] == "keras" and not isinstance(layer, keras.Model)


def _unused(name: str, taken: dict[str, Any]) -> str:
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
