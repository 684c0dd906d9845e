"""Small healthy trainings that cover every pair of optimizer, normalisation, activation and kind of network.

`python -m benchmarks.programs.grid FOLDER` looks at each after 5, 20 and 100 steps, logged at every step, every 10th and every 100th.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.programs.looks import thinned, until
from benchmarks.programs.loops import digit_tensors, fit
from tb_featuremap_plugin.diagnosis import Finding, diagnose
from tb_featuremap_plugin.reading.events import EventSource

OPTIMIZERS = ("SGD", "momentum", "Adam", "AdamW", "RMSprop")
NORMS = ("none", "batch", "layer", "group")
ACTIVATIONS = ("ReLU", "GELU", "SiLU", "Tanh")
NETWORKS = ("cnn", "mlp", "vit", "lstm", "unet")
SEEDS = 3
ROWS = 40
STEPS = (5, 20, 100)
INTERVALS = (1, 10, 100)
MOST_ALARMED = 1


@dataclass(frozen=True)
class Training:
    """One cell of the grid."""

    optimizer: str
    norm: str
    activation: str
    network: str
    seed: int

    @property
    def name(self) -> str:
        """Its folder."""
        return f"{self.network}-{self.norm}-{self.activation}-{self.optimizer}-{self.seed}"


def rows() -> list[tuple[str, str, str, str]]:
    """Combinations that hold every pair of values of any two factors, filled up to ROWS with those that hold most new triples."""
    every = list(itertools.product(OPTIMIZERS, NORMS, ACTIVATIONS, NETWORKS))
    chosen: list[tuple[str, str, str, str]] = []
    for size in (2, 3):
        left = {part for row in every for part in _parts(row, size)} - {part for row in chosen for part in _parts(row, size)}
        while left and len(chosen) < ROWS:
            best = max(every, key=lambda row: len(left & set(_parts(row, size))))
            chosen.append(best)
            left -= set(_parts(best, size))
    return chosen


def _parts(row: Sequence[str], size: int) -> Iterator[tuple[tuple[int, str], ...]]:
    return itertools.combinations(enumerate(row), size)


def trainings() -> list[Training]:
    """All cells, three seeds each."""
    return [Training(*row, seed) for row in rows() for seed in range(SEEDS)]


def train(training: Training, logdir: Path) -> float:
    """Trains one cell for 100 steps, logged at each."""
    torch.manual_seed(training.seed)
    images, classes = digit_tensors()
    parts = _Parts(training.norm, getattr(nn, training.activation))
    model = {"cnn": _cnn, "mlp": _mlp, "vit": _Vit, "lstm": _Lstm, "unet": _UNet}[training.network](parts)
    targets = (images[:, 0] > 0).long() if training.network == "unet" else classes
    optimizer = _optimizer(training, model)
    return fit(model, images, targets, nn.CrossEntropyLoss(), optimizer, logdir, steps=STEPS[-1], batch=64)


def _optimizer(training: Training, model: nn.Module) -> torch.optim.Optimizer:
    plain = {"vit": 0.3, "lstm": 0.3, "unet": 0.5}.get(training.network, 0.1)
    parameters = model.parameters()
    made: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "SGD": lambda: torch.optim.SGD(parameters, plain),
        "momentum": lambda: torch.optim.SGD(parameters, plain / 5 if training.network != "vit" else 0.02, momentum=0.9),
        "Adam": lambda: torch.optim.Adam(parameters, 2e-3),
        "AdamW": lambda: torch.optim.AdamW(parameters, 3e-3, weight_decay=0.05),
        "RMSprop": lambda: torch.optim.RMSprop(parameters, 1e-3),
    }
    return made[training.optimizer]()


@dataclass(frozen=True)
class _Parts:
    """Makes normalisations and activations."""

    norm: str
    activation: Callable[[], nn.Module]

    def maps(self, channels: int) -> list[nn.Module]:
        """Behind a convolution."""
        norms: dict[str, Callable[[], nn.Module]] = {
            "batch": lambda: nn.BatchNorm2d(channels),
            "layer": lambda: nn.GroupNorm(1, channels),
            "group": lambda: nn.GroupNorm(4, channels),
        }
        return [*([norms[self.norm]()] if self.norm in norms else []), self.activation()]

    def row(self, width: int) -> nn.Module:
        """Behind a dense layer, or on tokens."""
        made: dict[str, Callable[[], nn.Module]] = {
            "batch": lambda: _Tokens(nn.BatchNorm1d(width)),
            "layer": lambda: nn.LayerNorm(width),
            "group": lambda: _Tokens(nn.GroupNorm(4, width)),
        }
        return made[self.norm]() if self.norm in made else nn.Identity()


class _Tokens(nn.Module):
    """A normalisation of channels, applied to tokens, whose channels come last."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: torch.Tensor) -> Any:
        return self.norm(x.transpose(1, -1)).transpose(1, -1) if x.ndim > 2 else self.norm(x)


