"""Equinox modules: pytrees that see one sample at a time."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import equinox
import jax

from tb_featuremap_plugin.integrations.jax.models import Parts, arguments, named_leaves, without_keys
from tb_featuremap_plugin.integrations.jax.module_calls import Calls
from tb_featuremap_plugin.integrations.jax.patched_calls import noted_calls
from tb_featuremap_plugin.monitor.layer_layouts import CHANNELS_FIRST


@dataclass(frozen=True)
class EquinoxModel:
    """An Equinox module, which takes one sample; `step` takes the module, or a pair of the module and its state."""

    data_format: str = CHANNELS_FIRST
    holds_parameters: bool = True

    def parts(self, given: Any) -> Parts:
        """Every array of the module."""
        model, state = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
        if not isinstance(model, equinox.Module):
            raise TypeError(f"model is {given!r:.100}; allowed are the Equinox module and a pair of it and its state")
        arrays, structure = equinox.partition((model, state), equinox.is_array)
        named = named_leaves(equinox.filter(model, equinox.is_array))
        hidden = len(jax.tree.leaves(arrays)) - len(named)
        return Parts(arrays, structure, (*without_keys(named, equinox.filter(model, equinox.is_array)), *(None,) * hidden), frozenset())

    def run(self, arrays: Any, structure: Any, inputs: Any, calls: Calls) -> Any:
        """Maps the module, in evaluation mode, over the samples."""
        model, state = equinox.combine(arrays, structure)
        model = equinox.nn.inference_mode(model)
        positional, named = arguments(inputs, type(model).__call__, skipped=1)
        words = {name: value for name, value in named.items() if isinstance(value, bool)} | _key_if_needed(type(model))
        samples = {name: value for name, value in named.items() if name not in words}
        modules = list(_modules(model, ()))
        names = {id(module): name for name, module in modules}

        def one(args: Any, kwargs: Any) -> Any:
            return model(*args, **kwargs, **words) if state is None else model(*args, state, **kwargs, **words)[0]

        with noted_calls(names, [module for _, module in modules], calls, _is_state):
            return jax.vmap(one, axis_name="batch")(positional, samples)


def _is_state(value: Any) -> bool:
    return isinstance(value, equinox.nn.State)


def _key_if_needed(kind: type[Any]) -> dict[str, Any]:
    """A key for modules that ask for one; in evaluation mode it changes nothing."""
    key = inspect.signature(kind.__call__).parameters.get("key")
    return {"key": jax.random.key(0)} if key is not None and key.default is inspect.Parameter.empty else {}


def _modules(node: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """All modules inside a pytree, with the names of the ways to them."""
    if isinstance(node, equinox.Module):
        yield "/".join(path), node
        parts = [(field.name, getattr(node, field.name, None)) for field in dataclasses.fields(node)]
    elif isinstance(node, Mapping):
        parts = [(str(name), part) for name, part in node.items()]
    elif isinstance(node, (list, tuple)):
        parts = [(str(index), part) for index, part in enumerate(node)]
    else:
        return
    for name, part in parts:
        yield from _modules(part, (*path, name))
