"""One variable in numbers: what it is, and how it changes. One pass over memory, in blocks that fit into the cache.

Percentiles come from a strided sample of at most `SAMPLED_VALUES` entries (the rank of each is off by about sqrt(p (1 - p) / n), 0.8 % at
the median), the comparison of units from a sample too (see `units`); everything else counts every entry.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.layouts import fans
from tb_featuremap_plugin.schema import VARIABLE_COLUMNS
from tb_featuremap_plugin.stats.sums import Sums, add_change, add_gradient, add_value
from tb_featuremap_plugin.stats.units import compare_units

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

SAMPLED_VALUES = 4096

_BLOCK = 1 << 15
"""Entries of a block: 128 KB of each array, so that value, previous value and their difference stay in a core's own cache."""

_PERCENTILES = {"p07": 7, "p16": 16, "p31": 31, "p50": 50, "p69": 69, "p84": 84, "p93": 93}

_EPSILON = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}

_SAFE_SQUARES = (1e-12, 1e15)
"""Outside of these magnitudes float32 squares lose what they should measure: the variable is measured in float64 then."""


@dataclass(frozen=True)
class Change:
    """What a variable is compared with; whatever is None is not known.

    Attributes:
        previous: the value `gap` training steps before.
        gap: training steps from `previous` to the value.
        initial: the first value.
        previous_update: the change by the step before, for the direction of successive updates.
        gradient: of the loss at `previous`, for what was lost to rounding.
    """

    previous: Array | None = None
    gap: float = math.nan
    initial: Array | None = None
    previous_update: Array | None = None
    gradient: Array | None = None


def variable_row(
    value: Array,
    change: Change | None = None,
    *,
    trainable: bool = True,
    layout: str | None = None,
    dtype: str | None = None,
    ordinal: float = math.nan,
    percentiles: bool = True,
) -> Float32:
    """The variable's row of the packed table, [len(VARIABLE_COLUMNS)].

    Norms and cosines of something with NaN or Inf in it are NaN; what describes the value itself is of its finite entries.

    Args:
        value: of any shape; all arrays of `change` have the same.
        change: what to compare with.
        trainable: whether it is meant to change.
        layout: as in `layouts.kernel_axes`, for kernels; without it nothing is said of units and fans.
        dtype: name of the dtype in which the variable is kept, where that is not the array's.
        ordinal: how many times this row has been logged, counted from 1.
        percentiles: False leaves them out.
    """
    change = change or Change()
    numbers = {"ordinal": ordinal, "size": value.size, "trainable": float(trainable), "gap": change.gap}
    numbers["epsilon"] = _EPSILON.get(dtype or value.dtype.name, math.nan)
    if value.size:
        with np.errstate(all="ignore"):
            flat = _Flat(value, change)
            sample = flat.sample()
            numbers |= _measure(flat, sample).numbers()
            if percentiles and len(sample):
                numbers |= _percentiles(sample)
            if layout is not None:
                numbers["fan_in"], numbers["fan_out"] = fans(layout, value.shape)
                numbers |= compare_units(value, layout)
    return np.asarray([numbers.get(column, math.nan) for column in VARIABLE_COLUMNS], np.float64).astype(np.float32)


class _Flat:
    """All arrays of a call as one-dimensional views, in the memory order of the value."""

    def __init__(self, value: Array, change: Change) -> None:
        order: Any = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
        self.value = value.reshape(-1, order=order)
        self.others = {
            name: None if other is None else other.reshape(-1, order=order)
            for name, other in (
                ("previous", change.previous),
                ("initial", change.initial),
                ("previous_update", change.previous_update),
                ("gradient", change.gradient),
            )
        }

    def sample(self) -> Array:
        """A bounded sample of the finite entries, sorted."""
        stride = -(-len(self.value) // SAMPLED_VALUES)
        sample = self.value[::stride]
        sample = np.sort(sample.astype(np.float64 if _is_wide(sample) else np.float32, copy=False))
        return sample if np.isfinite(sample[0]) and np.isfinite(sample[-1]) else sample[np.isfinite(sample)]

    def blocks(self, work: type[np.floating[Any]]) -> Iterator[tuple[Array, dict[str, Array]]]:
        """The value and what it is compared with, block by block, as `work`."""
        given = {name: other for name, other in self.others.items() if other is not None}
        for start in range(0, len(self.value), _BLOCK):
            where = slice(start, start + _BLOCK)
            yield self.value[where].astype(work, copy=False), {name: other[where].astype(work, copy=False) for name, other in given.items()}

    @property
    def is_wide(self) -> bool:
        """Whether float32 does not hold all entries exactly."""
        return _is_wide(self.value) or any(other is not None and _is_wide(other) for other in self.others.values())


def _measure(flat: _Flat, sample: Array) -> Sums:
    sums = _add_up(flat, sample, np.float64 if flat.is_wide else np.float32)
    if flat.is_wide or not _loses_squares(sums):
        return sums
    return _add_up(flat, sample, np.float64)


def _add_up(flat: _Flat, sample: Array, work: type[np.floating[Any]]) -> Sums:
    sums = Sums(len(flat.value), work(_shift(sample)), {name for name, other in flat.others.items() if other is not None})
    for value, others in flat.blocks(work):
        update = None
        if "previous" in others:
            update = add_change(sums, value, others)
        if "gradient" in others:
            add_gradient(sums, value, others["gradient"], others.get("previous"), update)
        add_value(sums, value, others.get("initial"))
    return sums


def _shift(sample: Array) -> float:
    """What to subtract before squaring: the mean, where it is so far from 0 that a variance about 0 would lose digits."""
    if not len(sample):
        return 0.0
    middle, width = float(sample[len(sample) // 2]), float(sample[-1]) - float(sample[0])
    return middle if abs(middle) * 4 > width else 0.0


def _loses_squares(sums: Sums) -> bool:
    largest = max(abs(sums.low), abs(sums.high), sums.update_max)
    smallest = min(size for size in (max(abs(sums.low), abs(sums.high)), sums.update_max, math.inf) if size > 0)
    return largest > _SAFE_SQUARES[1] or smallest < _SAFE_SQUARES[0]


def _percentiles(sample: Array) -> dict[str, float]:
    ranks = [round(percent / 100 * (len(sample) - 1)) for percent in _PERCENTILES.values()]
    return dict(zip(_PERCENTILES, sample[ranks].tolist(), strict=True))


def _is_wide(array: Array) -> bool:
    return array.dtype.itemsize > 2 and array.dtype != np.float32