def _cnn(parts: _Parts) -> nn.Module:
    body = [nn.Conv2d(1, 16, 3, padding=1), *parts.maps(16), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), *parts.maps(32)]
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(512, 10))


def _mlp(parts: _Parts) -> nn.Module:
    hidden = [nn.Flatten(), nn.Linear(64, 64), parts.row(64), parts.activation(), nn.Linear(64, 48), parts.row(48), parts.activation()]
    return nn.Sequential(*hidden, nn.Linear(48, 10))


class _Block(nn.Module):
    def __init__(self, parts: _Parts, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = parts.row(width), parts.row(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), parts.activation(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> Any:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class _Vit(nn.Module):
    def __init__(self, parts: _Parts) -> None:
        super().__init__()
        self.patches, self.places = nn.Conv2d(1, 32, 2, 2), nn.Parameter(torch.randn(1, 16, 32) * 0.02)
        self.blocks, self.norm, self.head = nn.Sequential(_Block(parts, 32), _Block(parts, 32)), parts.row(32), nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.places
        return self.head(self.norm(self.blocks(x)).mean(1))


class _Lstm(nn.Module):
    def __init__(self, parts: _Parts) -> None:
        super().__init__()
        self.lstm, self.norm = nn.LSTM(8, 32, batch_first=True), parts.row(32)
        self.head = nn.Sequential(nn.Linear(32, 32), parts.activation(), nn.Linear(32, 10))

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(self.norm(self.lstm(x[:, 0])[0][:, -1]))


class _UNet(nn.Module):
    def __init__(self, parts: _Parts) -> None:
        super().__init__()

        def double(inside: int, outside: int) -> nn.Module:
            first = [nn.Conv2d(inside, outside, 3, padding=1), *parts.maps(outside)]
            return nn.Sequential(*first, nn.Conv2d(outside, outside, 3, padding=1), *parts.maps(outside))

        self.down1, self.down2, self.middle = double(1, 8), double(8, 16), double(16, 32)
        self.up2, self.up1 = nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)
        self.after2, self.after1, self.out = double(32, 16), double(16, 8), nn.Conv2d(8, 2, 1)

    def forward(self, x: torch.Tensor) -> Any:
        one = self.down1(x)
        two = self.down2(nn.functional.max_pool2d(one, 2))
        x = self.middle(nn.functional.max_pool2d(two, 2))
        x = self.after2(torch.cat([self.up2(x), two], 1))
        return self.out(self.after1(torch.cat([self.up1(x), one], 1)))


def alarms(folder: Path) -> dict[tuple[int, int], list[Finding]]:
    """What is alarming in a run, by the step at which one looks and by the interval at which was logged."""
    (run,) = EventSource(str(folder)).runs()
    found = {}
    for step, interval in itertools.product(STEPS, INTERVALS):
        diagnosis = diagnose(thinned(until(run, step), interval))
        found[step, interval] = [finding for finding in diagnosis.findings if finding.is_alarm]
    return found


def main() -> int:
    """Trains what has no folder yet, and judges all; returns 1 if more than one training is alarmed, or one with an error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.programs.grid", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the runs are kept")
    folder = parser.parse_args().folder
    alarmed, wrong = set(), 0
    for training in trainings():
        here = folder / training.name
        if not (here / "loss").exists():
            loss = train(training, here)
            (here / "loss").write_text(f"{loss}\n")
        loss = float((here / "loss").read_text())
        if not loss < 0.5 * math.log(2 if training.network == "unet" else 10):
            print(f"hardly learns: {training.name}: {loss:.3f}", flush=True)
        for (step, interval), found in alarms(here).items():
            for finding in found:
                alarmed.add(training)
                wrong += finding.severity == "error"
                said = f"{finding.severity} {finding.rule} at {finding.target}: {finding.title}"
                print(f"alarm after {step} steps, every {interval}: {training.name}: {said}", flush=True)
    print(f"{len(alarmed)} of {len(trainings())} trainings alarmed, {wrong} errors")
    return int(len(alarmed) > MOST_ALARMED or wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
