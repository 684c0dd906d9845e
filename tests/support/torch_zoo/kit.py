"""Small torch models, one of each kind of state that a forward may keep: look-alikes of what people and libraries write."""

# mypy: disable-error-code="misc, attr-defined, has-type, call-arg, assignment, operator"
# torch is Any here, so that mypy knows neither modules nor what they hold; what is odd in these models is what is tried.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

WIDTH, CLASSES, BATCH = 6, 4, 8

Build = Callable[[], nn.Module]

SEEN: list[float] = []
"""What a hook and a forward keep outside of every module."""

TOTALS = {"calls": 0}


@dataclass(frozen=True)
class Case:
    """A model and what is special in its training.

    Attributes:
        build: makes the model.
        penalty: what is added to the loss after each forward.
        images: whether it takes images rather than vectors.
        after_step: called with the model after each update.
    """

    build: Build
    penalty: Callable[[nn.Module], Any] | None = None
    images: bool = False
    after_step: Callable[[nn.Module], None] | None = None


ZOO: dict[str, Case] = {}


def case(**special: Any) -> Callable[[Any], Any]:
    """Puts a class, or a function that builds a model, into the zoo."""

    def add(build: Any) -> Any:
        ZOO[build.__name__] = Case(build, **special)
        return build

    return add


class Body(nn.Module):
    """Two linear layers around what is to be tried."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)

    def middle(self, x: Any) -> Any:
        return x

    def forward(self, x: Any) -> Any:
        return self.last(self.middle(torch.relu(self.first(x))))


def around(*parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), *parts, nn.Linear(WIDTH, CLASSES))


def images(*parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(CLASSES))
