"""One variable in numbers: what it is, and how it changes. One pass over memory, in blocks that fit into the cache.

Percentiles come from a strided sample of at most `SAMPLED_VALUES` entries (the rank of each is off by about sqrt(p (1 - p) / n), 0.8 % at
the median), the comparison of units from a sample too (see `units`); everything else counts every entry.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.layouts import canonical_kernel, fans
from tb_featuremap_plugin.arrays.scratch_buffers import scratch_buffer
from tb_featuremap_plugin.measures.weights.accumulator import (
    InitialSums,
    Scratch,
    Sums,
    add_change,
    add_distance,
    add_gradient,
    add_initial,
    add_value,
)
from tb_featuremap_plugin.measures.weights.few_entries import add_few, entries
from tb_featuremap_plugin.schema.columns import DUPLICATE_COSINE, VARIABLE_COLUMNS, VARIABLE_PERCENTILES

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

SAMPLED_VALUES = 4096

_BLOCK = 1 << 16
"""Entries of a block: 256 KB of float32. Its arrays stay near the core, and NumPy's calls cost little beside their work."""

_VALUES_FOR_SHIFT = 32

_BEFORE = "before_previous"

_EPSILON = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}

_UNKNOWN = [math.nan] * len(VARIABLE_COLUMNS)

_SAFE_SQUARES = (1e-12, 1e15)
"""Outside of these magnitudes float32 squares lose what they should measure: the variable is measured in float64 then."""


@dataclass(frozen=True)
class Change:
    """What a variable is compared with; whatever is None is not known.

    Attributes:
        previous: the value `gap` training steps before.
        gap: training steps from `previous` to the value.
        initial: the first value.
        initial_step: training steps that were done when that was taken.
        initial_sums: what is known of `initial` alone, kept from one record to the next.
        previous_update: the change by the step before, for the direction of successive updates.
        before_previous: the value before `previous`, in place of `previous_update`: it is subtracted block by block, so that no array of
            the variable's size is made.
        gradient: of the loss at `previous`, for what was lost to rounding.
    """

    previous: Array | None = None
    gap: float = math.nan
    initial: Array | None = None
    initial_step: float = math.nan
    initial_sums: InitialSums | None = None
    previous_update: Array | None = None
    before_previous: Array | None = None
    gradient: Array | None = None

    def compared(self) -> dict[str, Array]:
        """What is known of the arrays, by name."""
        named = {"previous": self.previous, "initial": self.initial, "previous_update": self.previous_update, "gradient": self.gradient}
        before = self.before_previous
        if before is not None and self.previous is not None and self.previous_update is None:
            small = before.size <= SAMPLED_VALUES
            named |= {"previous_update": _difference(self.previous, before)} if small else {_BEFORE: before}
        return {name: array for name, array in named.items() if array is not None}


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
    return Variable(value, change or Change(), trainable, layout, dtype, ordinal).row(percentiles)


class Variable(NamedTuple):
    """A variable whose row is wanted; attributes are as the arguments of `variable_row`."""

    value: Array
    change: Change
    trainable: bool = True
    layout: str | None = None
    dtype: str | None = None
    ordinal: float = math.nan

    def row(self, percentiles: bool = True) -> Float32:
        """The variable's row, [len(VARIABLE_COLUMNS)]."""
        with np.errstate(all="ignore"):
            numbers = self.described()
            if self.value.size:
                numbers |= _of_entries(self.value, self.change, percentiles)
            return np.array(list(map(numbers.get, VARIABLE_COLUMNS, _UNKNOWN)), np.float32)

    def described(self) -> dict[str, float]:
        """What is known of the variable without a look at all of its entries."""
        change, numbers = self.change, {"ordinal": self.ordinal, "size": self.value.size, "trainable": float(self.trainable)}
        numbers["gap"] = change.gap
        numbers["first_step"] = math.nan if change.initial is None else change.initial_step
        numbers["epsilon"] = _EPSILON.get(self.dtype or _dtype_name(self.value.dtype), math.nan)
        if self.layout is not None and self.value.size:
            numbers["fan_in"], numbers["fan_out"] = fans(self.layout, self.value.shape)
            numbers |= _compare_units(self.value, self.layout)
        return numbers


def _of_entries(value: Array, change: Change, percentiles: bool) -> dict[str, float]:
    others = change.compared()
    few = entries(value, others)
    if few is not None:
        return add_few(few).numbers() | (_at_ranks(sorted(few["value"])) if percentiles else {})
    flat = _Flat(value, others, SAMPLED_VALUES if percentiles else 0)
    return _measure(flat, change.initial_sums).numbers() | (percentiles_of(flat.sample) if percentiles else {})


