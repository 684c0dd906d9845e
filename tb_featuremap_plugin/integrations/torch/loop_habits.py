"""What a training loop does between its updates: whether gradients are cleared, and whether the model is in training mode."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tb_featuremap_plugin.schema.network import LoopFacts

MOST_UPDATES = 24
"""Updates that are looked at; a loop does not change its habits."""

_MODAL = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
"""Modules that do something else in training mode."""


@dataclass
class _Mark:
    """A gradient as it was right after an update: the tensor, and how often it had been written."""

    gradient: weakref.ref[torch.Tensor]
    version: int


class LoopHabits:
    """Counts, at the first updates, gradients that were not cleared since the one before, and updates in evaluation mode.

    A gradient that is cleared is another tensor afterwards, or is written twice before the next update: with zeros, and by the backward
    pass. One that is the same tensor, written once, holds the sum of both. What else writes into it, such as clipping, makes this unknown.

    Args:
        model: that is trained.
    """

    def __init__(self, model: nn.Module) -> None:
        self.facts = LoopFacts()
        self._model = weakref.ref(model)
        self._marks: dict[int, _Mark] = {}

    @property
    def is_known(self) -> bool:
        """Whether enough updates were looked at."""
        return self.facts.updates >= MOST_UPDATES

    def before(self, optimizer: torch.optim.Optimizer) -> None:
        """Looks at a gradient that an update is about to be made of."""
        if self.is_known:
            return
        parameter, mark = _first_with_gradient(optimizer), self._marks.get(id(optimizer))
        gradient = parameter.grad if parameter is not None else None
        kept = mark is not None and gradient is not None and mark.gradient() is gradient and _version(gradient) == mark.version + 1
        model = self._model()
        evaluating = model is not None and not model.training and any(isinstance(part, _MODAL) for part in model.modules())
        facts = self.facts
        self.facts = LoopFacts(facts.updates + 1, facts.kept_gradients + kept, facts.evaluating + evaluating)

    def after(self, optimizer: torch.optim.Optimizer) -> None:
        """Marks it."""
        parameter = None if self.is_known else _first_with_gradient(optimizer)
        if parameter is not None and parameter.grad is not None:
            self._marks[id(optimizer)] = _Mark(weakref.ref(parameter.grad), _version(parameter.grad))


def _version(gradient: Any) -> int:
    """How often a tensor was written in place."""
    return int(gradient._version)


def _first_with_gradient(optimizer: torch.optim.Optimizer) -> torch.Tensor | None:
    parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
    return next((parameter for parameter in parameters if parameter.grad is not None), None)
