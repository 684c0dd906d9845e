"""A dense network in NumPy, trained and logged in well under a second, so that tests of the diagnosis need no framework."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin import Layer, Monitor

Float32 = npt.NDArray[np.float32]
Start = Callable[[tuple[int, ...], np.random.Generator], np.ndarray]
"""Makes the first values of a kernel of this shape."""


def points(count: int = 256, scale: float = 1.0, seed: int = 0) -> tuple[Float32, Float32]:
    """Two features and three classes, one to a cloud."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 3, count)
    centres = np.array([[1.5, 0], [-1.0, 1.2], [-1.0, -1.2]])
    return ((centres[classes] + rng.normal(0, 0.3, (count, 2))) * scale).astype(np.float32), np.eye(3, dtype=np.float32)[classes]


def he(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0, np.sqrt(2 / shape[0]), shape)


class Network:
    """Dense layers with ReLU between and softmax at the end."""

    def __init__(self, sizes: tuple[int, ...] = (2, 24, 24, 3), start: Start = he, bias: float = 0.0, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        shapes = list(pairwise(sizes))
        self.weights: dict[str, Float32] = {f"dense{at}/kernel": start(shape, rng).astype(np.float32) for at, shape in enumerate(shapes)}
        self.weights |= {f"dense{at}/bias": np.full(shape[1], bias, np.float32) for at, shape in enumerate(shapes)}
        self.depth = len(shapes)

    def layers(self) -> list[Layer]:
        last = self.depth - 1
        return [
            Layer(
                f"dense{at}",
                kind="dense",
                activation="softmax" if at == last else "relu",
                weights=(f"dense{at}/kernel", f"dense{at}/bias"),
                role="output" if at == last else "hidden",
            )
            for at in range(self.depth)
        ]

    def activations(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        outputs: dict[str, np.ndarray] = {}
        signal = inputs
        for at in range(self.depth):
            signal = signal @ self.weights[f"dense{at}/kernel"] + self.weights[f"dense{at}/bias"]
            signal = np.maximum(signal, 0) if at < self.depth - 1 else softmax(signal)
            outputs[f"dense{at}"] = signal
        return outputs

    def gradients(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        """Loss, and its gradient by variable."""
        outputs = self.activations(inputs)
        answer = outputs[f"dense{self.depth - 1}"]
        loss = -np.mean(np.log(np.maximum(answer[targets > 0], 1e-30)))
        back = (answer - targets) / len(inputs)
        gradients: dict[str, np.ndarray] = {}
        for at in reversed(range(self.depth)):
            below = outputs[f"dense{at - 1}"] if at else inputs
            gradients[f"dense{at}/kernel"] = below.T @ back
            gradients[f"dense{at}/bias"] = back.sum(0)
            back = (back @ self.weights[f"dense{at}/kernel"].T) * (below > 0)
        return float(loss), gradients


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(1, keepdims=True)
    return shares


def train(
    logdir: Path | str,
    network: Network | None = None,
    data: tuple[Float32, Float32] | None = None,
    rate: float = 0.1,
    steps: int = 150,
    every: int = 10,
    decay: float = 0.0,
    **monitor_options: Any,
) -> None:
    """Plain gradient descent, with weight decay if wanted, logged into `logdir`/featuremaps."""
    network = network or Network()
    inputs, targets = data or points()
    rng = np.random.default_rng(1)
    options = {"loss": "categorical_crossentropy", "from_logits": False, "optimizer": "sgd", "every": every, **monitor_options}
    with np.errstate(all="ignore"), Monitor(str(logdir), layers=network.layers(), **options) as monitor:
        probe = {"inputs": inputs[:32], "targets": targets[:32], "activations": lambda: network.activations(inputs[:32])}
        monitor.log(0, weights=network.weights, **probe)
        for step in range(1, steps + 1):
            chosen = rng.integers(0, len(inputs), 32)
            loss, gradients = network.gradients(inputs[chosen], targets[chosen])
            gradients = {name: gradient + decay * network.weights[name] for name, gradient in gradients.items()}
            network.weights = {name: (value - rate * gradients[name]).astype(np.float32) for name, value in network.weights.items()}
            monitor.log(step, weights=network.weights, gradients=gradients, loss=loss, learning_rate=rate, **probe)
