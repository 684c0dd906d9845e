"""Which channels of a layer are remarkable: not finite, dead, unlike the others, or changed more than the others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.schema.columns import CHANNEL_COLUMNS

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

OUTLYING = 8.0
"""Robust standard deviations from the median beyond which a channel is unlike the others: of normal ones none in 10^15 is."""

_LEAST_CHANNELS = 4
_LEAST_CHANGE = 0.5
"""In units of the usual spread of a channel; what moves less is not worth a place of its own."""

_LEAST_SIGMA = 0.05
"""Where channels are all but equal, what differs by a few per cent is not remarkable."""

_TO_SIGMA = 1.4826
"""From the median of absolute deviations to a standard deviation."""


def remarkable_channels(stats: Float32, before: Float32 | None, *, rectifies: bool) -> list[int]:
    """Channels in the order in which they deserve a picture: those of each sort in turn, the most remarkable ones first.

    Args:
        stats: [len(CHANNEL_COLUMNS), channels] of this step.
        before: of the record before, with as many channels; None where there is none.
        rectifies: whether a unit that is never above 0 is dead.
    """
    row = dict(zip(CHANNEL_COLUMNS, stats.astype(np.float64), strict=True))
    broken = row["nan"] + row["pos_inf"] + row["neg_inf"]
    dead = (row["zeros"] == 1) | ((row["max"] <= 0) & (broken == 0) if rectifies else False)
    with np.errstate(all="ignore"):
        sizes = np.log(np.hypot(row["mean"], row["std"]))
        peaks = np.log(np.maximum(abs(row["min"]), abs(row["max"])))
        extreme = np.maximum(_outlying(np.where(dead, np.nan, sizes)), _outlying(np.where(dead, np.nan, peaks)))
        changed = np.zeros(stats.shape[1]) if before is None or before.shape != stats.shape else _changed(stats, before)
    sorts = (_ordered(broken, 0), _ordered(dead.astype(float), 0), _ordered(extreme, OUTLYING), _ordered(changed, OUTLYING))
    return list(dict.fromkeys(channel for channel in chain.from_iterable(zip_longest(*sorts)) if channel is not None))


def chosen_channels(remarkable: Sequence[int], count: int, channels: int) -> tuple[int, ...] | None:
    """Which channels are stored, ascending: remarkable ones, then the first others; None where they are the first in order."""
    kept = list(dict.fromkeys([*remarkable, *range(channels)]))[:count]
    return None if max(kept, default=-1) < count else tuple(sorted(kept))


def _changed(stats: Float32, before: Float32) -> Array:
    """How far mean and spread have moved, in robust standard deviations of how far those of the other channels have."""
    mean, std = CHANNEL_COLUMNS.index("mean"), CHANNEL_COLUMNS.index("std")
    old, new = before.astype(np.float64), stats.astype(np.float64)
    usual = np.nanmedian(np.hypot(old[mean], old[std])) if np.isfinite(old[mean]).any() else 0.0
    moved = np.hypot(new[mean] - old[mean], new[std] - old[std]) / (old[std] + usual)
    return np.where(moved > _LEAST_CHANGE, _outlying(moved), 0)


def _outlying(values: Array) -> Array:
    """Robust standard deviations from the median; 0 where that is not known."""
    known = values[np.isfinite(values)]
    if len(known) < _LEAST_CHANNELS:
        return np.zeros(len(values))
    middle = np.median(known)
    sigma = _TO_SIGMA * np.median(abs(known - middle))
    return np.where(np.isfinite(values), abs(values - middle) / max(sigma, _LEAST_SIGMA), 0)


def _ordered(scores: Array, above: float) -> list[int]:
    chosen = np.flatnonzero(scores > above)
    order: list[int] = chosen[np.argsort(-scores[chosen], kind="stable")].tolist()
    return order
