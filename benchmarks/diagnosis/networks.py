"""The networks of the set-ups, and what can be done to their weights."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn

from benchmarks.diagnosis.data import CLASSES


def dense(*sizes: int, hidden: Callable[[], nn.Module] = nn.ReLU, last: Callable[[], nn.Module] | None = None) -> nn.Sequential:
    """Dense layers of these sizes, an activation between each two, and perhaps one at the end."""
    parts: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        parts += [nn.Linear(inputs, outputs), hidden()]
    parts.pop()
    return nn.Sequential(*parts, *([last()] if last else []))


def conv(hidden: Callable[[], nn.Module] = nn.ReLU, *, normalised: bool = False, first: nn.Module | None = None) -> nn.Sequential:
    """Two convolutions with pooling and two dense layers, for the gratings."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        norm = [nn.BatchNorm2d(outputs)] if normalised else []
        return [nn.Conv2d(inputs, outputs, 3, padding=1), *norm, hidden(), nn.MaxPool2d(2)]

    head = [nn.Flatten(), nn.Linear(16 * 16, 32), hidden(), nn.Linear(32, CLASSES)]
    return nn.Sequential(*([first] if first else []), *block(1, 8), *block(8, 16), *head)


def conv_1d() -> nn.Sequential:
    """For the waves."""
    return nn.Sequential(
        nn.Conv1d(1, 16, 7, padding=3),
        nn.ReLU(),
        nn.MaxPool1d(4),
        nn.Conv1d(16, 16, 5, padding=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(4),
        nn.Flatten(),
        nn.Linear(64, CLASSES),
    )


def conv_3d() -> nn.Sequential:
    """For the volumes."""
    return nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool3d(2),
        nn.Conv3d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool3d(2),
        nn.Flatten(),
        nn.Linear(128, CLASSES),
    )


class Residual(nn.Module):  # type: ignore[misc]  # torch.nn has no types here
    """Convolutions around which the signal may pass."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 12, 3, padding=1)
        self.first = nn.ModuleList([nn.Conv2d(12, 12, 3, padding=1) for _ in range(2)])
        self.second = nn.ModuleList([nn.Conv2d(12, 12, 3, padding=1) for _ in range(2)])
        self.head = nn.Linear(12, CLASSES)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        signal = torch.relu(self.stem(pictures))
        for first, second in zip(self.first, self.second, strict=True):
            signal = torch.relu(signal + second(torch.relu(first(signal))))
        return self.head(signal.mean((2, 3)))


def start(make: Callable[[], nn.Module], weight: Callable[[torch.Tensor], object], bias: float | None = None) -> Callable[[], nn.Module]:
    """A network whose weights start otherwise, and its biases too if one is given."""

    def made() -> nn.Module:
        model = make()
        for name, parameter in model.named_parameters():
            if name.endswith("weight") and parameter.dim() > 1:
                weight(parameter.data)
            elif name.endswith("bias") and bias is not None:
                parameter.data.fill_(bias)
        return model

    return made


def he(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """He initialisation, biases 0."""
    return start(make, lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"), 0.0)


def normal(make: Callable[[], nn.Module], std: float, bias: float | None = None) -> Callable[[], nn.Module]:
    """Normal weights of one standard deviation for all layers."""
    return start(make, lambda weight: weight.normal_(0, std), bias)
