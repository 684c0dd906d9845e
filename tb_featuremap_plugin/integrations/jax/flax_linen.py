"""Flax linen modules: variables come with each call, and an interceptor sees every call of a module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
from flax import linen
from flax.core import DenyList

from tb_featuremap_plugin.integrations.jax.models import Parts, arguments, named_leaves, without_keys
from tb_featuremap_plugin.integrations.jax.module_calls import Calls
from tb_featuremap_plugin.monitor.layer_layouts import CHANNELS_LAST

_PARAMETERS = "params"


@dataclass(frozen=True)
class LinenModel:
    """A linen module.

    `step` takes its variables ({"params": ..., "batch_stats": ...}), its parameters alone, or a train state that holds them.
    """

    module: Any
    data_format: str = CHANNELS_LAST
    holds_parameters: bool = False

    def parts(self, given: Any) -> Parts:
        """Parameters and state of all collections; a name that stands in two collections bears that of its collection."""
        variables = _variables(given)
        names = [name.partition("/")[::2] for name in named_leaves(variables)]
        parameters = {name for collection, name in names if collection == _PARAMETERS}
        full = tuple(f"{of}/{name}" if of != _PARAMETERS and name in parameters else name for of, name in names)
        state = frozenset(name for name, (of, _) in zip(full, names, strict=True) if of != _PARAMETERS)
        return Parts(variables, None, without_keys(full, variables), state)

    def run(self, arrays: Any, structure: Any, inputs: Any, calls: Calls) -> Any:
        """Applies the module; what it would change of its state is thrown away."""
        positional, named = arguments(inputs, type(self.module).__call__, skipped=1)

        def intercept(following: Any, args: Any, kwargs: Any, context: Any) -> Any:
            if context.method_name != "__call__":
                return following(*args, **kwargs)
            name = "/".join(context.module.path)
            return calls.call(name, context.module, lambda: following(*args, **kwargs))

        with linen.intercept_methods(intercept):
            keys = {_PARAMETERS: jax.random.key(0)}
            outputs, _ = self.module.apply(arrays, *positional, **named, rngs=keys, mutable=DenyList(_PARAMETERS))
        return outputs


def _variables(given: Any) -> Mapping[str, Any]:
    """Collections by name, from whatever users have them in."""
    if not isinstance(given, Mapping) and hasattr(given, _PARAMETERS):
        state = {name: getattr(given, name) for name in ("batch_stats",) if getattr(given, name, None)}
        return {_PARAMETERS: given.params, **state}
    if not isinstance(given, Mapping):
        raise TypeError(f"parameters is {given!r:.100}; allowed are the module's variables, its parameters and a TrainState")
    return {**given} if _PARAMETERS in given else {_PARAMETERS: given}
