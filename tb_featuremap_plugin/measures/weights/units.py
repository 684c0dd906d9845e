"""How a kernel's units compare with each other: whether they all start equal, and how many are copies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.layouts import canonical_kernel

Array = npt.NDArray[Any]

COMPARED_UNITS = 256
COMPARED_WEIGHTS = 128
DUPLICATE_COSINE = 0.99


def compare_units(kernel: Array, layout: str) -> dict[str, float]:
    """Unit spread and the share of duplicates, from at most `COMPARED_UNITS` units of `COMPARED_WEIGHTS` weights each.

    Args:
        kernel: of at least one entry.
        layout: as in `layouts.kernel_axes`.
    """
    units = _sample(canonical_kernel(kernel, layout))
    scale = float(np.add.reduce(np.abs(units), axis=None)) / units.size
    if len(units) < 2 or not (math.isfinite(scale) or np.isfinite(units).all()):
        return {}
    deviation = units - units[0]
    deviation -= np.add.reduce(deviation, axis=0) / np.float32(len(units))
    spread = deviation.reshape(-1)
    return {
        "unit_spread": math.sqrt(float(np.dot(spread, spread)) / units.size) / scale if scale else 0.0,
        "duplicates": _duplicates(units),
    }


def _sample(kernel: Array) -> Array:
    matrix = kernel.reshape(len(kernel), -1)
    rows, columns = -(-matrix.shape[0] // COMPARED_UNITS), -(-matrix.shape[1] // COMPARED_WEIGHTS)
    return matrix[::rows, ::columns].astype(np.float32, order="C")


def _duplicates(units: Array) -> float:
    norms = np.sqrt(np.einsum("ij,ij->i", units, units))
    unit_vectors = units / np.where(norms, norms, 1)[:, None]
    alike = unit_vectors @ unit_vectors.T > DUPLICATE_COSINE
    if np.count_nonzero(alike) == np.count_nonzero(alike.diagonal()):  # with themselves alone
        return 0.0
    return np.count_nonzero(np.tril(alike, -1).any(axis=1)) / len(units)
