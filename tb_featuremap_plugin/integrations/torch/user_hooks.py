"""Hooks in a probe pass: those that a model needs to compute what it computes run, those that only look on do not."""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.modules import module as torch_module

_HOOKS_OF_A_MODULE = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_GLOBAL_HOOKS = ("_global_forward_hooks", "_global_forward_pre_hooks", "_global_backward_hooks", "_global_backward_pre_hooks")

_STORES = frozenset({"STORE_ATTR", "STORE_SUBSCR", "STORE_GLOBAL", "STORE_DEREF", "DELETE_ATTR", "DELETE_SUBSCR"})
_RETURN_NOTHING = frozenset(
    {
        *("append", "appendleft", "extend", "put", "print", "write", "writelines", "info", "debug", "warning", "log"),
        *("add_scalar", "add_scalars", "add_histogram", "add_image"),
    }
)
"""Calls whose result is nothing: a lambda that ends in one changes no output."""


@contextmanager
def onlookers_silent(modules: Iterable[torch.nn.Module]) -> Iterator[None]:
    """Takes the hooks away that only look on, of modules, of their parameters and of all modules, until the end of the block.

    Args:
        modules: of the model.
    """
    taken: list[tuple[dict[Any, Any], list[tuple[Any, Any]]]] = []
    try:
        for hooks in _hook_tables(modules):
            if hooks and not all(map(is_needed, hooks.values())):
                taken.append((hooks, list(hooks.items())))
                for key in [key for key, hook in hooks.items() if not is_needed(hook)]:
                    del hooks[key]
        yield
    finally:
        for hooks, entries in taken:
            hooks.clear()
            hooks.update(entries)


@contextmanager
def saving_as_usual() -> Iterator[None]:
    """What the user has around the loop to pack the tensors that autograd keeps is not called, until the end of the block."""
    top = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", None)
    if top is None or top(True) is None:
        yield
        return
    with torch.autograd.graph.saved_tensors_hooks(torch.Tensor.detach, lambda tensor: tensor):
        yield


def hook_tables(modules: Iterable[torch.nn.Module]) -> list[dict[Any, Any]]:
    """The mappings that hold all hooks which a pass through these modules may run, empty ones left out."""
    return [hooks for hooks in _hook_tables(modules) if hooks]


def is_needed(hook: Any) -> bool:
    """Whether a hook may change what the model computes: it returns something, stores something, or is torch's own.

    Weight normalisation, pruning, lazy initialisation and sharding are hooks that a model does not work without; a hook that hands
    its output to somebody else's code and returns nothing can be left out. What cannot be looked into is taken to be needed.
    """
    code = _code_of(hook)
    return code is None or _may_change(code)


def _hook_tables(modules: Iterable[torch.nn.Module]) -> Iterator[dict[Any, Any]]:
    for name in _GLOBAL_HOOKS:
        yield getattr(torch_module, name, {})
    for module in modules:
        attributes = vars(module)
        for name in _HOOKS_OF_A_MODULE:
            yield attributes.get(name) or {}
        for parameter in (attributes.get("_parameters") or {}).values():
            yield getattr(parameter, "_backward_hooks", None) or {}


def _code_of(hook: Any) -> types.CodeType | None:
    """The code of a user's Python function; None for torch's own and for what is not written in Python."""
    while isinstance(hook, functools.partial):
        hook = hook.func
    function = getattr(hook, "__func__", hook)
    if not isinstance(function, types.FunctionType):
        function = getattr(type(hook).__call__, "__func__", type(hook).__call__)
    if not isinstance(function, types.FunctionType) or (function.__module__ or "").partition(".")[0] == "torch":
        return None
    return function.__code__


@functools.lru_cache(maxsize=4096)
def _may_change(code: types.CodeType) -> bool:
    stores = any(instruction.opname in _STORES for instruction in dis.get_instructions(code))
    writes = "setattr" in code.co_names or any(name.endswith("_") and not name.startswith("_") for name in code.co_names)
    return stores or writes or (_returns_something(code) and not _RETURN_NOTHING.intersection(code.co_names))


def _returns_something(code: types.CodeType) -> bool:
    """Whether some return statement returns more than a literal None."""
    before: dis.Instruction | None = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "RETURN_CONST" and instruction.argval is not None:
            return True
        if instruction.opname == "RETURN_VALUE" and not (before is not None and before.opname == "LOAD_CONST" and before.argval is None):
            return True
        before = instruction
    return False
