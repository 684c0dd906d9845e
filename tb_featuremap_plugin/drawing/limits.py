"""The two numbers that a colour map is stretched between."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tb_featuremap_plugin.drawing.colours import Float64


class Limits(NamedTuple):
    """Of each tile, [tiles]; NaN where nothing is finite."""

    low: Float64
    high: Float64


def extents(values: Float64) -> Limits:
    """Finite minimum and maximum of each tile.

    Args:
        values: [tiles, ...].
    """
    flat = values.reshape(len(values), -1)
    finite = np.isfinite(flat)
    low = np.where(finite, flat, np.inf).min(axis=1, initial=np.inf)
    high = np.where(finite, flat, -np.inf).max(axis=1, initial=-np.inf)
    known = finite.any(axis=1)
    return Limits(np.where(known, low, np.nan), np.where(known, high, np.nan))


def hull(limits: Limits) -> Limits:
    """The smallest limits that hold all of these, for each of them."""
    known = limits.low <= limits.high
    low = limits.low[known].min() if known.any() else np.nan
    high = limits.high[known].max() if known.any() else np.nan
    return Limits(np.full(len(known), low), np.full(len(known), high))


def symmetric(limits: Limits) -> Limits:
    """The same about zero."""
    bound = np.maximum(abs(limits.low), abs(limits.high))
    return Limits(-bound, bound)


def widened(limits: Limits) -> Limits:
    """A range without width is seen against zero: dead channels have the lowest colour, other constant ones an end."""
    low, high = limits
    narrow = low == high
    return Limits(np.where(narrow, np.minimum(0, low), low), np.where(narrow, np.where(low == 0, 1, np.maximum(0, high)), high))
