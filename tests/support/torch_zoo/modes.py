"""Modes: train() and eval() that do more than set flags."""

# mypy: disable-error-code="misc, attr-defined, has-type, call-arg, assignment, operator"
# torch is Any here, so that mypy knows neither modules nor what they hold; what is odd in these models is what is tried.

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tests.support.torch_zoo.kit import WIDTH, Body, around, case


class Merging(nn.Linear):
    """LoRA that merges into its weight for evaluation."""

    def __init__(self, *, both: bool = True) -> None:
        super().__init__(WIDTH, WIDTH)
        self.a, self.b = nn.Parameter(torch.randn(2, WIDTH) * 0.1), nn.Parameter(torch.randn(WIDTH, 2) * 0.1)
        self.merged, self.both = False, both
        self.weight.requires_grad_(False)

    def train(self, mode: bool = True) -> Any:
        super().train(mode)
        if mode == self.merged:
            self.weight.data += (self.b @ self.a) * (-1 if mode else 1)
            self.merged = not mode
        return self

    def forward(self, x: Any) -> Any:
        y = F.linear(x, self.weight, self.bias)
        return y if self.merged else y + (x @ self.a.T) @ self.b.T


@case()
def lora_that_merges() -> nn.Module:
    return around(nn.ReLU(), Merging(), nn.ReLU())


class FusedBranches(nn.Module):
    """RepVGG: `eval()` makes one kernel of two branches and throws the branches away; `train()` makes them again."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other, self.fused = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), None

    def eval(self) -> Any:
        self.fused = nn.Linear(WIDTH, WIDTH)
        self.fused.weight = nn.Parameter(self.one.weight + self.other.weight)
        self.fused.bias = nn.Parameter(self.one.bias + self.other.bias)
        del self.one, self.other
        return super().eval()

    def forward(self, x: Any) -> Any:
        return self.one(x) + self.other(x) if self.training else self.fused(x)


@case()
def branches_fused_by_eval() -> nn.Module:
    return around(FusedBranches(), nn.ReLU())


class FrozenNorm(nn.BatchNorm1d):
    def train(self, mode: bool = True) -> Any:
        return super().train(False)


@case()
def frozen_batch_norm() -> nn.Module:
    return around(FrozenNorm(WIDTH).train(), nn.ReLU()).train()


@case()
class CountsModes(Body):
    """Its `train()` counts how often it was called."""

    changes = 0

    def train(self, mode: bool = True) -> Any:
        self.changes += 1
        return super().train(mode)


@case()
class SwitchesTeacher(Body):
    """`eval()` swaps an average in, and `train()` swaps it out."""

    def __init__(self) -> None:
        super().__init__()
        self.average = [parameter.detach().clone() * 0.5 for parameter in self.last.parameters()]

    def train(self, mode: bool = True) -> Any:
        if hasattr(self, "average") and mode != self.training:
            for parameter, other in zip(self.last.parameters(), self.average, strict=True):
                parameter.data, other.data = other.data, parameter.data
        return super().train(mode)


@case()
class AlwaysDrops(Body):
    """Monte Carlo dropout: on in both modes."""

    def middle(self, x: Any) -> Any:
        return F.dropout(x, 0.3, training=True)


@case()
def part_in_evaluation_mode() -> nn.Module:
    model = around(nn.BatchNorm1d(WIDTH), nn.Dropout(0.2))
    model[1].eval()
    return model
