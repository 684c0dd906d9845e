"""Finds out which library a model is of."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from tb_featuremap_plugin.integrations.jax.models import Model, Parts, arguments, is_array, named_leaves, without_keys
from tb_featuremap_plugin.integrations.jax.module_calls import Calls
from tb_featuremap_plugin.monitor.layer_layouts import CHANNELS_LAST


def adapted(apply: Any) -> Model:
    """The adapter of the library that a model is of; libraries that are not loaded are not asked.

    Raises:
        TypeError: it is no model and no function.
    """
    for library, module, is_model in _LIBRARIES:
        if library in sys.modules and is_model(apply):
            return module(apply)
    if callable(apply) and not isinstance(apply, type):
        return FunctionModel(apply)
    raise TypeError(
        f"apply is {apply!r:.100}; allowed are a Flax linen or nnx module, an Equinox module, a Haiku transform and a function of "
        "parameters and inputs"
    )


@dataclass(frozen=True)
class FunctionModel:
    """A function of parameters and inputs, such as those of plain JAX; its layers are found by the parameters that they multiply with."""

    function: Callable[..., Any]
    data_format: str = CHANNELS_LAST
    holds_parameters: bool = False

    def parts(self, given: Any) -> Parts:
        """Every array of the pytree; numbers and words beside them are what the function takes them for."""
        leaves, tree = jax.tree.flatten(given)
        arrays = [leaf if is_array(leaf) else None for leaf in leaves]
        others = tuple(None if is_array(leaf) else leaf for leaf in leaves)
        names = tuple(name for name, leaf in zip(named_leaves(given), leaves, strict=True) if is_array(leaf))
        return Parts(arrays, (tree, others), without_keys(names, arrays), frozenset())

    def run(self, arrays: Any, structure: Any, inputs: Any, calls: Calls) -> Any:
        """Calls the function."""
        positional, named = arguments(inputs, self.function, skipped=1)
        tree, others = structure
        leaves = [other if array is None else array for array, other in zip(arrays, others, strict=True)]
        return self.function(jax.tree.unflatten(tree, leaves), *positional, **named)


def _linen(apply: Any) -> Model:
    from tb_featuremap_plugin.integrations.jax.flax_linen import LinenModel

    return LinenModel(apply)


def _nnx(apply: Any) -> Model:
    from tb_featuremap_plugin.integrations.jax.flax_nnx import NnxModel

    return NnxModel()


def _equinox(apply: Any) -> Model:
    from tb_featuremap_plugin.integrations.jax.equinox_modules import EquinoxModel

    return EquinoxModel()


def _haiku(apply: Any) -> Model:
    from tb_featuremap_plugin.integrations.jax.haiku_transforms import HaikuModel

    return HaikuModel(apply)


def _is(library: str, *names: str) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        module = sys.modules[library]
        return isinstance(value, tuple(getattr(module, name) for name in names))

    return check


_LIBRARIES: tuple[tuple[str, Callable[[Any], Model], Callable[[Any], bool]], ...] = (
    ("flax.linen", _linen, _is("flax.linen", "Module")),
    ("flax.nnx", _nnx, _is("flax.nnx", "Module")),
    ("equinox", _equinox, _is("equinox", "Module")),
    ("haiku", _haiku, _is("haiku", "Transformed", "TransformedWithState")),
)
