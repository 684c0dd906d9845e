"""Percentiles from a bounded sample, in a form that workers can add up.

A sampled value is kept as a key: its bfloat16 rounding as an ordered 16-bit number. Percentiles are therefore right to 2**-8 (0.4 %)
of the value plus the sampling error of a rank, about sqrt(p (1 - p) / n), and counts of keys from several workers add exactly.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Keys = npt.NDArray[np.uint16]

KEYS = 1 << 16
"""How many different keys there are."""

_SIGN = 0x8000


def to_keys(values: Array, *, finite: bool = False) -> Keys:
    """Ordered keys of the finite ones among `values`.

    Args:
        values: of any shape.
        finite: whether all of them are.
    """
    single = np.ascontiguousarray(values, np.float32).reshape(-1)
    if not finite:
        single = single[np.isfinite(single)]
    top = ((single.view(np.uint32) + np.uint32(_SIGN)) >> np.uint32(16)).astype(np.uint16)
    flip = (top.view(np.int16) >> np.int16(15)).view(np.uint16)
    keys: Keys = top ^ (flip | np.uint16(_SIGN))
    return keys


def from_key(key: int) -> float:
    """The value that a key stands for."""
    top = key ^ _SIGN if key & _SIGN else ~key & (KEYS - 1)
    value: float = struct.unpack("<f", struct.pack("<I", top << 16))[0]
    return value


def percentiles(keys: Keys, wanted: Sequence[float]) -> list[float]:
    """Nearest-rank percentiles of a sample; NaN where it is empty.

    Args:
        keys: of the sample, in any order.
        wanted: in percent.
    """
    if not len(keys):
        return [math.nan] * len(wanted)
    ordered, last = np.sort(keys), len(keys) - 1
    return [from_key(int(ordered[round(percent / 100 * last)])) for percent in wanted]
