"""What comes to a network, goes or is frozen while it is trained: between which logged steps that was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from tb_featuremap_plugin.schema.network import Layer, NetworkChange

MOST_CHANGES = 64
"""Differences that are kept, and with them the run record small."""

MOST_TIMES = 4
"""How often the same is said of one name: parts that are frozen in turns, or that only some steps use, have said so by then."""


@dataclass(frozen=True)
class _Inventory:
    """Names of what there was at a logged step."""

    layers: dict[str, None]
    variables: dict[str, bool]

    @classmethod
    def of(cls, layers: Sequence[Layer]) -> _Inventory:
        variables: dict[str, bool] = {}
        for layer in layers:
            for name in (*layer.weights, *layer.state):
                trains = layer.trainable and name in layer.weights and name not in layer.frozen
                variables[name] = trains or variables.get(name, False)
        return cls(dict.fromkeys(layer.name for layer in layers), variables)


class NetworkChanges:
    """Compares the network of each logged step with that of the one before.

    Attributes:
        entries: the differences so far.
    """

    def __init__(self) -> None:
        self.entries: tuple[NetworkChange, ...] = ()
        self._before: tuple[int, Sequence[Layer], _Inventory] | None = None
        self._told: Counter[tuple[str, str]] = Counter()

    def note(self, step: int, layers: Sequence[Layer], replaced: Iterable[str] = ()) -> None:
        """Takes the network of a logged step.

        Args:
            step: the logged step.
            layers: as they are described at it; nothing is compared with a network that nobody has described.
            replaced: variables that are others than at the step before, with the same names.
        """
        if not layers:
            return
        before, new = self._before, set(replaced)
        if before is None:
            self._before = (step, layers, _Inventory.of(layers))
            return
        after, known, old = before
        now = old if layers is known else _Inventory.of(layers)
        self._before = (step, layers, now)
        if (now != old or new) and len(self.entries) < MOST_CHANGES:
            change = self._not_told_too_often(_difference(after, step, old, now, new))
            self.entries += () if change == NetworkChange(step, after) else (change,)

    def _not_told_too_often(self, change: NetworkChange) -> NetworkChange:
        kept: dict[str, Any] = {}
        for one in fields(change):
            if one.name not in ("step", "after"):
                names = [name for name in getattr(change, one.name) if self._told[one.name, name] < MOST_TIMES]
                self._told.update((one.name, name) for name in names)
                kept[one.name] = tuple(names)
        return replace(change, **kept)


def _difference(after: int, step: int, old: _Inventory, now: _Inventory, replaced: set[str]) -> NetworkChange:
    common = [name for name in now.variables if name in old.variables]
    return NetworkChange(
        step,
        after,
        layers_added=tuple(name for name in now.layers if name not in old.layers),
        layers_removed=tuple(name for name in old.layers if name not in now.layers),
        variables_added=tuple(name for name in now.variables if name not in old.variables),
        variables_removed=tuple(name for name in old.variables if name not in now.variables),
        variables_replaced=tuple(name for name in common if name in replaced),
        frozen=tuple(name for name in common if old.variables[name] and not now.variables[name]),
        unfrozen=tuple(name for name in common if now.variables[name] and not old.variables[name]),
    )
