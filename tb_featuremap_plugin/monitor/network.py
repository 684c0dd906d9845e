"""What is known of the network: its layers, the rows of the packed tables, and which variable belongs where."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Mapping, Sequence

from tb_featuremap_plugin._version import __version__
from tb_featuremap_plugin.schema.frameworks import FRAMEWORKS
from tb_featuremap_plugin.schema.layer_kinds import STATE_NAMES, leaf_of
from tb_featuremap_plugin.schema.network import Layer


class Network:
    """The layers in order of depth: those that the caller described, else those whose activations were logged.

    Args:
        layers: as described; None to take them from the names of activations and variables.
    """

    def __init__(self, layers: Sequence[Layer] | None) -> None:
        self._described = layers is not None
        self.layers: tuple[Layer, ...] = tuple(layers or ())
        self._layers: Mapping[str, Layer] = {layer.name: layer for layer in self.layers}
        self._owners = {variable: layer for layer in reversed(self.layers) for variable in (*layer.weights, *layer.state)}

    def with_names(self, activations: Iterable[str], variables: Iterable[str]) -> Network:
        """This network, with layers that nobody described and the variables whose names start with theirs."""
        new = [name for name in activations if name not in self._layers]
        if self._described or not new:
            return self
        names = tuple(variables)
        network = Network((*self.layers, *(_described_by_names(name, names) for name in new)))
        network._described = False
        return network

    def layer(self, name: str) -> Layer | None:
        """The layer of this name."""
        return self._layers.get(name)

    def owner(self, variable: str) -> Layer | None:
        """The layer that a variable belongs to."""
        return self._owners.get(variable)

    def trainable(self, variable: str) -> bool:
        """Whether training is meant to change the variable; so it is for variables that no layer lists."""
        owner = self.owner(variable)
        return owner is None or (owner.trainable and variable in owner.weights and variable not in owner.frozen)

    def order(self, names: Iterable[str]) -> list[str]:
        """Names of layers by depth, those of unknown layers at the end."""
        depth = {layer.name: index for index, layer in enumerate(self.layers)}
        return sorted(names, key=lambda name: depth.get(name, len(depth)))

    def order_variables(self, names: Iterable[str]) -> list[str]:
        """Names of variables by the depth of their layers, those of unknown layers at the end."""
        listed = [variable for layer in self.layers for variable in (*layer.weights, *layer.state)]
        depth = {variable: index for index, variable in reversed(list(enumerate(listed)))}
        return sorted(names, key=lambda name: depth.get(name, len(depth)))


def _described_by_names(name: str, variables: Sequence[str]) -> Layer:
    mine = [variable for variable in variables if variable.startswith(f"{name}/") or variable.startswith(f"{name}.")]
    state = tuple(variable for variable in mine if leaf_of(variable) in STATE_NAMES)
    return Layer(name, weights=tuple(variable for variable in mine if variable not in state), state=state)


class Rows:
    """Names of the rows of a packed table, which only ever grow, and how often each was logged."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self._ordinals: dict[str, int] = {}

    def extend(self, names: Iterable[str]) -> bool:
        """Adds the names that are new at the end; True if there were any."""
        new = tuple(name for name in names if name not in self._ordinals)
        self.names += new
        self._ordinals.update(dict.fromkeys(new, 0))
        return bool(new)

    def counted(self, names: Sequence[str]) -> dict[str, int]:
        """How often each of these rows has been logged, this time included; those that are new are added."""
        self.extend(names)
        return {name: self.count(name) for name in names}

    def count(self, name: str) -> int:
        """Counts the row as logged once more, from 1."""
        self._ordinals[name] += 1
        return self._ordinals[name]


def software_in_use() -> dict[str, str]:
    """Versions of Python, this package and the frameworks that are loaded; none is imported to ask it."""
    found = {"python": platform.python_version(), "tb_featuremap_plugin": __version__}
    for name in ("numpy", *FRAMEWORKS):
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            found[name] = version
    return found
