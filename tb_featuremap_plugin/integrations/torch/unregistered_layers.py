"""Layers that a model holds in a plain list or dictionary, where `parameters()` does not see them."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

MOST_ENTRIES = 256
"""Of a container that are looked at; larger ones are data."""

_ENTRIES = 64
_OWN = frozenset(vars(nn.Module()))
_FRESH = (nn.Linear, nn.modules.conv._ConvNd)
_SPREAD = (0.7, 1.3)
_LEAST_ENTRIES = 16


@dataclass(frozen=True)
class _Held:
    """A module that is held by a container, and the first entries of its parameters as they were when it was found."""

    name: str
    module: nn.Module
    start: tuple[torch.Tensor, ...]


class UnregisteredLayers:
    """Finds layers that get gradients, are as random as they were made, and are neither registered nor in an optimizer.

    Networks that somebody keeps out of `parameters()` on purpose are told by what is missing: no gradient is asked for (a teacher), their
    weights are not those of a fresh layer (a pretrained network), or they are updated all the same.

    Args:
        model: that is trained.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = weakref.ref(model)
        self._held: list[_Held] | None = None

    def names(self, optimizers: Sequence[torch.optim.Optimizer], updates: int) -> tuple[str, ...]:
        """Those of which all this holds now, such as "blocks[0]"; the first call looks for what there is.

        Args:
            optimizers: that update the model.
            updates: that were made since the first call or before.
        """
        if self._held is None:
            model = self._model()
            self._held = [_Held(name, part, _first_entries(part)) for name, part in _fresh_ones(model)] if model is not None else []
        if not self._held or updates == 0:
            return ()
        known = {id(parameter) for optimizer in optimizers for group in optimizer.param_groups for parameter in group["params"]}
        return tuple(held.name for held in self._held if _is_forgotten(held, known))


def _fresh_ones(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Modules in containers, with trainable parameters that the model does not list, and all layers as torch makes them."""
    registered = {id(parameter) for parameter in model.parameters()}
    seen: set[int] = set()
    for path, part in model.named_modules():
        for attribute, value in vars(part).items():
            if attribute in _OWN:
                continue
            for name, module in _modules_in(f"{path}.{attribute}" if path else attribute, value):
                own = list(module.parameters())
                is_new = id(module) not in seen and not any(id(one) in registered for one in own)
                if is_new and own and all(one.requires_grad for one in own) and _is_fresh(module):
                    seen.add(id(module))
                    yield name, module


def _modules_in(name: str, value: Any) -> Iterator[tuple[str, nn.Module]]:
    """Those in a list, tuple or dictionary, and in such that lie in it; exactly these types, since others may do more when asked."""
    if type(value) not in (list, tuple, dict) or len(value) > MOST_ENTRIES:
        return
    entries: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    for key, entry in entries:
        if isinstance(entry, nn.Module):
            yield f"{name}[{key!r}]", entry
        else:
            for inner, one in enumerate(entry) if type(entry) in (list, tuple) and len(entry) <= MOST_ENTRIES else ():
                if isinstance(one, nn.Module):
                    yield f"{name}[{key!r}][{inner}]", one


def _is_fresh(module: nn.Module) -> bool:
    """Whether it has dense or convolutional layers, and all of them look as torch initialises them: uniform within 1 / sqrt(inputs)."""
    layers = [part for part in module.modules() if isinstance(part, _FRESH)]
    return bool(layers) and all(_looks_uniform(layer.weight) for layer in layers if isinstance(layer.weight, torch.Tensor))


def _looks_uniform(weight: torch.Tensor) -> bool:
    if nn.parameter.is_lazy(weight) or weight.is_meta or weight.numel() < _LEAST_ENTRIES:
        return False
    limit = 1 / math.sqrt(weight[0].numel())
    values = weight.detach().float()
    low, high = _SPREAD
    return bool(values.abs().max() <= limit * 1.001 and low <= float(values.std()) * math.sqrt(3) / limit <= high)


def _first_entries(module: nn.Module) -> tuple[torch.Tensor, ...]:
    return tuple(parameter.detach().reshape(-1)[:_ENTRIES].clone() for parameter in module.parameters())


def _is_forgotten(held: _Held, known: set[int]) -> bool:
    parameters = list(held.module.parameters())
    if len(parameters) != len(held.start) or any(id(one) in known for one in parameters):
        return False
    if not all(one.requires_grad and one.grad is not None and bool(one.grad.isfinite().all()) for one in parameters):
        return False
    moved = any(not torch.equal(now, then) for now, then in zip(_first_entries(held.module), held.start, strict=True))
    return not moved and any(bool(one.grad.any()) for one in parameters if one.grad is not None)
