"""The networks by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

IMAGES = (3, 3, 16, 16)
NETWORKS: dict[str, tuple[type[nn.Module], tuple[int, ...], int, bool]] = {}
"""By name: the class, the shape of its probe, the axis of the samples, and whether it takes token numbers."""


def network(shape: tuple[int, ...], axis: int = 0, *, ids: bool = False) -> Callable[[type[nn.Module]], type[nn.Module]]:
    def add(cls: type[nn.Module]) -> type[nn.Module]:
        NETWORKS[cls.__name__] = (cls, shape, axis, ids)
        return cls

    return add