class _Flat:
    """All arrays of a call as one-dimensional views, in the memory order of the value.

    Attributes:
        sample: of the value's entries, filled while `blocks` passes over them: cold memory would cost more than all sums.
    """

    def __init__(self, value: Array, others: dict[str, Array], sampled: int) -> None:
        order: Any = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
        self.value = value.reshape(-1, order=order)
        self.others = {name: other.reshape(-1, order=order) for name, other in others.items()}
        self.is_wide = any(map(_is_wide, (self.value, *self.others.values())))
        self._stride = -(-len(self.value) // sampled) if sampled else 0
        size = -(-len(self.value) // self._stride) if sampled else 0
        self.sample = np.empty(size, np.float64 if self.is_wide else np.float32)

    def blocks(self, work: type[np.floating[Any]]) -> Iterator[tuple[Array, dict[str, Array]]]:
        """The value and what it is compared with, block by block, as `work`."""
        for start in range(0, len(self.value), _BLOCK):
            where = slice(start, start + _BLOCK)
            value = self.value[where].astype(work, copy=False)
            if self._stride:
                chosen = value[-start % self._stride :: self._stride]
                first = -(-start // self._stride)
                self.sample[first : first + len(chosen)] = chosen
            yield value, _with_update({name: other[where].astype(work, copy=False) for name, other in self.others.items()}, work)

    def shift(self) -> float:
        """What to subtract before squaring: a middle value, where it is so far from 0 that a variance about 0 would lose digits."""
        few = sorted(filter(math.isfinite, self.value[:: -(-len(self.value) // _VALUES_FOR_SHIFT)].tolist()))
        middle = few[len(few) // 2] if few else 0
        return float(middle) if few and abs(middle) * 4 > few[-1] - few[0] else 0.0


def add_up_wide(value: Array, others: dict[str, Array]) -> Sums:
    """The sums of a variable's entries in float64, to be joined with those of other parts of it.

    Args:
        value: of at least one entry.
        others: what it is compared with, as of `Change.compared`.
    """
    return _add_up(_Flat(value, others, 0), np.float64)


def _with_update(others: dict[str, Array], work: type[np.floating[Any]]) -> dict[str, Array]:
    """A block of the update before this one, in place of the block of values that it began with."""
    before = others.pop(_BEFORE, None)
    if before is not None:
        update = scratch_buffer("previous update", work, before.shape)
        others["previous_update"] = np.subtract(others["previous"], before, out=update)
    return others


def _difference(value: Array, previous: Array) -> Array:
    with np.errstate(all="ignore"):
        result: Array = np.subtract(value, previous, dtype=np.result_type(value, np.float32))
    return result


def _measure(flat: _Flat, initial_sums: InitialSums | None) -> Sums:
    sums = _add_up(flat, np.float64 if flat.is_wide else np.float32, initial_sums)
    if flat.is_wide or not _loses_squares(sums):
        return sums
    return _add_up(flat, np.float64, initial_sums)


def _add_up(flat: _Flat, work: type[np.floating[Any]], initial_sums: InitialSums | None = None) -> Sums:
    known = {"previous_update" if name == _BEFORE else name for name in flat.others}
    sums = Sums(len(flat.value), float(work(flat.shift())), known)
    scratch = Scratch(min(len(flat.value), _BLOCK), work)
    is_initial_known = initial_sums is not None and initial_sums.put_into(sums, work)
    for value, others in flat.blocks(work):
        update, squares = None, math.nan
        if "previous" in others:
            update, squares = add_change(sums, value, others, scratch)
        if "gradient" in others:
            add_gradient(sums, others["gradient"], update, scratch)
        if "initial" in others:
            add_distance(sums, value, others["initial"], scratch)
            if not is_initial_known:
                add_initial(sums, others["initial"], scratch)
        add_value(sums, value, scratch, squares)
    if initial_sums is not None and "initial" in flat.others:
        initial_sums.keep(sums, work)
    return sums


def _loses_squares(sums: Sums) -> bool:
    value, update = max(abs(float(sums.low)), abs(float(sums.high))), float(sums.update_max)
    least, most = _SAFE_SQUARES
    return value > most or update > most or 0 < value < least or 0 < update < least


def percentiles_of(values: Array) -> dict[str, float]:
    """Percentiles by column of the finite entries of a sample; empty where there are none."""
    if not len(values):
        return {}
    sample = np.sort(values)
    if not (np.isfinite(sample[0]) and np.isfinite(sample[-1])):
        sample = sample[np.isfinite(sample)]
    return _at_ranks(sample.tolist()) if len(sample) else {}


def _at_ranks(ordered: Sequence[float]) -> dict[str, float]:
    return {name: ordered[round(percent / 100 * (len(ordered) - 1))] for name, percent in VARIABLE_PERCENTILES.items()}


@lru_cache(maxsize=64)
def _dtype_name(dtype: np.dtype[Any]) -> str:
    return str(dtype.name)


def _is_wide(array: Array) -> bool:
    return array.dtype.itemsize > 2 and array.dtype != np.float32


COMPARED_UNITS = 256
COMPARED_WEIGHTS = 128


def _compare_units(kernel: Array, layout: str) -> dict[str, float]:
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
    """Evenly spread units and weights, [units, weights] in float32, read by index: the kernel as a matrix may be a copy of all of it."""
    size = math.prod(kernel.shape[1:])
    step, stride = -(-len(kernel) // COMPARED_UNITS), -(-size // COMPARED_WEIGHTS)
    if kernel.ndim == 1:
        return kernel[::step, None].astype(np.float32)
    weights = np.unravel_index(np.arange(0, size, stride), kernel.shape[1:])
    chosen: tuple[Any, ...] = (slice(None, None, step), *weights)
    return np.ascontiguousarray(kernel[chosen], np.float32)


def _duplicates(units: Array) -> float:
    norms = np.sqrt(np.einsum("ij,ij->i", units, units))
    unit_vectors = units / np.where(norms, norms, 1)[:, None]
    alike = unit_vectors @ unit_vectors.T > DUPLICATE_COSINE
    if np.count_nonzero(alike) == np.count_nonzero(alike.diagonal()):  # with themselves alone
        return 0.0
    return np.count_nonzero(np.tril(alike, -1).any(axis=1)) / len(units)
