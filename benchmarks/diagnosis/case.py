"""What a set-up is, and how one is trained and logged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

import tb_featuremap_plugin as fm

Tensors = tuple[torch.Tensor, torch.Tensor]
LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
MakeOptimizer = Callable[[Sequence[nn.Parameter]], torch.optim.Optimizer]

LOGGED = 24
"""Steps that are logged of each training."""

PROBE = 48


@dataclass(frozen=True)
class Case:
    """One training set-up.

    Attributes:
        name: what it is, in a few words.
        data: from a seed to inputs and targets.
        model: makes a fresh network.
        loss: of outputs and targets.
        optimizer: of the trainable parameters.
        rules: rules that are a right headline; empty where nothing is wrong.
        places: prefixes of the headline's target that are right; any if empty.
        steps: updates.
        batch: inputs in an update.
        schedule: factor of the learning rate at a share of the training; constant if None.
        before: done to the network before it is logged, such as training it.
    """

    name: str
    data: Callable[[int], Tensors]
    model: Callable[[], nn.Module]
    loss: LossFunction
    optimizer: MakeOptimizer
    rules: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()
    steps: int = 240
    batch: int = 32
    schedule: Callable[[float], float] | None = None
    before: Callable[[nn.Module, Tensors], None] | None = field(default=None, repr=False)

    @property
    def is_faulty(self) -> bool:
        """Whether something is wrong with it."""
        return bool(self.rules)


def logged_steps(steps: int) -> set[int]:
    """The start, the first steps, and an even spread to the end."""
    early = {step for step in (0, 1, 2, 3, 5, 8, 12, 20, 30) if step < steps}
    return early | {round(steps * share / (LOGGED - len(early))) for share in range(1, LOGGED - len(early) + 1)}


def train(case: Case, folder: Path, seed: int = 0, fraction: float = 1.0) -> float:
    """Trains a set-up, or the first part of it, and logs it into a folder; returns the last loss."""
    torch.manual_seed(seed)
    inputs, targets = case.data(seed)
    model = case.model()
    if case.before:
        case.before(model, (inputs, targets))
    optimizer = case.optimizer([parameter for parameter in model.parameters() if parameter.requires_grad])
    base = [group["lr"] for group in optimizer.param_groups]
    total = max(2, round(case.steps * fraction))
    due = logged_steps(total)
    loss = torch.tensor(float("nan"))
    probe = (inputs[:PROBE], targets[:PROBE])
    with fm.torch.watch(model, folder, probe=probe, every=due.__contains__, loss_fn=case.loss, optimizer=optimizer) as watcher:
        for step in range(total):
            for group, rate in zip(optimizer.param_groups, base, strict=True):
                group["lr"] = rate * (case.schedule(step / case.steps) if case.schedule else 1)
            chosen = torch.randint(len(inputs), (case.batch,))
            loss = update(model, case.loss, optimizer, inputs[chosen], targets[chosen])
            watcher.step(loss)
    return float(loss)


def update(
    model: nn.Module, loss_function: LossFunction, optimizer: torch.optim.Optimizer, inputs: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """One step of training."""
    optimizer.zero_grad()
    loss = loss_function(model(inputs), targets)
    loss.backward()
    optimizer.step()
    return loss.detach()
