"""Made-up trainings whose every number is known: what the tab shows of them is compared with NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import tb_featuremap_plugin as fm
from tests.support.logdirs import EventLog

STEPS = 61
EVERY = 5
KERNEL_SHAPES = {"conv1": (3, 3, 1, 4), "conv2": (3, 3, 4, 8), "head": (8, 3)}


@dataclass
class Training:
    """What was logged, in float64, by step."""

    losses: list[float] = field(default_factory=list)
    zeros: dict[str, list[float]] = field(default_factory=dict)
    weights: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def update_ratio(self, variable: str, step: int) -> float:
        """Length of the update that led to a step, over the length of the weights before it."""
        before, after = self.weights[variable][step - 1], self.weights[variable][step]
        return float(np.linalg.norm(after - before) / np.linalg.norm(before))

    def moved(self, variable: str, step: int) -> float:
        """Distance from the start over the length at the start."""
        values = self.weights[variable]
        return float(np.linalg.norm(values[step] - values[0]) / np.linalg.norm(values[0]))

    def random_walk(self, variable: str, step: int) -> float:
        """How far updates of these lengths would lead in random directions, over the length at the start."""
        values = self.weights[variable]
        squared = sum(float(np.sum((values[k] - values[k - 1]) ** 2)) for k in range(1, step + 1))
        return float(squared**0.5 / np.linalg.norm(values[0]))


def train(logdir: Path, name: str, *, broken: bool = False, seed: int = 0) -> Training:
    """Logs a run of three layers; a broken one has NaN in `conv2` from step 40 on, and later in the loss."""
    rng = np.random.default_rng(seed)
    training = Training()
    weights = {f"{layer}/kernel": rng.normal(0, 0.3, shape).astype(np.float32) for layer, shape in KERNEL_SHAPES.items()}
    rates = {"conv1/kernel": 1e-3, "conv2/kernel": 3e-3, "head/kernel": 1e-2}
    inputs = rng.normal(size=(4, 6, 6, 1)).astype(np.float32)
    with fm.Monitor(logdir / name, every=EVERY, layers=_layers(), loss="categorical_crossentropy", optimizer="sgd") as monitor:
        for step in range(STEPS):
            if step:
                weights = {key: _updated(value, rates[key], rng) for key, value in weights.items()}
            bad = broken and step >= 40
            maps = _maps(rng, bad)
            loss = float("nan") if bad and step % 5 == 4 else float(np.float32(1 / (1 + step / 10) + 0.01 * rng.random()))
            _remember(training, weights, maps, loss)
            monitor.log(step, inputs=inputs, activations=maps, weights=weights, loss=loss, learning_rate=0.25)
    _scalars(logdir / name / "train")
    return training


def many_variables(logdir: Path, name: str, count: int) -> None:
    """Logs a run of so many variables that nobody would build a row for each."""
    rng = np.random.default_rng(1)
    weights = {f"w{index}": rng.normal(size=3).astype(np.float32) for index in range(count)}
    with fm.Monitor(logdir / name, every=1) as monitor:
        for step in range(6):
            monitor.log(step, weights=weights)
            weights = {key: value * np.float32(1 + 1e-3 * (int(key[1:]) + 1) / count) for key, value in weights.items()}


def _layers() -> list[fm.Layer]:
    kinds = {"conv1": "conv2d", "conv2": "conv2d", "head": "dense"}
    activations = {"conv1": "relu", "conv2": "relu", "head": "softmax"}
    roles = {"head": "output"}
    return [
        fm.Layer(name, kind=kind, activation=activations[name], weights=(f"{name}/kernel",), role=roles.get(name, "hidden"))
        for name, kind in kinds.items()
    ]


def _updated(value: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    step = rng.normal(size=value.shape)
    moved: np.ndarray = value + rate * np.linalg.norm(value) * step / np.linalg.norm(step)
    return moved.astype(np.float32)


def _maps(rng: np.random.Generator, bad: bool) -> dict[str, np.ndarray]:
    logits = rng.normal(size=(4, 3))
    maps = {
        "conv1": np.maximum(rng.normal(0.3, 1, size=(4, 6, 6, 4)), 0),
        "conv2": np.maximum(rng.normal(-0.2, 1, size=(4, 6, 6, 8)), 0),
        "head": np.exp(logits) / np.exp(logits).sum(1, keepdims=True),
    }
    if bad:
        maps["conv2"][0, 0, 0, 0] = np.nan
    return {name: values.astype(np.float32) for name, values in maps.items()}


def _remember(training: Training, weights: dict[str, np.ndarray], maps: dict[str, np.ndarray], loss: float) -> None:
    training.losses.append(loss)
    for name, values in maps.items():
        training.zeros.setdefault(name, []).append(float(np.mean(values == 0)))
    for name, values in weights.items():
        training.weights.setdefault(name, []).append(values.astype(np.float64))


def _scalars(folder: Path) -> None:
    log = EventLog(folder)
    for step in range(0, STEPS, 10):
        log.scalar("epoch_accuracy", step, 0.5 + step / 1000)
