"""Pictures to train on without a download: scikit-learn's scanned digits, drawn shapes, gratings, rows and columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


def digits(side: int = 8) -> tuple[Float32, Int64]:
    """The 1,797 scanned digits that come with scikit-learn.

    Args:
        side: width and height to enlarge them to, by linear interpolation.

    Returns:
        Grey images in 0..1, [1797, side, side, 1], and their classes 0 to 9.
    """
    from sklearn.datasets import load_digits

    scans = load_digits()
    images = scans.images.astype(np.float32) / 16
    return _enlarge(images, side)[..., None], scans.target.astype(np.int64)


def shapes(count: int, side: int, *, classes: int = 3, colours: int = 1, seed: int = 0) -> tuple[Float32, Int64]:
    """Discs, squares and crosses of random place, size and brightness on a noisy ground.

    Returns:
        Images in 0..1, [count, side, side, colours], and which of the `classes` each is: 0 disc, 1 square, 2 cross.
    """
    random = np.random.default_rng(seed)
    shape = random.integers(0, classes, count)
    radius = random.uniform(0.18, 0.3, (count, 1, 1)) * side
    down, right = (random.uniform(0.32, 0.68, (count, 1, 1)) * side for _ in range(2))
    rows, columns = np.mgrid[:side, :side][:, None]
    dy, dx = np.abs(rows - down), np.abs(columns - right)
    cross = (np.minimum(dy, dx) < radius / 3) & (np.maximum(dy, dx) < radius)
    filled = np.stack([np.hypot(dy, dx) < radius, np.maximum(dy, dx) < radius * 0.9, cross])[shape, np.arange(count)]
    tint = random.uniform(0.45, 1.0, (count, 1, 1, colours))
    ground = random.uniform(0.0, 0.25, (count, side, side, colours))
    return np.where(filled[..., None], tint, ground).astype(np.float32), shape


def gratings(count: int, side: int, seed: int = 0) -> tuple[Float32, Float32]:
    """Stripes at a random angle, spacing and phase, in random colours.

    Returns:
        Images in 0..255, [count, side, side, 3], and what to predict: the cosine of twice the angle, [count, 1].
    """
    random = np.random.default_rng(seed)
    angle = random.uniform(-np.pi / 2, np.pi / 2, (count, 1, 1))
    waves, phase = random.uniform(2.0, 5.0, (count, 1, 1)), random.uniform(0.0, 2 * np.pi, (count, 1, 1))
    rows, columns = np.mgrid[:side, :side][:, None] / side
    stripes = np.sin(2 * np.pi * waves * (rows * np.sin(angle) + columns * np.cos(angle)) + phase)
    tint = random.uniform(60, 120, (count, 1, 1, 3))
    images = 128 + tint * stripes[..., None] + random.normal(0, 4, (count, side, side, 3))
    return np.clip(images, 0, 255).astype(np.float32), np.cos(2 * angle[:, 0]).astype(np.float32)


def rows_and_columns() -> tuple[Float32, Float32]:
    """All six 3x3 images with one white row or one white column.

    Returns:
        Images in 0..255, [6, 3, 3, 1], and their classes as one-hot vectors, [6, 2].
    """
    images = np.zeros((6, 3, 3, 1), np.float32)
    for line in range(3):
        images[line, line, :] = 255
        images[3 + line, :, line] = 255
    return images, np.repeat(np.eye(2, dtype=np.float32), 3, axis=0)


def _enlarge(images: Float32, side: int) -> Float32:
    size = images.shape[1]
    positions = np.linspace(0, size - 1, side)
    low = np.minimum(positions.astype(int), size - 2)
    weights = np.zeros((side, size), np.float32)
    weights[np.arange(side), low] = 1 - (positions - low)
    weights[np.arange(side), low + 1] += positions - low
    enlarged: Float32 = np.einsum("yi,nij,xj->nyx", weights, images, weights).astype(np.float32)
    return enlarged
