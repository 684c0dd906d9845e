"""The check of a first pass: is really everything as before?"""

from __future__ import annotations

import hashlib
import itertools
import types
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from tb_featuremap_plugin.integrations.common.python_state import PythonState
from tb_featuremap_plugin.integrations.torch.tensor_state import TensorState, WriteGuard

MOST_COPIED_BYTES = 256 << 20
"""Of tensors that are copied for the check, and so can be put back; of larger models sums are compared, which only tell."""


class FirstCheck:
    """Looks for what a pass changed without being seen, and warns of what could not be put back.

    Args:
        model: whose names the warning tells.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.unseen: tuple[torch.Tensor, ...] = ()

    @contextmanager
    def over(self, tensors: TensorState, python: PythonState, guard: WriteGuard) -> Iterator[None]:
        """Around a pass, before anything is put back."""
        known = [tensor for tensor in tensors.tensors() if not nn.parameter.is_lazy(tensor)]
        copied = sum(tensor.nbytes for tensor in known if tensor.layout == torch.strided) <= MOST_COPIED_BYTES
        for tensor in known if copied else ():
            guard.keep(tensor)
        before = {} if copied else {id(tensor): _sum(tensor) for tensor in known}
        others = [(thing, _progress(thing)) for thing in python.unguarded]
        yield
        self.unseen = tuple(guard.unseen())
        lost = [tensor for tensor in known if id(tensor) in before and not guard.saw(tensor) and before[id(tensor)] != _sum(tensor)]
        lost += [thing for thing, state in others if state != _progress(thing)]
        self._warn(lost)

    def _warn(self, lost: Iterable[Any]) -> None:
        names = sorted({self._owner(thing) for thing in lost})
        if names:
            warnings.warn(
                f"a pass of the probe changes what {', '.join(names)} keeps, and that cannot be put back: training is not what it would be "
                "unwatched; keep such state in tensors, arrays of at most 64 MB, lists, dictionaries or numbers, or leave it alone while "
                "`module.training` is False",
                RuntimeWarning,
                stacklevel=8,
            )

    def _owner(self, thing: Any) -> str:
        """Name and class of the module that keeps a thing."""
        for name, module in self._model.named_modules():
            held = itertools.chain(vars(module).values(), module._parameters.values(), module._buffers.values())
            if any(value is thing for value in held):
                return f"{name or 'the model'} ({type(module).__name__})"
        return f"the model ({type(self._model).__name__})"


def _sum(tensor: torch.Tensor) -> Any:
    """A number that other values would hardly have."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type == "meta":
        return None
    plain = torch.view_as_real(tensor.detach()) if tensor.is_complex() else tensor.detach()
    bits = plain.reshape(-1).view(torch.uint8)
    wide = bits.view(torch.int32) if bits.numel() % 4 == 0 and bits.numel() else bits
    return int(wide.sum(dtype=torch.int64))


def _progress(thing: Any) -> Any:
    """Where a large array or an iterator stands."""
    if isinstance(thing, np.ndarray):
        return hashlib.blake2b(np.ascontiguousarray(thing).view(np.uint8).reshape(-1).data).digest()
    if isinstance(thing, types.GeneratorType):
        frame = thing.gi_frame
        return None if frame is None else (frame.f_lasti, sorted((name, id(value)) for name, value in frame.f_locals.items()))
    return repr(thing)
