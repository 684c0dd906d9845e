"""The check of passes: is really everything as before?"""

from __future__ import annotations

import gc
import types
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from tb_featuremap_plugin.integrations.common.progress import progress
from tb_featuremap_plugin.integrations.common.python_state import PythonState
from tb_featuremap_plugin.integrations.torch.tensor_state import TensorState, WriteGuard, bits_of

MOST_COPIED_BYTES = 256 << 20
"""Of tensors that are copied for the check, and so can be put back; of larger models sums are compared, which only tell."""

_DEEPEST = 6
"""Steps from a module's attributes to what it keeps."""


class PassCheck:
    """Looks for what passes changed without being seen, and warns of what could not be put back.

    The first pass is looked at in full, the later ones for what moves on, such as generators and files.

    Args:
        model: whose names the warnings tell.

    Attributes:
        unseen: tensors that the first pass wrote without being seen: those that follow must keep them.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._is_first = True
        self._told: set[str] = set()
        self.unseen: tuple[torch.Tensor, ...] = ()

    @contextmanager
    def over(self, tensors: TensorState, python: PythonState, guard: WriteGuard) -> Iterator[None]:
        """Around a pass, before anything is put back."""
        moving = [(thing, progress(thing)) for thing in python.unguarded if self._is_first or not isinstance(thing, np.ndarray)]
        lost: list[Any] = []
        with self._all_tensors(tensors, guard, lost) if self._is_first else nullcontext():
            yield
        lost += [thing for thing, before in moving if before != progress(thing)]
        self._is_first = False
        self._warn(lost)

    def tell(self, problems: Iterable[Exception]) -> None:
        """Warns of what was raised by things that did not let themselves be put back."""
        for problem in problems:
            text = f"{type(problem).__name__}: {problem}"
            if text not in self._told:
                self._told.add(text)
                warnings.warn(f"something that a pass of the probe changed cannot be put back: {text:.500}", RuntimeWarning, stacklevel=8)

    @contextmanager
    def _all_tensors(self, tensors: TensorState, guard: WriteGuard, lost: list[Any]) -> Iterator[None]:
        known = [tensor for tensor in tensors.tensors() if not nn.parameter.is_lazy(tensor)]
        copied = sum(tensor.nbytes for tensor in known if tensor.layout == torch.strided) <= MOST_COPIED_BYTES
        for tensor in known if copied else ():
            guard.keep(tensor)
        before = {} if copied else {id(tensor): _sum(tensor) for tensor in known}
        yield
        self.unseen = tuple(guard.unseen())
        lost += [tensor for tensor in known if id(tensor) in before and not guard.saw(tensor) and before[id(tensor)] != _sum(tensor)]

    def _warn(self, lost: Iterable[Any]) -> None:
        names = sorted({self._owner(thing) for thing in lost} - self._told)
        if names:
            self._told.update(names)
            warnings.warn(
                f"a pass of the probe changes what {', '.join(names)} keeps, and that cannot be put back: training, or what it writes, is "
                "not what it would be unwatched; keep such state in tensors, arrays of at most 64 MB, lists, dictionaries or numbers, or "
                "leave it alone while `module.training` is False",
                RuntimeWarning,
                stacklevel=8,
            )

    def _owner(self, thing: Any) -> str:
        """Name and class of the module that keeps a thing."""
        for name, module in self._model.named_modules():
            if _holds(module, thing):
                return f"{name or 'the model'} ({type(module).__name__})"
        return f"the model ({type(self._model).__name__})"


def _holds(module: nn.Module, thing: Any) -> bool:
    """Whether a module keeps a thing itself, in containers, functions or objects too, but not in its parts or its class."""
    level: list[Any] = [vars(module)]
    seen = {id(module)}
    for _ in range(_DEEPEST):
        level = [part for one in level for part in gc.get_referents(one) if id(part) not in seen and not _is_elsewhere(part)]
        if any(part is thing for part in level):
            return True
        seen.update(map(id, level))
    return False


def _is_elsewhere(thing: Any) -> bool:
    """Other modules, classes, and the globals of functions."""
    return isinstance(thing, (nn.Module, type, types.ModuleType)) or (isinstance(thing, dict) and "__builtins__" in thing)


def _sum(tensor: torch.Tensor) -> Any:
    """A number that other values would hardly have."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type == "meta":
        return None
    bits = bits_of(tensor)
    wide = bits.view(torch.int32) if bits.numel() % 4 == 0 and bits.numel() else bits
    return int(wide.sum(dtype=torch.int64))
