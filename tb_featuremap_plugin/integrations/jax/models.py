"""What `watch` needs of a model, whichever library it is of: its arrays by name, and a pass that notes the calls of its modules."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from tb_featuremap_plugin.integrations.jax.module_calls import Calls

INFERENCE: Mapping[str, bool] = {
    **dict.fromkeys(("train", "training", "is_training"), False),
    **dict.fromkeys(("deterministic", "inference", "eval_mode", "use_running_average"), True),
}
"""What models of all libraries call the argument that tells training from evaluation, and its value for the latter."""


@dataclass(frozen=True)
class Parts:
    """A model, or its parameters, as given to `step`.

    Attributes:
        arrays: a pytree of arrays.
        structure: what else the pass needs; where it is equal, the same trace serves.
        names: of the leaves of `arrays`, in order; None for what is not logged, such as a key of random numbers.
        state: names of those that training changes by other ways than gradients: moving statistics.
    """

    arrays: Any
    structure: Any
    names: tuple[str | None, ...]
    state: frozenset[str]

    def variables(self) -> dict[str, Any]:
        """Arrays by name."""
        return {name: leaf for name, leaf in zip(self.names, jax.tree.leaves(self.arrays), strict=True) if name is not None}


class Model(Protocol):
    """A model of one library."""

    @property
    def data_format(self) -> str:
        """Where the library has its channels."""

    @property
    def holds_parameters(self) -> bool:
        """Whether the model itself is what `step` takes."""

    def parts(self, given: Any) -> Parts:
        """Takes apart what `step` was given."""

    def run(self, arrays: Any, structure: Any, inputs: Any, calls: Calls) -> Any:
        """The outputs for a probe, in evaluation mode and without a trace left in the model; notes each call of a module in `calls`."""


def named_leaves(tree: Any) -> tuple[str, ...]:
    """Names of a pytree's leaves: keys, fields and indices of the way to them, with slashes between."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return tuple("/".join(key_name(key) for key in path) for path, _ in leaves)


def is_array(leaf: Any) -> bool:
    """Whether a leaf is an array, and no number or word of Python."""
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


def without_keys(names: Iterable[str], arrays: Any) -> tuple[str | None, ...]:
    """Names of arrays, with None for keys of random numbers, which have no values to log."""
    leaves = jax.tree.leaves(arrays)
    return tuple(None if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else name for name, leaf in zip(names, leaves, strict=True))


def key_name(key: Any) -> str:
    """One part of a leaf's name."""
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def arguments(inputs: Any, function: Callable[..., Any], *, skipped: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments of a call for a probe, with the words for evaluation mode that the function knows.

    Args:
        inputs: an array, a list of positional or a dictionary of keyword arguments.
        function: that is called.
        skipped: how many of its first parameters are not inputs.
    """
    named = dict(inputs) if isinstance(inputs, Mapping) else {}
    positional = () if isinstance(inputs, Mapping) else tuple(inputs) if isinstance(inputs, list) else (inputs,)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # built-in callables have no signature
        return positional, named
    free = parameters[skipped + len(positional) :]
    return positional, named | {one.name: INFERENCE[one.name] for one in free if one.name in INFERENCE and one.name not in named}
