"""Optimizers by their learning rate."""

from __future__ import annotations

import torch

from benchmarks.diagnosis.case import MakeOptimizer


def sgd(rate: float, momentum: float = 0.0, decay: float = 0.0) -> MakeOptimizer:
    """Plain gradient descent."""
    return lambda parameters: torch.optim.SGD(parameters, lr=rate, momentum=momentum, weight_decay=decay)


def adam(rate: float, decay: float = 0.0) -> MakeOptimizer:
    """Adam, with decoupled weight decay if there is any."""
    if decay:
        return lambda parameters: torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
    return lambda parameters: torch.optim.Adam(parameters, lr=rate)


def rmsprop(rate: float) -> MakeOptimizer:
    """RMSprop."""
    return lambda parameters: torch.optim.RMSprop(parameters, lr=rate)
