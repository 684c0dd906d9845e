"""Haiku transforms: parameters by the name of the module that made them, and an interceptor that sees every call."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import haiku
import jax

from tb_featuremap_plugin.integrations.jax.models import Parts, arguments, named_leaves, without_keys
from tb_featuremap_plugin.integrations.jax.module_calls import Calls
from tb_featuremap_plugin.monitor.layer_layouts import CHANNELS_LAST


@dataclass(frozen=True)
class HaikuModel:
    """A Haiku transform; `step` takes its parameters, or a pair of parameters and state where it was transformed with state."""

    transformed: Any
    data_format: str = CHANNELS_LAST
    holds_parameters: bool = False

    def parts(self, given: Any) -> Parts:
        """Parameters by module and name; state beside them."""
        pair = isinstance(given, tuple) and len(given) == 2
        parameters, state = given if pair else (given, {})
        named, kept = named_leaves(parameters), named_leaves(state)
        full = tuple(f"state/{name}" if name in named else name for name in kept)
        return Parts((parameters, state), None, without_keys((*named, *full), (parameters, state)), frozenset(full))

    def run(self, arrays: Any, structure: Any, inputs: Any, calls: Calls) -> Any:
        """Applies the transform with fixed random numbers."""
        parameters, state = arrays
        apply = self.transformed.apply
        positional, named = arguments(inputs, apply, skipped=2)
        keys = (jax.random.key(0),) if "rng" in inspect.signature(apply).parameters else ()  # `without_apply_rng` takes it away

        def intercept(following: Any, args: Any, kwargs: Any, context: Any) -> Any:
            if context.method_name != "__call__":
                return following(*args, **kwargs)
            return calls.call(context.module.module_name, context.module, lambda: following(*args, **kwargs))

        with haiku.intercept_methods(intercept):
            if isinstance(self.transformed, haiku.TransformedWithState):
                return apply(parameters, state, *keys, *positional, **named)[0]
            return apply(parameters, *keys, *positional, **named)
