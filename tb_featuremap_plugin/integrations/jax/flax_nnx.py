"""Flax nnx modules: a graph of objects, split into arrays and structure; the pass runs on a copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
from flax import nnx

from tb_featuremap_plugin.integrations.jax.models import Parts, arguments, key_name
from tb_featuremap_plugin.integrations.jax.module_calls import Calls
from tb_featuremap_plugin.integrations.jax.patched_calls import noted_calls
from tb_featuremap_plugin.monitor.layer_layouts import CHANNELS_LAST


@dataclass(frozen=True)
class NnxModel:
    """An nnx module; `step` takes the module itself."""

    data_format: str = CHANNELS_LAST
    holds_parameters: bool = True

    def parts(self, given: Any) -> Parts:
        """Every variable but the counters and keys of random numbers."""
        if not isinstance(given, nnx.Module):
            raise TypeError(f"model is {given!r:.100}; allowed is the nnx module")
        graph, state = nnx.split(given)
        flat = {"/".join(map(str, path)): variable for path, variable in nnx.to_flat_state(state)}
        leaves, _ = jax.tree_util.tree_flatten_with_path(state)
        names = [_name(path, flat) for path, _ in leaves]
        logged = tuple(None if isinstance(flat.get(name), nnx.RngState) else name for name in names)
        others = frozenset(name for name in logged if name is not None and not isinstance(flat.get(name), nnx.Param))
        return Parts(state, graph, logged, others)

    def run(self, arrays: Any, structure: Any, inputs: Any, calls: Calls) -> Any:
        """Calls a copy of the module that is in evaluation mode."""
        model = nnx.merge(structure, arrays)
        model.eval()
        modules = {id(module): ("/".join(map(str, path)), module) for path, module in nnx.iter_modules(model)}
        positional, named = arguments(inputs, type(model).__call__, skipped=1)
        names = {identity: name for identity, (name, _) in modules.items()}
        with noted_calls(names, [module for _, module in modules.values()], calls):
            return model(*positional, **named)


def _name(path: Any, known: Any) -> str:
    """A leaf's name without what nnx appends for the value inside a variable."""
    parts = [key_name(key) for key in path]
    full = "/".join(parts)
    return full if full in known else "/".join(parts[:-1])
