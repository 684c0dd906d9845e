"""What one call of `Monitor.log` was given, and arrays of our own from it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.tensors import whole_array, whole_snapshot
from tb_featuremap_plugin.monitor.argument_forms import brief, is_array, replicas, resolved, unused

Arrays = Mapping[str, npt.NDArray[Any]]

SINGLE_NAMES = {"inputs": "input", "targets": "target", "activations": "output"}
"""The names of arguments that are one bare array; others go by the argument's name."""


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


def flat(
    tree: Tree, what: str, single: str, *, may_be_empty: bool = False, renamed: Callable[[str, str], None] = lambda name, new: None
) -> dict[str, Any]:
    """The arrays of a tree by flat names, as their framework keeps them; a callable is called.

    Args:
        tree: as given to `Monitor.log`.
        what: the argument's name, for error messages.
        single: the name of a tree that is one bare array.
        may_be_empty: whether a tree may hold something and yet no array, as gradients of unused variables are None.
        renamed: told of a name that two arrays would have, and of the one that the second gets.

    Raises:
        TypeError: it holds something, but no array.
    """
    given = resolved(tree, what)
    arrays = flatten(given, single, renamed)
    if not arrays and given is not None and not may_be_empty and not (isinstance(given, (Mapping, list, tuple)) and not given):
        raise TypeError(f"{what} is {brief(given)}, which holds no array; allowed are arrays, and mappings and lists of them")
    return arrays


def own_array(value: Any, name: str) -> npt.NDArray[Any]:
    """An array that later training steps cannot change; what several replicas hold is joined along the batch.

    Args:
        value: an array of any framework. Complex numbers stay complex, and masks stay masks.
        name: for error messages.

    Raises:
        TypeError: its values cannot be read, or are not numbers.
    """
    parts = replicas(value)
    return whole_snapshot(value, name) if parts is None else np.concatenate([whole_snapshot(part, name) for part in parts])


def borrowed_array(value: Any, name: str) -> tuple[npt.NDArray[Any], bool]:
    """As `own_array`, but perhaps in memory of the training loop; and whether it is not.

    Raises:
        TypeError: as `own_array`.
    """
    return whole_array(value, name) if replicas(value) is None else (own_array(value, name), True)


Tree: TypeAlias = Mapping[str, Any] | list[Any] | tuple[Any, ...] | Callable[[], Any] | Any
"""An array, {name: array}, anything nested of these, or a callable that returns one."""


def flatten(tree: Tree, single: str = "value", renamed: Callable[[str, str], None] = lambda name, new: None) -> dict[str, Any]:
    """Flat names for the arrays of a tree, in its own order: {"block/conv/kernel": array}.

    Leaves that are not arrays (None, numbers, functions) are left out. Of two arrays that would have one name, such as those of
    {"a/b": x, "a": {"b": y}}, the second is called "a/b:2".

    Args:
        tree: mappings, sequences, dataclasses, and whatever JAX knows as a pytree if JAX is loaded; not a callable.
        single: the name of a tree that is one bare array.
        renamed: told of a name that two arrays would have, and of the one that the second gets.
    """
    if is_array(tree):
        return {single: tree}
    leaves = list(_leaves(tree, ()))
    arrays = dict(reversed(leaves))
    if len(arrays) == len(leaves):
        return dict(leaves)
    taken, flat = set(arrays), dict[str, Any]()
    for name, array in leaves:
        new = name if name not in flat else unused(name, taken)
        if new != name:
            renamed(name, new)
        taken.add(new)
        flat[new] = array
    return flat


def _leaves(tree: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if is_array(tree):
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
