"""Programs that compute a validation loss, and programs that keep layers in lists: with the fault, and without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as fn

from benchmarks.programs.data import table
from benchmarks.programs.loops import dense, digit_tensors, fit, tensors, watched
from benchmarks.programs.program import faulty, healthy

Pair = tuple[torch.Tensor, torch.Tensor]


def _validated(
    model: nn.Module, train: Pair, held_out: Pair, loss_fn: Callable[..., Any], optimizer: Any, logdir: Path, steps: int = 200
) -> Any:
    """Batches of 32, and a validation after every tenth update."""
    (x, y), (x_held, y_held), loss = train, held_out, torch.zeros(())
    with watched(model, logdir, x, y, loss_fn=loss_fn, optimizer=optimizer) as watcher:
        for step in range(steps):
            model.train()
            at = torch.randint(len(x), (32,))
            loss = loss_fn(model(x[at]), y[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
            if step % 10 == 8:
                model.eval()
                with torch.no_grad():
                    watcher.validate(loss_fn(model(x_held), y_held))
    return loss.item()


def _halves(x: torch.Tensor, y: torch.Tensor, train: int) -> tuple[Pair, Pair]:
    order = torch.randperm(len(x))
    first, rest = order[:train], order[train : train + 500]
    return (x[first], y[first]), (x[rest], y[rest])


@faulty("forty digits for a wide network, a third of their labels wrong", "data", {"overfitting"})
def _few_digits(logdir: Path) -> Any:
    torch.manual_seed(301)
    train, held_out = _halves(*digit_tensors(flat=True), 40)
    train[1][:13] = torch.randint(0, 10, (13,))
    model = dense(64, 256, 256, 10)
    return _validated(model, train, held_out, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 1e-3), logdir)


@faulty("ninety rows of a noisy table for a wide regression", "data", {"overfitting"})
def _few_rows(logdir: Path) -> Any:
    torch.manual_seed(302)
    values, z = table()
    x, y = tensors(values, z + np.random.default_rng(302).normal(size=z.shape).astype(np.float32))
    train, held_out = _halves(x, y, 90)
    model = dense(10, 256, 256, 1)
    return _validated(model, train, held_out, nn.MSELoss(), torch.optim.Adam(model.parameters(), 1e-3), logdir, steps=300)


@healthy("digits with a validation loss", "data")
def _enough_digits(logdir: Path) -> Any:
    torch.manual_seed(303)
    train, held_out = _halves(*digit_tensors(flat=True), 1200)
    model = dense(64, 64, 10)
    return _validated(model, train, held_out, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 1e-3), logdir)


@healthy("digits with dropout and a validation loss far below the training loss", "data")
def _dropout_digits(logdir: Path) -> Any:
    torch.manual_seed(304)
    train, held_out = _halves(*digit_tensors(flat=True), 1200)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))
    return _validated(model, train, held_out, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), logdir)


@healthy("a table with a small and noisy validation set", "data")
def _noisy_validation(logdir: Path) -> Any:
    torch.manual_seed(305)
    values, z = table()
    inputs, targets = tensors(values, z)
    train, (x, y) = _halves(inputs, targets, 500)
    model = dense(10, 32, 1)
    return _validated(model, train, (x[:25], y[:25]), nn.MSELoss(), torch.optim.Adam(model.parameters(), 3e-3), logdir)


class _Blocks(nn.Module):
    """Layers behind each other, held as `keep` makes it of a list."""

    def __init__(self, keep: Callable[[list[nn.Module]], Any]) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 32), nn.Linear(32, 10)
        self.blocks = keep([nn.Linear(32, 32) for _ in range(3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = fn.relu(self.first(x))
        for block in self.blocks:
            x = fn.relu(block(x))
        return torch.as_tensor(self.last(x))


def _digits(model: nn.Module, logdir: Path, parameters: list[nn.Parameter]) -> Any:
    return fit(model, *digit_tensors(flat=True), nn.CrossEntropyLoss(), torch.optim.Adam(parameters, 1e-3), logdir)


@faulty("blocks in a list", "network", {"unregistered_layers"})
def _list(logdir: Path) -> Any:
    torch.manual_seed(306)
    model = _Blocks(list)
    return _digits(model, logdir, list(model.parameters()))


@faulty("experts in a dictionary", "network", {"unregistered_layers"})
def _dictionary(logdir: Path) -> Any:
    torch.manual_seed(307)

    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = {name: nn.Sequential(nn.Linear(64, 32), nn.ReLU()) for name in ("left", "right")}
            self.head = nn.Linear(64, 10)

        def forward(self, x: torch.Tensor) -> Any:
            return self.head(torch.cat([expert(x) for expert in self.experts.values()], 1))

    model = Experts()
    return _digits(model, logdir, list(model.parameters()))


@healthy("blocks in a ModuleList", "network")
def _module_list(logdir: Path) -> Any:
    torch.manual_seed(308)
    model = _Blocks(nn.ModuleList)
    return _digits(model, logdir, list(model.parameters()))


@healthy("blocks in a list that the optimizer is given", "network")
def _given(logdir: Path) -> Any:
    torch.manual_seed(309)
    model = _Blocks(list)
    return _digits(model, logdir, [*model.parameters(), *(one for block in model.blocks for one in block.parameters())])


@healthy("frozen random features in a list", "network")
def _features(logdir: Path) -> Any:
    torch.manual_seed(310)
    model = _Blocks(lambda blocks: [block.requires_grad_(False) for block in blocks])
    return _digits(model, logdir, list(model.parameters()))


def _dropping(rate: float, logdir: Path) -> Any:
    torch.manual_seed(311)
    drop = nn.Dropout(rate)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), drop, nn.Linear(64, 32), nn.ReLU(), drop, nn.Linear(32, 10))
    return fit(model, *digit_tensors(flat=True), nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 1e-3), logdir)


@faulty("0.97 dropped where 0.03 was meant", "network", {"dropout_too_high"})
def _dropped(logdir: Path) -> Any:
    return _dropping(0.97, logdir)


@faulty("all dropped", "network", {"dropout_too_high"})
def _all_dropped(logdir: Path) -> Any:
    return _dropping(1.0, logdir)


@healthy("half dropped twice", "network")
def _half_dropped(logdir: Path) -> Any:
    return _dropping(0.5, logdir)
