"""Names of a model's variables: their Keras paths, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

BASE = ":base"
"""What the frozen weight below an adapter is called, after the path that stands for the weight in use."""


class VariableNames:
    """The variables of a model by name.

    A layer with an adapter (`enable_lora`) has a weight in use, which is the sum of a frozen base and a product of two trained
    matrices. The path stands for the weight in use, and "<path>:base" for the base.

    Args:
        variables: of the model.
        layers: of the model.
    """

    def __init__(self, variables: Iterable[Any], layers: Iterable[Any] = ()) -> None:
        self._in_use = {id(base): (layer, attribute) for layer in layers for base, attribute in _adapted(layer)}
        self._variables: dict[str, Any] = {}
        self._used: dict[str, tuple[Any, str]] = {}
        self._names: dict[int, str] = {}
        for variable in variables:
            name = _unused(variable.path, self._variables)
            if id(variable) in self._in_use:
                self._used[name] = self._in_use[id(variable)]
                name += BASE
            self._variables[name] = variable
            self._names[id(variable)] = name

    def name(self, variable: Any) -> str | None:
        """The name under which a variable is logged; None for one that is not."""
        return self._names.get(id(variable))

    def in_use(self, layer: Any) -> tuple[str, ...]:
        """Names of a layer's weights that are made of others."""
        return tuple(name for name, (owner, _) in self._used.items() if owner is layer)

    def stored(self, read: Callable[[Any], Any]) -> dict[str, Any]:
        """The variables themselves, each as `read` gives it."""
        return {name: read(variable) for name, variable in self._variables.items()}

    def values(self, read: Callable[[Any], Any]) -> dict[str, Any]:
        """The variables, and the weights that are made of them."""
        return {**{name: getattr(layer, attribute) for name, (layer, attribute) in self._used.items()}, **self.stored(read)}


def _adapted(layer: Any) -> list[tuple[Any, str]]:
    """The bases of a layer's adapters, with the attribute that gives the weight in use."""
    if not getattr(layer, "lora_enabled", False):
        return []
    pairs = [(getattr(layer, f"_{attribute}", None), attribute) for attribute in ("kernel", "embeddings")]
    return [(base, attribute) for base, attribute in pairs if base is not None]


def _unused(path: str, taken: dict[str, Any]) -> str:
    number, candidate = 1, path
    while candidate in taken:
        number += 1
        candidate = f"{path}_{number}"
    return candidate
