"""The rows of all variables of a network: small ones are measured together, side by side in float64.

A network has many small variables, and each of NumPy's calls takes longer than their few hundred entries themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.short_rows import FEW
from tb_featuremap_plugin.measures.weights.accumulator import Sums
from tb_featuremap_plugin.measures.weights.variable import SAMPLED_VALUES, Variable
from tb_featuremap_plugin.schema.columns import VARIABLE_COLUMNS, VARIABLE_PERCENTILES

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Columns = dict[str, Any]
"""By name of the column a number for each variable."""

_LARGEST = SAMPLED_VALUES
"""Entries of the largest variables that are measured together: overhead is little beside larger ones, and their percentiles are exact."""

_TOGETHER = 1 << 13
"""Entries that are measured together, give or take a variable: 64 KB of float64, which is cheap to get memory for."""

_WORTH = 8
"""Variables are measured together where that is quicker: one of up to `FEW` entries counts 1, which is quick alone, and a larger one 3."""

_COLUMN = {name: place for place, name in enumerate(VARIABLE_COLUMNS)}


def variable_rows(variables: Sequence[Variable], *, percentiles: bool = True) -> Float32:
    """The rows of `variable.variable_row` for all of these variables, [len(variables), len(VARIABLE_COLUMNS)].

    Args:
        variables: of any sizes.
        percentiles: False leaves them out.
    """
    table = np.empty((len(variables), len(VARIABLE_COLUMNS)), np.float32)
    with np.errstate(all="ignore"):
        for places, others in _grouped(variables):
            chosen = [variables[place] for place in places]
            numbers = _measured_together(chosen, others, percentiles) if _are_worth_it(chosen) else None
            if numbers is None:
                table[places] = [variable.row(percentiles) for variable in chosen]
            else:
                table[places] = _columns(len(chosen), numbers | _described(chosen))
    return table


def _grouped(variables: Sequence[Variable]) -> Iterator[tuple[list[int], list[dict[str, Array]]]]:
    """Places of variables that can be measured together, and what these are compared with; those of all others alone."""
    groups: dict[tuple[str, ...], tuple[list[int], list[dict[str, Array]]]] = {}
    entries: dict[tuple[str, ...], int] = {}
    for place, variable in enumerate(variables):
        value, others = variable.value, variable.change.compared()
        if not 0 < value.size <= _LARGEST or value.dtype.kind != "f":
            yield [place], [others]
            continue
        known = tuple(others)
        places, compared = groups.setdefault(known, ([], []))
        places.append(place)
        compared.append(others)
        entries[known] = entries.get(known, 0) + value.size
        if entries[known] >= _TOGETHER:
            yield groups.pop(known)
            del entries[known]
    yield from groups.values()


def _are_worth_it(variables: Sequence[Variable]) -> bool:
    return len(variables) > 1 and sum(1 if variable.value.size <= FEW else 3 for variable in variables) >= _WORTH


def _measured_together(variables: Sequence[Variable], others: Sequence[Mapping[str, Array]], percentiles: bool) -> Columns | None:
    """Numbers by column, of all variables; None where an entry is not finite."""
    arrays = {"value": _side_by_side([variable.value for variable in variables])}
    arrays |= {name: _side_by_side([compared[name] for compared in others]) for name in others[0]}
    if not all(math.isfinite(np.add.reduce(entries)) for entries in arrays.values()):
        return None
    segments = _Segments([variable.value.size for variable in variables])
    numbers: Columns = _add_up(segments, arrays).numbers()
    return numbers | (_percentiles(arrays["value"], segments) if percentiles else {})


def _side_by_side(arrays: Sequence[Array]) -> Float64:
    return np.concatenate([array.ravel() for array in arrays], dtype=np.float64)


def _described(variables: Sequence[Variable]) -> Columns:
    descriptions = [variable.described() for variable in variables]
    names = set().union(*descriptions)
    return {name: [description.get(name, math.nan) for description in descriptions] for name in names}


def _columns(variables: int, numbers: Columns) -> Float32:
    """Rows of all variables, [variables, len(VARIABLE_COLUMNS)]."""
    columns: Float32 = np.full((len(VARIABLE_COLUMNS), variables), math.nan, np.float32)
    for name, column in numbers.items():
        columns[_COLUMN[name]] = column
    rows: Float32 = columns.T
    return rows


class _Segments:
    """Which of the entries that stand side by side belong to which variable.

    Args:
        sizes: entries of each variable, at least one.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = np.array(sizes)
        self.stops = np.cumsum(self.sizes)
        self.starts = self.stops - self.sizes

    def reduce(self, ufunc: np.ufunc, entries: Array) -> Float64:
        """`ufunc.reduce` of each variable's entries, [variables]."""
        reduced: Float64 = ufunc.reduceat(entries, self.starts, dtype=np.float64)
        return reduced

    def dot(self, first: Float64, second: Float64) -> Float64:
        """Dot product of each variable's entries, [variables]."""
        return self.reduce(np.add, first * second)

    def firsts(self, entries: Float64) -> Float64:
        """The first entry of each variable."""
        first: Float64 = entries[self.starts]
        return first

    def moments(self, entries: Float64) -> tuple[Float64, Float64]:
        """Sums of entries and of squares, less the first entry of each variable."""
        shifted = entries - np.repeat(self.firsts(entries), self.sizes)
        return self.reduce(np.add, shifted), self.dot(shifted, shifted)


