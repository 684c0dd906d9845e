"""What people give for a tree of arrays (models, iterators of pairs, callables) as a tree, or a message that says what is allowed."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from types import GeneratorType
from typing import Any

from tb_featuremap_plugin.arrays.tensors import has

_ALLOWED = "allowed are arrays, mappings and lists of them, and a callable that returns one of these"
_CONSUMED = (ItemsView, ValuesView, GeneratorType, zip, map, filter)
_BATCH = ("inputs", "targets")


def resolved(given: Any, what: str) -> Any:
    """A tree of arrays: what a callable returns, the parameters of a model, the pairs of an iterator; anything else as it is.

    Args:
        given: as given to `Monitor.log`.
        what: the argument's name, for error messages.

    Raises:
        TypeError: it is something that is not a tree of arrays, and has no obvious one.
    """
    if isinstance(given, (dict, list, tuple)) or given is None:
        return _named(given)
    if is_array(given) or _is_pytree(given):
        return given
    tree = _of_model(given, what)
    if tree is not None:
        return tree
    if isinstance(given, _CONSUMED) or type(given).__name__ in ("odict_items", "odict_values"):
        return _consumed(given, what)
    if isinstance(given, Mapping):
        return given
    if has(given, "__iter__") and not callable(given) and not isinstance(given, (str, bytes)):
        _refuse_loader(given, what)
    return resolved(_called(given, what), what) if callable(given) else given


def is_array(value: object) -> bool:
    """Whether this is an array, a tensor or a table of any package."""
    return (has(value, "shape") and (has(value, "dtype") or has(value, "to_numpy"))) or replicas(value) is not None


def replicas(value: object) -> tuple[Any, ...] | None:
    """What the replicas of a `tf.distribute` strategy hold each; None for anything else."""
    return tuple(getattr(value, "values", ())) if type(value).__name__ == "PerReplica" else None


def brief(value: object) -> str:
    """A value in a message: what it is, and what it looks like where that is short."""
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    plain = isinstance(value, (str, int, float, bool, type(None), list, tuple, dict, set))
    return f"{value!r:.100}" if plain else f"a {name}"


def _is_pytree(given: Any) -> bool:
    """Whether these are parameters that are callable too, as Equinox's modules are dataclasses."""
    return dataclasses.is_dataclass(given) and not isinstance(given, type) and not has(given, "init_with_output")


def _of_model(given: Any, what: str) -> Any:
    """The parameters of a model, or what else of it was asked for; None for anything else."""
    make = next((make for is_one, make in _MODELS if is_one(given)), None)
    if make is None:
        return None
    if what not in ("weights", "gradients"):
        raise TypeError(f"{what} is a model ({type(given).__name__}); allowed are arrays, such as what it makes of the probe")
    return make(given, what)


def _is_torch(given: Any) -> bool:
    return all(has(given, name) for name in ("named_parameters", "named_buffers", "state_dict"))


def _torch_parameters(module: Any, what: str) -> dict[str, Any]:
    return {name: value if what == "weights" else value.grad for name, value in module.named_parameters()}


def _is_keras(given: Any) -> bool:
    return all(has(given, name) for name in ("trainable_variables", "get_weights", "weights"))


def _is_tf_module(given: Any) -> bool:
    return all(has(given, name) for name in ("trainable_variables", "variables", "with_name_scope"))


def _variables(model: Any, what: str) -> dict[str, Any]:
    if what == "gradients":
        raise TypeError(f"gradients is a model ({type(model).__name__}), which keeps none; allowed are {{name: gradient}}")
    tree: dict[str, Any] = {}
    for variable in model.weights if _is_keras(model) else model.variables:
        name = getattr(variable, "path", None) or variable.name
        tree[unused(name, tree)] = variable
    return tree


def _is_nnx(given: Any) -> bool:
    nnx = sys.modules.get("flax.nnx")
    return nnx is not None and isinstance(given, nnx.Module)


def _nnx_parameters(module: Any, what: str) -> Any:
    if what == "gradients":
        raise TypeError(f"gradients is a model ({type(module).__name__}), which keeps none; allowed are {{name: gradient}}")
    nnx = sys.modules["flax.nnx"]
    return nnx.state(module, nnx.Param)


def _is_without_parameters(given: Any) -> bool:
    """Flax's linen modules and Haiku's transforms are recipes; their parameters are elsewhere."""
    return has(given, "init") and has(given, "apply") and not isinstance(given, Mapping)


def _without_parameters(module: Any, what: str) -> Any:
    raise TypeError(
        f"{what} is a {type(module).__name__}, which does not hold its parameters; allowed are these, such as variables['params']"
    )


_MODELS: tuple[tuple[Callable[[Any], bool], Callable[[Any, str], Any]], ...] = (
    (_is_torch, _torch_parameters),
    (_is_keras, _variables),
    (_is_tf_module, _variables),
    (_is_nnx, _nnx_parameters),
    (_is_without_parameters, _without_parameters),
)


def _named(given: Any) -> Any:
    """A list of pairs of a name and something is a mapping."""
    return _mapping(given) if isinstance(given, list) and given and all(map(_is_pair, given)) else given


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in pairs:
        tree[unused(name, tree)] = value
    return tree


def _consumed(given: Any, what: str) -> Any:
    if what in _BATCH and isinstance(given, Iterator):
        _refuse_loader(given, what)
    return _named(list(given))


def _refuse_loader(given: Any, what: str) -> None:
    raise TypeError(
        f"{what} is {brief(given)}; {_ALLOWED}. Of something that gives batches, take one before training, "
        "such as next(iter(loader)), and log the same one each time"
    )


def _called(given: Any, what: str) -> Any:
    result = given()
    if callable(result) and not is_array(result) and _of_model(result, what) is None:
        raise TypeError(f"{what} is a callable that returns {brief(result)}; {_ALLOWED}")
    return result


def unused(name: str, taken: Mapping[str, object] | set[str]) -> str:
    """The name, or the first of "name:2", "name:3" and so on that is not taken."""
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}:{number}"
    return candidate
