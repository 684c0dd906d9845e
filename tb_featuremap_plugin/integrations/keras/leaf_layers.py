"""The layers that a Keras model is made of, each with a name of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras

_GENERAL = (keras.layers.Layer, keras.layers.Wrapper)
"""Classes of Keras' that users build their own composite layers on."""


def named_layers(model: Any) -> dict[str, Any]:
    """All layers that do the work, by unique names, in the order in which the model holds them.

    Models and users' own composite layers are opened up; Keras' composite layers (attention, recurrent, wrappers) are one layer each.
    A name that occurs twice is told apart by the names of what it lies in: "block_1/conv".
    """
    return {name: layer for name, layer, is_block in _named(model) if not is_block}


def blocks(model: Any) -> dict[str, Any]:
    """What is made of several layers, by unique names: nested models and composite layers that have no variables of their own."""
    return {name: layer for name, layer, is_block in _named(model) if is_block}


def attribute_paths(model: Any) -> dict[int, str]:
    """How the user's code calls each layer, by identity: "encoder", "blocks.0.conv"; the first way where there are several."""
    paths: dict[int, str] = {}
    _follow_attributes(model, "", paths)
    return paths


def attributes_of(layer: Any) -> dict[str, Any]:
    """What the user's code has set on a layer, by name; on torch, its layers are kept apart from the rest."""
    held = {**vars(layer), **(getattr(layer, "_modules", None) or {})}
    return {name: value for name, value in held.items() if not name.startswith("_")}


def _named(model: Any) -> list[tuple[str, Any, bool]]:
    found = list(_walk(model, (), set()))
    counts = Counter(layer.name for _, layer, _ in found)
    names: dict[str, Any] = {}
    for path, layer, is_block in found:
        name = layer.name if counts[layer.name] == 1 else "/".join((*path, layer.name))
        names[_unused(name, names)] = (layer, is_block)
    return [(name, layer, is_block) for name, (layer, is_block) in names.items()]


def _follow_attributes(layer: Any, prefix: str, paths: dict[int, str]) -> None:
    for attribute, value in attributes_of(layer).items():
        for path, child in _layers_in(value, f"{prefix}{attribute}"):
            if id(child) not in paths:
                paths[id(child)] = path
                _follow_attributes(child, f"{path}.", paths)


def _layers_in(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, keras.layers.Layer):
        yield path, value
    elif isinstance(value, (list, tuple)):
        for index, held in enumerate(value):
            yield from _layers_in(held, f"{path}.{index}")
    elif isinstance(value, dict):
        for key, held in value.items():
            yield from _layers_in(held, f"{path}.{key}")


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


def _walk(layer: Any, path: tuple[str, ...], seen: set[int]) -> Iterator[tuple[tuple[str, ...], Any, bool]]:
    """Each layer with its path, and whether it is a block."""
    for child in _children(layer):
        if id(child) in seen or isinstance(child, keras.layers.InputLayer):
            continue
        seen.add(id(child))
        inside = _children(child)
        if not inside or _is_builtin(child):
            yield path, child, False
            continue
        yield path, child, not (child._trainable_variables or child._non_trainable_variables)
        yield from _walk(child, (*path, child.name), seen)


def _children(layer: Any) -> list[Any]:
    return [child for child in getattr(layer, "_layers", ()) if isinstance(child, keras.layers.Layer)]


def _is_builtin(layer: Any) -> bool:
    """Whether this is a layer of Keras' own, or a subclass of one, and no model."""
    if isinstance(layer, keras.Model):
        return False
    kinds = (kind for kind in type(layer).__mro__ if kind not in _GENERAL)
    return any(kind.__module__.partition(".")[0] == "keras" and issubclass(kind, keras.layers.Layer) for kind in kinds)


def _unused(name: str, taken: dict[str, Any]) -> str:
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
