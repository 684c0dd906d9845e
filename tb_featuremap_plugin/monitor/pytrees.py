"""Mappings, nested pytrees and callables of them, as flat {name: array} dictionaries."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from tb_featuremap_plugin.arrays.tensors import has

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
