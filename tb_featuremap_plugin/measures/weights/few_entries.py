"""Sums over a variable of a handful of entries, in plain Python: each of NumPy's calls would take longer than they all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import mul, sub
from typing import Any

import numpy.typing as npt

from tb_featuremap_plugin.arrays.short_rows import FEW
from tb_featuremap_plugin.measures.weights.accumulator import Sums

Array = npt.NDArray[Any]
Entries = list[float]


def entries(value: Array, others: Mapping[str, Array]) -> dict[str, Entries] | None:
    """The value under "value" and what it is compared with, as numbers; None where they are too many, not floating or not all finite."""
    if value.size > FEW:
        return None
    arrays = {"value": value, **others}
    if any(array.dtype.kind != "f" for array in arrays.values()):
        return None
    lists = {name: array.ravel().tolist() for name, array in arrays.items()}
    return lists if math.isfinite(sum(map(sum, lists.values()))) else None


def add_few(lists: Mapping[str, Entries]) -> Sums:
    """What `sums.Sums` of these entries are."""
    value = lists["value"]
    sums = Sums(len(value), value[0], lists.keys() - {"value"})
    _add_value(sums, value)
    update = _add_change(sums, value, lists["previous"], lists.get("previous_update")) if "previous" in lists else None
    if "initial" in lists:
        _add_initial(sums, value, lists["initial"])
    if "gradient" in lists:
        _add_gradient(sums, lists["gradient"], update)
    return sums


def _add_value(sums: Sums, value: Entries) -> None:
    sums.finite, sums.low, sums.high = len(value), min(value), max(value)
    sums.squares, sums.zeros = _dot(value, value), value.count(0)
    sums.shifted_total, sums.shifted_squares = _moments(value)


def _add_change(sums: Sums, value: Entries, previous: Entries, before: Entries | None) -> Entries:
    update = list(map(sub, value, previous))
    sums.previous_squares, sums.update_squares = _dot(previous, previous), _dot(update, update)
    sums.update_dot_previous = _dot(update, previous)
    sums.update_max, sums.changed = max(map(abs, update)), len(update) - update.count(0)
    if before is not None:
        sums.update_dot_update, sums.previous_update_squares = _dot(update, before), _dot(before, before)
    return update


def _add_initial(sums: Sums, value: Entries, initial: Entries) -> None:
    distance = list(map(sub, value, initial))
    sums.displacement_squares, sums.initial_squares = _dot(distance, distance), _dot(initial, initial)
    sums.initial_shift = initial[0]
    sums.initial_shifted_total, sums.initial_shifted_squares = _moments(initial)


def _add_gradient(sums: Sums, gradient: Entries, update: Entries | None) -> None:
    sums.gradient_finite, sums.gradient_zeros = len(gradient), gradient.count(0)
    sums.gradient_squares, sums.gradient_absolute = _dot(gradient, gradient), sum(map(abs, gradient))
    if update is not None:
        sums.update_dot_gradient = _dot(update, gradient)
        sums.lost = sum(slope != 0 and change == 0 for slope, change in zip(gradient, update, strict=True))


def _moments(numbers: Entries) -> tuple[float, float]:
    shifted = [number - numbers[0] for number in numbers]
    return sum(shifted), _dot(shifted, shifted)


def _dot(first: Entries, second: Entries) -> float:
    total: float = sum(map(mul, first, second))
    return total
