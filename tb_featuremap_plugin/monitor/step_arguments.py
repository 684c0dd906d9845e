"""What one call of `Monitor.log` was given, and arrays of our own from it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.tensors import has, snapshot

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


Tree: TypeAlias = Mapping[str, Any] | list[Any] | tuple[Any, ...] | Callable[[], Any] | Any
"""An array, {name: array}, anything nested of these, or a callable that returns one."""


def resolve(tree: Tree) -> Any:
    """What a callable returns, or the thing itself. Models are callable too, so objects with parameters are left alone."""
    return tree() if callable(tree) and not _is_array(tree) and not dataclasses.is_dataclass(tree) else tree


def flatten(tree: Tree, single: str = "value") -> dict[str, Any]:
    """Flat names for the arrays of a tree, in its own order: {"block/conv/kernel": array}.

    Leaves that are no arrays (None, numbers, functions) are left out.

    Args:
        tree: mappings, sequences, dataclasses, and whatever JAX knows as a pytree if JAX is loaded; not a callable.
        single: the name of a tree that is one bare array.
    """
    if _is_array(tree):
        return {single: tree}
    return dict(_leaves(tree, ()))


def replicas(value: Any) -> tuple[Any, ...] | None:
    """What the replicas of a `tf.distribute` strategy hold each; None for anything else."""
    return tuple(value.values) if type(value).__name__ == "PerReplica" else None


def _is_array(value: object) -> bool:
    return (has(value, "shape") and has(value, "dtype")) or replicas(value) is not None


def _leaves(tree: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if _is_array(tree):
        yield "/".join(path), tree
        return
    for name, branch in _branches(tree):
        yield from _leaves(branch, (*path, name))


def _branches(tree: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        yield from ((str(name), branch) for name, branch in tree.items())
    elif isinstance(tree, tuple) and (fields := getattr(tree, "_fields", None)) is not None:
        yield from zip(fields, tree, strict=True)
    elif isinstance(tree, (list, tuple)):
        yield from ((str(index), branch) for index, branch in enumerate(tree))
    elif dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        yield from ((field.name, getattr(tree, field.name, None)) for field in dataclasses.fields(tree))
    else:
        yield from _jax_branches(tree)


def _jax_branches(tree: Any) -> Iterator[tuple[str, Any]]:
    """Children of a pytree that is registered with JAX; JAX is asked only where the caller has loaded it."""
    jax = sys.modules.get("jax")
    if jax is None or tree is None:
        return
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    for path, leaf in leaves:
        if path:
            yield "/".join(_entry_name(entry) for entry in path), leaf


def _entry_name(entry: Any) -> str:
    for attribute in ("key", "name", "idx"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)
