"""Which activation a model's own code applies last to what its modules put out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from tb_featuremap_plugin.schema import activations

_RESHAPING = frozenset({"view", "reshape", "flatten", "squeeze", "unsqueeze", "contiguous", "float", "to", "double"})
"""Functions after which a tensor still is what its module put out."""


class LastFunctions:
    """Follows tensors from the module that put them out through one activation and any number of reshapes."""

    def __init__(self) -> None:
        self._modules = WeakTensorKeyDictionary()
        self._functions = WeakTensorKeyDictionary()

    def of_module(self, outputs: Iterable[torch.Tensor], name: str) -> None:
        """Says that tensors are what a module put out, with nothing applied to them: if an activation made them, it is the module's."""
        for tensor in outputs:
            if tensor in self._functions:
                self._functions[tensor] = (name, self._functions[tensor][1])
            self._modules[tensor] = name

    def functions(self, outputs: Iterable[torch.Tensor]) -> dict[str, tuple[str, int | None]]:
        """By module, the activation whose value one of these is, and the axis over which it normalises."""
        found = (self._functions.get(tensor) for tensor in outputs)
        return dict(one for one in found if one is not None)

    def follow(self, name: str, arguments: Any, outputs: list[torch.Tensor]) -> None:
        """Takes note of a call of a function."""
        args, kwargs = arguments
        given = args[0] if args else kwargs.get("input")
        if not isinstance(given, torch.Tensor) or len(outputs) != 1:
            return
        module, known = self._modules.get(given), activations.find(name)
        if name in _RESHAPING:
            for followed in (self._modules, self._functions):
                if given in followed:
                    followed[outputs[0]] = followed[given]
        elif module is not None and known is not None:
            dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
            axis = dim % given.ndim if isinstance(dim, int) and not isinstance(dim, bool) and given.ndim else None
            self._functions[outputs[0]] = (module, (known.name, axis))
