"""Percentiles from a bounded sample, in a form that workers can add up.

A sampled value is kept as a key: its bfloat16 rounding as an ordered 16-bit number. Percentiles are therefore right to 2**-8 (0.4 %)
of the value plus the sampling error of a rank, about sqrt(p (1 - p) / n), and counts of keys from several workers add exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Keys = npt.NDArray[np.uint16]

KEYS = 1 << 16
"""How many different keys there are."""


def to_keys(values: Array) -> Keys:
    """Ordered keys of the finite ones among `values`."""
    single = np.ascontiguousarray(values, np.float32).reshape(-1)
    bits = single.view(np.uint32)
    top = ((bits >> 16) + ((bits >> 15) & 1)).astype(np.uint16)
    keys = np.where(top & 0x8000, ~top, top | 0x8000)
    finite = np.isfinite(single)
    return keys if finite.all() else keys[finite]


def from_keys(keys: Keys) -> npt.NDArray[np.float32]:
    """The values that keys stand for."""
    top = np.where(keys & 0x8000, keys & 0x7FFF, ~keys).astype(np.uint32)
    return (top << 16).view(np.float32)


def percentiles(keys: Keys, wanted: Sequence[float]) -> npt.NDArray[np.float32]:
    """Nearest-rank percentiles of a sample; NaN where it is empty.

    Args:
        keys: of the sample, in any order.
        wanted: in percent.
    """
    if not len(keys):
        return np.full(len(wanted), np.nan, np.float32)
    ranks = np.rint(np.asarray(wanted) / 100 * (len(keys) - 1)).astype(np.intp)
    return from_keys(np.sort(keys)[ranks])
