"""Modes of modules, set flag by flag: `train()` and `eval()` run code of the user's."""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

_FLAGS = frozenset({"training", "requires_grad"})
_WRITES = frozenset(
    {
        *("data", "setattr", "delattr", "copy_", "add_", "sub_", "mul_", "div_", "set_"),
        *("register_parameter", "register_buffer"),
    }
)


@contextmanager
def evaluation_flags(modules: Iterable[torch.nn.Module], *, keep_own: bool) -> Iterator[None]:
    """All modules say that they are not in training, until the end of the block.

    A module whose own `train()` or `eval()` rewrites more than flags (merged adapters, fused branches) stays as it is: what its
    evaluation mode needs was not prepared, and must not be.

    Args:
        modules: of the model.
        keep_own: leave every module as it is that has a `train()` or `eval()` of its own.
    """
    modes = [(module, module.training) for module in modules]
    try:
        for module, _ in modes:
            if not (overrides_modes(module) if keep_own else rewrites_itself(module)):
                _set(module, False)
        yield
    finally:
        for module, training in modes:
            if module.training is not training:
                _set(module, training)


def unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """The user's own module: without what `torch.compile` and data parallelism put around it."""
    while True:
        inner = getattr(module, "_orig_mod", None)
        if inner is None and isinstance(module, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)):
            inner = module.module
        if not isinstance(inner, torch.nn.Module):
            return module
        module = inner


def overrides_modes(module: torch.nn.Module) -> bool:
    """Whether a module, other than torch's own, has a `train()` or `eval()` of its own."""
    kind: Any = type(module)
    return bool(_mode_functions(kind)) or not {"train", "eval"}.isdisjoint(vars(module))


def rewrites_itself(module: torch.nn.Module) -> bool:
    """Whether its own `train()` or `eval()`, or a method that these call, sets more than flags."""
    kind: Any = type(module)
    return any(_rewrites(function.__code__, kind, 2) for function in _mode_functions(kind))


def _set(module: torch.nn.Module, training: bool) -> None:
    attributes = vars(module)
    if "training" in attributes:
        attributes["training"] = training
    else:  # scripted and compiled modules keep it elsewhere
        module.training = training


@functools.lru_cache(maxsize=4096)
def _mode_functions(kind: Any) -> tuple[types.FunctionType, ...]:
    found = [getattr(kind, name) for name in ("train", "eval")]
    return tuple(one for one in found if isinstance(one, types.FunctionType) and not (one.__module__ or "").startswith("torch."))


def _rewrites(code: types.CodeType, kind: type, depth: int) -> bool:
    stored = {found.argval for found in dis.get_instructions(code) if found.opname in ("STORE_ATTR", "DELETE_ATTR")}
    if stored - _FLAGS or _WRITES.intersection(code.co_names):
        return True
    called: list[Any] = [getattr(kind, name, None) for name in code.co_names if depth and name not in ("train", "eval")]
    own = [one for one in called if isinstance(one, types.FunctionType) and not (one.__module__ or "").startswith("torch.")]
    return any(_rewrites(function.__code__, kind, depth - 1) for function in own)