def _percentiles(values: Float64, segments: _Segments) -> Columns:
    ordered = values.astype(np.float32)
    for start, stop in zip(segments.starts.tolist(), segments.stops.tolist(), strict=True):
        ordered[start:stop].sort()
    ranks = {name: np.rint(percent / 100 * (segments.sizes - 1)).astype(np.intp) for name, percent in VARIABLE_PERCENTILES.items()}
    return {name: ordered[segments.starts + rank] for name, rank in ranks.items()}


def _add_up(segments: _Segments, arrays: Mapping[str, Float64]) -> Sums:
    """The sums of several variables, of the value under "value" and of what it is compared with: finite entries, side by side."""
    value = arrays["value"]
    sums = Sums(segments.sizes, segments.firsts(value), set(arrays) - {"value"})
    _add_value(sums, segments, value)
    update = _add_change(sums, segments, arrays) if "previous" in arrays else None
    if "initial" in arrays:
        _add_initial(sums, segments, value, arrays["initial"])
    if "gradient" in arrays:
        _add_gradient(sums, segments, arrays["gradient"], update)
    return sums


def _add_value(sums: Sums, segments: _Segments, value: Float64) -> None:
    sums.finite, sums.squares, sums.zeros = segments.sizes, segments.dot(value, value), segments.reduce(np.add, value == 0)
    sums.low, sums.high = segments.reduce(np.minimum, value), segments.reduce(np.maximum, value)
    sums.shifted_total, sums.shifted_squares = segments.moments(value)


def _add_change(sums: Sums, segments: _Segments, arrays: Mapping[str, Float64]) -> Float64:
    previous, before = arrays["previous"], arrays.get("previous_update")
    update = arrays["value"] - previous
    sums.previous_squares, sums.update_squares = segments.dot(previous, previous), segments.dot(update, update)
    sums.update_dot_previous = segments.dot(update, previous)
    sums.update_max = segments.reduce(np.maximum, np.abs(update))
    sums.changed = segments.reduce(np.add, update != 0)
    if before is not None:
        sums.update_dot_update, sums.previous_update_squares = segments.dot(update, before), segments.dot(before, before)
    return update


def _add_initial(sums: Sums, segments: _Segments, value: Float64, initial: Float64) -> None:
    distance = value - initial
    sums.displacement_squares, sums.initial_squares = segments.dot(distance, distance), segments.dot(initial, initial)
    sums.initial_shift = segments.firsts(initial)
    sums.initial_shifted_total, sums.initial_shifted_squares = segments.moments(initial)


def _add_gradient(sums: Sums, segments: _Segments, gradient: Float64, update: Float64 | None) -> None:
    sums.gradient_finite, sums.gradient_zeros = segments.sizes, segments.reduce(np.add, gradient == 0)
    sums.gradient_squares, sums.gradient_absolute = segments.dot(gradient, gradient), segments.reduce(np.add, np.abs(gradient))
    if update is not None:
        sums.update_dot_gradient = segments.dot(update, gradient)
        sums.lost = segments.reduce(np.add, (gradient != 0) & (update == 0))
