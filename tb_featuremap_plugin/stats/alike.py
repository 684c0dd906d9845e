"""The rows of all variables of a network: small ones of one size are measured together, in float64.

A network has hundreds of vectors, and each of NumPy's calls takes longer than their few hundred entries themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.schema import VARIABLE_COLUMNS
from tb_featuremap_plugin.stats.sums import Sums
from tb_featuremap_plugin.stats.variable import PERCENTILES, SAMPLED_VALUES, Variable

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Columns = dict[str, Any]
"""By name of the column a number for each variable, or one for all of them."""

_LARGEST = SAMPLED_VALUES
"""Entries of the largest variables that are measured together: overhead is little beside larger ones, and their percentiles are exact."""

_TOGETHER = 1 << 13
"""Entries that are measured together at most: 64 KB of float64, which is cheap to get memory for."""

_COLUMN = {name: place for place, name in enumerate(VARIABLE_COLUMNS)}


def variable_rows(variables: Sequence[Variable], *, percentiles: bool = True) -> Float32:
    """The rows of `variable.variable_row` for all of these variables, [len(variables), len(VARIABLE_COLUMNS)].

    Args:
        variables: of any sizes.
        percentiles: False leaves them out.
    """
    table = np.empty((len(variables), len(VARIABLE_COLUMNS)), np.float32)
    with np.errstate(all="ignore"):
        for places, others in _alike(variables):
            chosen = [variables[place] for place in places]
            numbers = _measured_together(chosen, others, percentiles) if len(chosen) > 1 else None
            if numbers is None:
                table[places] = [variable.row(percentiles) for variable in chosen]
            else:
                table[places] = _columns(len(chosen), numbers | _described(chosen))
    return table


def _alike(variables: Sequence[Variable]) -> Iterator[tuple[list[int], list[dict[str, Array]]]]:
    """Places of the variables that can be measured together, and what they are compared with; those of all others alone."""
    groups: dict[tuple[Any, ...], tuple[list[int], list[dict[str, Array]]]] = {}
    for place, variable in enumerate(variables):
        value, others = variable.value, variable.change.compared()
        if not 0 < value.size <= _LARGEST or value.dtype.kind != "f":
            yield [place], [others]
            continue
        places, compared = groups.setdefault((value.size, *others), ([], []))
        places.append(place)
        compared.append(others)
    for (size, *_), (places, compared) in groups.items():
        step = max(1, _TOGETHER // size)
        for start in range(0, len(places), step):
            yield places[start : start + step], compared[start : start + step]


def _measured_together(variables: Sequence[Variable], others: Sequence[Mapping[str, Array]], percentiles: bool) -> Columns | None:
    """Numbers by column, of all variables; None where an entry is not finite."""
    arrays = {"value": _stacked([variable.value for variable in variables])}
    arrays |= {name: _stacked([compared[name] for compared in others]) for name in others[0]}
    if not all(math.isfinite(np.add.reduce(matrix, axis=None)) for matrix in arrays.values()):
        return None
    numbers: Columns = add_alike(arrays).numbers()
    return numbers | (_percentiles(arrays["value"]) if percentiles else {})


def _stacked(arrays: Sequence[Array]) -> Float64:
    return np.concatenate([array.ravel() for array in arrays], dtype=np.float64).reshape(len(arrays), -1)


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


def _percentiles(values: Float64) -> Columns:
    ordered, last = np.sort(values.astype(np.float32), axis=1), values.shape[1] - 1
    return {name: ordered[:, round(percent / 100 * last)] for name, percent in PERCENTILES.items()}


def add_alike(arrays: Mapping[str, Float64]) -> Sums:
    """The sums of several variables at once.

    Args:
        arrays: the value under "value" and what it is compared with, [variables, entries] each, all finite.
    """
    value = arrays["value"]
    sums = Sums(value.shape[1], value[:, 0], set(arrays) - {"value"})
    _add_value(sums, value)
    update = _add_change(sums, value, arrays["previous"], arrays.get("previous_update")) if "previous" in arrays else None
    if "initial" in arrays:
        _add_initial(sums, value, arrays["initial"])
    if "gradient" in arrays:
        _add_gradient(sums, arrays["gradient"], update)
    return sums


def _add_value(sums: Sums, value: Float64) -> None:
    sums.finite, sums.low, sums.high = sums.size, np.minimum.reduce(value, axis=1), np.maximum.reduce(value, axis=1)
    sums.squares, sums.zeros = _dot(value, value), _count(value == 0)
    sums.shifted_total, sums.shifted_squares = _moments(value)


def _add_change(sums: Sums, value: Float64, previous: Float64, before: Float64 | None) -> Float64:
    update = value - previous
    sums.previous_squares, sums.update_squares = _dot(previous, previous), _dot(update, update)
    sums.update_dot_previous = _dot(update, previous)
    sums.update_max = np.maximum(np.maximum.reduce(update, axis=1), -np.minimum.reduce(update, axis=1))
    sums.changed = _count(update != 0)
    if before is not None:
        sums.update_dot_update, sums.previous_update_squares = _dot(update, before), _dot(before, before)
    return update


def _add_initial(sums: Sums, value: Float64, initial: Float64) -> None:
    distance = value - initial
    sums.displacement_squares, sums.initial_squares = _dot(distance, distance), _dot(initial, initial)
    sums.initial_shift = initial[:, 0]
    sums.initial_shifted_total, sums.initial_shifted_squares = _moments(initial)


def _add_gradient(sums: Sums, gradient: Float64, update: Float64 | None) -> None:
    sums.gradient_finite, sums.gradient_zeros = sums.size, _count(gradient == 0)
    sums.gradient_squares, sums.gradient_absolute = _dot(gradient, gradient), np.add.reduce(np.abs(gradient), axis=1)
    if update is not None:
        sums.update_dot_gradient = _dot(update, gradient)
        sums.lost = _count((gradient != 0) & (update == 0))


def _moments(values: Float64) -> tuple[Float64, Float64]:
    shifted = values - values[:, :1]
    return np.add.reduce(shifted, axis=1), _dot(shifted, shifted)


def _dot(first: Float64, second: Float64) -> Float64:
    products: Float64 = np.matmul(first[:, None, :], second[:, :, None])
    return products[:, 0, 0]


def _count(mask: npt.NDArray[np.bool_]) -> Float64:
    counts: Float64 = np.add.reduce(mask, axis=1, dtype=np.float64)
    return counts
