"""The loop that most programs have, and small pieces of networks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import tb_featuremap_plugin as fm
from benchmarks.programs.data import digits

PROBE = 32


def tensors(*arrays: Any) -> tuple[torch.Tensor, ...]:
    """NumPy's arrays as tensors of the same kind."""
    return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)


def digit_tensors(*, flat: bool = False, size: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Digits, standardised, [N, 1, size, size] or [N, 64], and their classes."""
    images, classes = tensors(*digits())
    images = (images - images.mean()) / images.std()
    if flat:
        return images.flatten(1), classes
    return images[:, None].repeat_interleave(size // 8, 2).repeat_interleave(size // 8, 3), classes


def watched(model: nn.Module, logdir: Path, inputs: Any, targets: Any = None, **facts: Any) -> Any:
    """The one line, with the first inputs as probe."""
    probe = inputs[:PROBE] if targets is None else (inputs[:PROBE], targets[:PROBE])
    return fm.torch.watch(model, str(logdir), probe=probe, every=1, max_images=1, max_channels=1, **facts)


def fit(
    model: nn.Module,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    loss_fn: Callable[..., torch.Tensor],
    optimizer: torch.optim.Optimizer,
    logdir: Path,
    *,
    steps: int = 100,
    batch: int = 32,
    scheduler: Any = None,
    clip: float | None = None,
    told: bool = True,
) -> float:
    """Trains by heart of the manual: draw, zero_grad, loss, backward, step. Returns the mean of the last losses."""
    losses = []
    facts = {"loss_fn": loss_fn, "optimizer": optimizer} if told else {}
    with watched(model, logdir, inputs, targets, **facts) as watcher:
        model.train()
        for _ in range(steps):
            chosen = torch.randint(len(inputs), (batch,))
            optimizer.zero_grad()
            loss = loss_fn(model(inputs[chosen]), targets[chosen])
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
            watcher.step(loss)
            losses.append(loss.item())
    return float(np.mean(losses[-10:]))


def warm_up(optimizer: torch.optim.Optimizer, steps: int = 20, total: int = 100) -> Any:
    """The rate rises over the first steps, and falls along a line after them."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda at: min((at + 1) / steps, (total - at) / (total - steps)))


class Apply(nn.Module):
    """A module around a function."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def small_conv(classes: int = 10, channels: int = 1, *, norm: bool = False) -> nn.Sequential:
    """Two convolutions and a dense layer, for pictures of 8x8."""
    parts: list[nn.Module] = [nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1)]
    if norm:
        parts.insert(1, nn.BatchNorm2d(16))
        parts.append(nn.BatchNorm2d(32))
    return nn.Sequential(*parts, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 4, classes))


def dense(*sizes: int, hidden: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Dense layers of these sizes, with an activation between each two."""
    parts: list[nn.Module] = []
    for before, after in pairwise(sizes):
        parts += [nn.Linear(before, after), hidden()]
    return nn.Sequential(*parts[:-1])
