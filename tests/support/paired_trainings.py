"""Small torch trainings that are logged at every step, with one planted change or none: pairs for `fm.compare`."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

import tb_featuremap_plugin as fm

STEPS = 12
BATCH = 16

Modules = list[tuple[str, nn.Module]]


@dataclass(frozen=True)
class Plant:
    """One change, first seen in what is logged at this step.

    Attributes:
        kind: "weight", "scale", "batch", "op", "dtype" or "frozen".
        step: from which it holds; of a batch or a weight, at which it is.
        layer: None for a batch.
        early: before the update of this step, so that all layers differ after it; or after it.
    """

    kind: str
    step: int = 0
    layer: str | None = None
    early: bool = False


class InDtype(nn.Linear):  # type: ignore[misc]  # torch has no types here
    """A dense layer that can compute in another dtype than the rest."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return super().forward(signal.to(self.weight.dtype)).to(torch.float32)


def dense() -> Modules:
    return [
        ("fc1", InDtype(36, 32)),
        ("act1", nn.LeakyReLU(0.0)),
        ("fc2", InDtype(32, 32)),
        ("act2", nn.LeakyReLU(0.0)),
        ("fc3", InDtype(32, 24)),
        ("act3", nn.LeakyReLU(0.0)),
        ("fc4", InDtype(24, 4)),
    ]


def wide() -> Modules:
    """With a kernel of 100,000 weights."""
    return [
        ("fc1", InDtype(36, 320)),
        ("act1", nn.LeakyReLU(0.0)),
        ("fc2", InDtype(320, 320)),
        ("act2", nn.LeakyReLU(0.0)),
        ("fc3", InDtype(320, 4)),
    ]


def conv() -> Modules:
    return [
        ("image", nn.Unflatten(1, (1, 6))),
        ("conv1", nn.Conv2d(1, 8, 3, padding=1)),
        ("bn1", nn.BatchNorm2d(8)),
        ("act1", nn.LeakyReLU(0.0)),
        ("conv2", nn.Conv2d(8, 12, 3, padding=1)),
        ("bn2", nn.BatchNorm2d(12)),
        ("act2", nn.LeakyReLU(0.0)),
        ("conv3", nn.Conv2d(12, 12, 3, padding=1, bias=False)),
        ("bn3", nn.BatchNorm2d(12)),
        ("act3", nn.LeakyReLU(0.0)),
        ("flat", nn.Flatten()),
        ("fc1", InDtype(12 * 36, 24)),
        ("act4", nn.LeakyReLU(0.0)),
        ("fc2", InDtype(24, 4)),
    ]


NETWORKS = {"dense": dense, "wide": wide, "conv": conv}
KERNELS = {"dense": ["fc1", "fc2", "fc3", "fc4"], "wide": ["fc1", "fc2", "fc3"], "conv": ["conv1", "conv2", "conv3", "fc1", "fc2"]}
ACTIVATIONS = {"dense": ["act1", "act2", "act3"], "wide": ["act1", "act2"], "conv": ["act1", "act2", "act3", "act4"]}
DENSE = {"dense": KERNELS["dense"], "wide": KERNELS["wide"], "conv": ["fc1", "fc2"]}


def batch(seed: int, step: int, network: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The batch of one step: four classes, told apart by where an image is bright."""
    generator = torch.Generator().manual_seed(1000 * seed + step)
    classes = torch.randint(0, 4, (BATCH,), generator=generator)
    signal = torch.randn(BATCH, 36, generator=generator) * 0.5
    for row, one in enumerate(classes.tolist()):
        signal[row, one * 9 : one * 9 + 9] += 1.0
    return (signal.reshape(BATCH, 6, 6) if network == "conv" else signal), classes


def train(
    logdir: Path,
    network: str,
    seed: int,
    plant: Plant | None = None,
    noise: float = 0.0,
    steps: int = STEPS,
    every: int = 1,
    optimizer: str = "",
    rate: float | None = None,
) -> None:
    """One training into `logdir`; the same arguments give the same bits."""
    torch.manual_seed(seed)
    model = nn.Sequential(OrderedDict(NETWORKS[network]()))
    plant = plant or Plant("")
    jitter_source = torch.Generator().manual_seed(seed + 77)
    change(model, plant, 0, seed)
    jitter(model, noise, jitter_source)
    trainer = optimizer_of(model, optimizer or ("adam" if seed % 2 else "sgd"), rate)
    loss_fn = nn.CrossEntropyLoss()
    probe = batch(seed, 999, network)
    with fm.torch.watch(model, str(logdir), probe=probe, loss_fn=loss_fn, optimizer=trainer, every=every) as watcher:
        for step in range(1, steps + 1):
            if plant.early:
                change(model, plant, step, seed)
            inputs, classes = batch(seed, step + (500 if plant.kind == "batch" and step == plant.step else 0), network)
            trainer.zero_grad(set_to_none=True)
            loss = loss_fn(model(inputs), classes)
            loss.backward()
            if plant.kind == "frozen" and plant.layer and step >= plant.step:
                for parameter in model.get_submodule(plant.layer).parameters():
                    parameter.grad = None
            trainer.step()
            jitter(model, noise, jitter_source)
            if not plant.early:
                change(model, plant, step, seed)
            watcher.step(loss)


def optimizer_of(model: nn.Module, name: str, rate: float | None = None) -> torch.optim.Optimizer:
    if name == "adam":
        return torch.optim.Adam(model.parameters(), rate or 2e-3)
    return torch.optim.SGD(model.parameters(), rate or 0.05, 0.9)


def change(model: nn.Module, plant: Plant, step: int, seed: int) -> None:
    """Plants what is planted at this step."""
    if plant.step != step or plant.layer is None:
        return
    layer = model.get_submodule(plant.layer)
    with torch.no_grad():
        if plant.kind == "weight":
            flat = layer.weight.view(-1)
            flat[seed * 31 % len(flat)] += layer.weight.std()
        elif plant.kind == "scale":
            layer.weight *= 1.25
        elif plant.kind == "op":
            layer.negative_slope = 0.2
        elif plant.kind == "dtype":
            layer.to(torch.float16 if seed % 2 else torch.bfloat16)


def jitter(model: nn.Module, noise: float, generator: torch.Generator) -> None:
    """Float noise as another order of summation makes it."""
    with torch.no_grad():
        for parameter in model.parameters() if noise else ():
            parameter *= 1 + noise * torch.randn(parameter.shape, generator=generator)
