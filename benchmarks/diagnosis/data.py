"""Data from formulas: pictures, waves, volumes, points and a surface, small enough to train on in a second."""

from __future__ import annotations

import numpy as np
import torch

COUNT = 512
CLASSES = 4


def _tensors(inputs: np.ndarray, targets: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    kind = torch.int64 if targets.dtype.kind == "i" else torch.float32
    return torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets, dtype=kind)


def gratings(seed: int, scale: float = 1.0, shift: float = -0.5) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey pictures of 16x16 with stripes in one of four directions: [N, 1, 16, 16], 0..1 before `shift` and `scale`."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, CLASSES, COUNT)
    angle, phase, pitch = np.pi * classes / CLASSES, rng.uniform(0, 2 * np.pi, COUNT), rng.uniform(2, 3, COUNT)
    y, x = np.mgrid[0:16, 0:16] / 16
    along = x * np.cos(angle)[:, None, None] + y * np.sin(angle)[:, None, None]
    pictures = 0.5 + 0.35 * np.sin(2 * np.pi * pitch[:, None, None] * along + phase[:, None, None])
    noisy = np.clip(pictures + rng.normal(0, 0.05, pictures.shape), 0, 1)
    return _tensors((noisy[:, None] + shift) * scale, classes)


def waves(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Signals of 64 samples whose frequency is the class: [N, 1, 64]."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, CLASSES, COUNT)
    time = np.arange(64) / 64
    signal = np.sin(2 * np.pi * (2 + 2 * classes)[:, None] * time + rng.uniform(0, 6, COUNT)[:, None])
    return _tensors((signal + rng.normal(0, 0.2, signal.shape))[:, None], classes)


def volumes(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Volumes of 8x8x8 that brighten along one of three axes, or along none: [N, 1, 8, 8, 8]."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, CLASSES, COUNT)
    axes = np.stack([*np.mgrid[0:8, 0:8, 0:8] / 8, np.full((8, 8, 8), 0.5)])
    return _tensors((axes[classes] - 0.5 + rng.normal(0, 0.2, (COUNT, 8, 8, 8)))[:, None], classes)


def spirals(seed: int, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Points of two interleaved arms: [N, 2], about -1..1 before `scale`."""
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 2, COUNT)
    turn = rng.uniform(0.3, 1.0, COUNT)
    angle = 4.5 * turn + np.pi * arm
    points = np.stack([turn * np.cos(angle), turn * np.sin(angle)], 1) + rng.normal(0, 0.03, (COUNT, 2))
    return _tensors(points * scale, arm)


def table(seed: int, magnitude: float = 0.0, noise: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Twelve features and four classes; `magnitude` spreads the features' sizes over as many powers of ten, `noise` flips labels."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(COUNT, 12))
    scores = np.tanh(features @ rng.normal(size=(12, 8))) @ rng.normal(size=(8, CLASSES))
    classes = scores.argmax(1)
    flipped = rng.random(COUNT) < noise
    classes[flipped] = rng.integers(0, CLASSES, flipped.sum())
    return _tensors(features * 10 ** np.linspace(0, magnitude, 12), classes)


def surface(seed: int, gain: float = 1.0, offset: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """A smooth function of three inputs: [N, 3] to [N, 1], of spread 1 before `gain` and `offset`."""
    rng = np.random.default_rng(seed)
    inputs = rng.uniform(-1, 1, (COUNT, 3))
    values = np.sin(3 * inputs[:, :1]) + inputs[:, 1:2] * inputs[:, 2:]
    return _tensors(inputs, values / values.std() * gain + offset)


def bits(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ten random bits, to be given back as they are: [N, 10] to [N, 10]."""
    values = np.random.default_rng(seed).integers(0, 2, (COUNT, 10)).astype(np.float32)
    return _tensors(values, values)
