"""Data that need no download: scikit-learn's digits, textures, tables of odd units, sentences of word numbers."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@cache
def digits() -> tuple[Floats, Ints]:
    """Handwritten digits, 0..1: [N, 8, 8], and what they are."""
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    order = np.random.default_rng(5).permutation(len(images))
    return images[order].reshape(-1, 8, 8).astype(np.float32) / 16, classes[order].astype(np.int64)


def photos(count: int = 512, size: int = 24, classes: int = 5, seed: int = 0) -> tuple[Floats, Ints]:
    """Colour pictures of stripes, channels last, 0..255: [N, size, size, 3]; the class is their direction and pitch."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, classes, count)
    y, x = np.mgrid[0:size, 0:size] / size
    angle = kind * np.pi / classes + rng.normal(0, 0.08, count)
    along = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    waves = np.sin(2 * np.pi * (2 + kind)[:, None, None] * along + rng.uniform(0, 6.28, count)[:, None, None])
    tint = np.stack([np.cos(kind), np.sin(1.7 * kind), np.cos(2.3 * kind + 1)], 1)[:, None, None] * 0.12
    pictures = 0.45 + 0.22 * waves[..., None] + tint + rng.normal(0, 0.06, (count, size, size, 3))
    return np.floor(255 * np.clip(pictures, 0, 1)).astype(np.float32), kind


def table(count: int = 600, features: int = 10, seed: int = 1, noise: float = 0.3) -> tuple[Floats, Floats]:
    """Standardised features and a number of spread about 1 that depends on them: [N, F], [N, 1]."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, features)).astype(np.float32)
    scores = values @ rng.normal(size=features) / np.sqrt(features) + np.sin(2 * values[:, 0]) + noise * rng.normal(size=count)
    return values, scores[:, None].astype(np.float32)


def sentences(count: int = 600, words: int = 200, length: int = 24, seed: int = 0) -> tuple[Ints, Ints]:
    """Word numbers, 0 where a sentence has ended, and which of two groups of words is in it: [N, length], [N]."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 2, count)
    numbers = rng.integers(20, words, (count, length))
    for sentence, kind in zip(numbers, classes, strict=True):
        told = rng.integers(3, 7)
        sentence[rng.choice(length // 2, told, replace=False)] = rng.integers(1, 10, told) + 10 * kind
        sentence[rng.integers(length // 2, length + 1) :] = 0
    return numbers, classes.astype(np.int64)


def walk(count: int = 4000, words: int = 40, seed: int = 0) -> Ints:
    """A text in which each word mostly says which one follows: [count]."""
    rng = np.random.default_rng(seed)
    text = np.zeros(count, np.int64)
    for at in range(1, count):
        text[at] = (7 * text[at - 1] + 3) % words if rng.random() < 0.85 else rng.integers(words)
    return text
