"""What one call of `Monitor.log` was given, and arrays of our own from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.tensors import snapshot
from tb_featuremap_plugin.monitor.pytrees import Tree, flatten, replicas, resolve

Arrays = Mapping[str, npt.NDArray[Any]]

SINGLE_INPUT = "input"
SINGLE_TARGET = "target"
SINGLE_ACTIVATION = "output"


@dataclass(frozen=True)
class StepArguments:
    """Arguments of one call, nothing read of them yet."""

    inputs: Tree = None
    targets: Tree = None
    activations: Tree = None
    weights: Tree = None
    gradients: Tree = None
    learning_rate: Any = None

    def without_arrays(self) -> StepArguments:
        """What may be kept until the next call: the probe, the weights by reference, and callables, but no arrays of a step."""
        return replace(
            self,
            activations=self.activations if callable(self.activations) else None,
            gradients=self.gradients if callable(self.gradients) else None,
        )


def flat(tree: Tree, what: str, single: str, *, may_be_empty: bool = False) -> dict[str, Any]:
    """The arrays of a tree by flat names, as their framework keeps them; a callable is called.

    Args:
        tree: as given to `Monitor.log`.
        what: the argument's name, for error messages.
        single: the name of a tree that is one bare array.
        may_be_empty: whether a tree may hold something and yet no array, as gradients of unused variables are None.

    Raises:
        TypeError: it holds something, but no array.
    """
    given = resolve(tree)
    arrays = flatten(given, single)
    if not arrays and given is not None and not may_be_empty and not (isinstance(given, (Mapping, list, tuple)) and not given):
        raise TypeError(f"{what} is {given!r:.100}, which holds no array; allowed are arrays, and mappings and lists of them")
    return arrays


def snapshots(tensors: Mapping[str, Any], what: str) -> dict[str, npt.NDArray[Any]]:
    """NumPy arrays that later training steps cannot change.

    Args:
        tensors: by flat names.
        what: the argument's name, for error messages.
    """
    return {name: _snapshot(value, f"{what}[{name!r}]") for name, value in tensors.items()}


def _snapshot(value: Any, name: str) -> npt.NDArray[Any]:
    """An array of our own; what several replicas hold is joined along the batch."""
    parts = replicas(value)
    return snapshot(value, name) if parts is None else np.concatenate([snapshot(part, name) for part in parts])
