"""How a kernel's units compare with each other: whether they all start equal, and how many are copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.layouts import canonical_kernel

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
    if len(units) < 2 or not np.isfinite(units).all():
        return {}
    scale = float(np.abs(units).mean())
    deviation = units - units[0]
    deviation -= deviation.mean(axis=0)
    return {
        "unit_spread": float(np.sqrt(np.mean(deviation * deviation))) / scale if scale else 0.0,
        "duplicates": _duplicates(units),
    }


def _sample(kernel: Array) -> Array:
    matrix = kernel.reshape(len(kernel), -1)
    rows, columns = -(-matrix.shape[0] // COMPARED_UNITS), -(-matrix.shape[1] // COMPARED_WEIGHTS)
    return np.ascontiguousarray(matrix[::rows, ::columns]).astype(np.float32)


def _duplicates(units: Array) -> float:
    norms = np.sqrt(np.einsum("ij,ij->i", units, units))
    unit_vectors = units / np.where(norms, norms, 1)[:, None]
    cosines = unit_vectors @ unit_vectors.T
    earlier = np.tril(cosines > DUPLICATE_COSINE, -1)
    return float(earlier.any(axis=1).mean())
