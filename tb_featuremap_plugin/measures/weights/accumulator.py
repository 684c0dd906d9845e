"""The running sums behind a variable's row, and what one block of entries adds to them.

Sums of at most `_SUMMED_AT_ONCE` entries are taken in the block's dtype, their sums in Python's float64: so float32 keeps six digits.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.scratch_buffers import ones, scratch_buffer

Array = npt.NDArray[Any]
Number: TypeAlias = Any
"""A float, or an array [variables] of float64."""

_SUMMED_AT_ONCE = 1 << 15

_LEAST_SQUARES = 1e-24
"""Below this sum some squares may have vanished from float32; gradients that small are what vanishing gradients look like."""

_LEAST_KEPT = 0.5
"""Share of the squares of value and update that the previous value's must keep to be computed from them."""

_ROW = 256
"""Entries that are added up to one number before all of these are: the ones that BLAS multiplies them by then stay in the first cache."""


class Sums:
    """Running sums over the entries of a variable; or of several variables, where each number is an array [variables].

    Args:
        size: entries of the variable.
        shift: subtracted from the value before it is squared for its standard deviation.
        known: names of what the value is compared with.
    """

    def __init__(self, size: Number, shift: Number, known: set[str]) -> None:
        self.size = size
        self.shift = shift
        self.known = known
        self.finite: Number = 0
        nothing: Number = 0.0
        self.low, self.high = nothing + math.inf, nothing - math.inf
        self.shifted_total = self.shifted_squares = self.squares = nothing
        self.zeros = self.nan = self.pos_inf = self.neg_inf = nothing
        self.previous_squares = self.update_squares = self.update_max = self.changed = nothing
        self.update_dot_previous = self.update_dot_update = self.previous_update_squares = nothing
        self.displacement_squares = self.initial_squares = nothing
        self.initial_shift: Number = None
        self.initial_shifted_total = self.initial_shifted_squares = nothing
        self.gradient_finite: Number = 0
        self.gradient_squares = self.gradient_absolute = self.gradient_zeros = self.lost = self.update_dot_gradient = nothing

    def numbers(self) -> dict[str, Number]:
        """The columns of the row that these sums give."""
        numbers = self._of_value()
        if "previous" in self.known:
            numbers |= self._of_change()
        if "initial" in self.known:
            numbers |= self._of_initial()
        if "gradient" in self.known:
            numbers |= self._of_gradient()
        return numbers

    def _of_value(self) -> dict[str, Number]:
        numbers = {"zeros": self.zeros / self.size, "nan": self.nan, "pos_inf": self.pos_inf, "neg_inf": self.neg_inf}
        if isinstance(self.finite, np.ndarray) or self.finite:
            mean, std = _moments(self.finite, self.shift, self.shifted_total, self.shifted_squares)
            numbers |= {"norm": _root(self.squares), "mean": mean, "std": std, "min": self.low, "max": self.high}
        return numbers

    def _of_change(self) -> dict[str, Number]:
        update, previous = _root(self.update_squares), _root(self.previous_squares)
        numbers = {
            "update_norm": update,
            "update_ratio": _ratio(update, previous),
            "update_max": self.update_max,
            "changed": self.changed / self.size,
            "radial": _ratio(self.update_dot_previous, update * previous),
        }
        if "previous_update" in self.known:
            numbers["cosine"] = _ratio(self.update_dot_update, update * _root(self.previous_update_squares))
        return numbers

    def _of_initial(self) -> dict[str, Number]:
        std = _moments(self.size, self.initial_shift, self.initial_shifted_total, self.initial_shifted_squares)[1]
        return {"displacement": _root(self.displacement_squares), "initial_norm": _root(self.initial_squares), "initial_std": std}

    def _of_gradient(self) -> dict[str, Number]:
        norm = _root(self.gradient_squares)
        numbers = {
            "gradient_norm": norm,
            "gradient_mean_abs": _ratio(self.gradient_absolute, self.gradient_finite),
            "gradient_zeros": self.gradient_zeros / self.size,
            "gradient_nonfinite": self.size - self.gradient_finite,
        }
        if "previous" in self.known:
            numbers["lost"] = self.lost / self.size
            numbers["gradient_cosine"] = _ratio(-self.update_dot_gradient, norm * _root(self.update_squares))
        return numbers


class InitialSums:
    """The sums over a first value, which never change: taken once in each dtype that blocks are in."""

    def __init__(self) -> None:
        self._known: dict[type[np.floating[Any]], tuple[Number, ...]] = {}

    def put_into(self, sums: Sums, work: type[np.floating[Any]]) -> bool:
        """Whether they are known; if so, they are put among those of a variable."""
        known = self._known.get(work)
        if known is not None:
            sums.initial_squares, sums.initial_shift, sums.initial_shifted_total, sums.initial_shifted_squares = known
        return known is not None

    def keep(self, sums: Sums, work: type[np.floating[Any]]) -> None:
        """Keeps those that were added up."""
        self._known[work] = (sums.initial_squares, sums.initial_shift, sums.initial_shifted_total, sums.initial_shifted_squares)


class Scratch:
    """Memory for the intermediate results of a block, used again for each of them."""

    def __init__(self, size: int, dtype: type[np.floating[Any]]) -> None:
        self._numbers = scratch_buffer("difference", dtype, (size,))
        self._zeros, self._others = scratch_buffer("mask", np.bool_, (size,)), scratch_buffer("other mask", np.bool_, (size,))

    def subtract(self, first: Array, second: Any) -> Array:
        """`first - second`; good until numbers are written here again."""
        difference: Array = np.subtract(first, second, out=self._numbers[: len(first)])
        return difference

    def absolute(self, values: Array) -> Array:
        """Absolute values; good until numbers are written here again."""
        absolute: Array = np.abs(values, out=self._numbers[: len(values)])
        return absolute

    def count_zeros(self, values: Array, *, rare: bool = False) -> int:
        """How many entries are 0; where these are `rare`, it mostly ends with seeing that there is none, which takes half as long."""
        mask = np.equal(values, 0, out=self._zeros[: len(values)])
        if rare and not np.logical_or.reduce(mask):
            return 0
        return int(np.count_nonzero(mask))

    def count_zeros_alone(self, values: Array, others: Array) -> int:
        """How many entries are 0 where those of `others` are not."""
        zeros, both = np.equal(values, 0, out=self._zeros[: len(values)]), self._others[: len(values)]
        np.equal(others, 0, out=both)
        return int(np.count_nonzero(np.greater(zeros, both, out=both)))


def add_value(sums: Sums, value: Array, scratch: Scratch, squares: float) -> None:
    """Adds a block of the value itself; `squares` is their sum, NaN where it is not known."""
    low, high = float(np.minimum.reduce(value)), float(np.maximum.reduce(value))
    if not (low > -math.inf and high < math.inf):
        value = _add_non_finite(sums, value)
        if not len(value):
            return
        low, high = float(value.min()), float(value.max())
        squares = math.nan
    sums.finite += len(value)
    sums.low, sums.high = min(sums.low, low), max(sums.high, high)
    sums.squares += _dot(value, value) if math.isnan(squares) else squares
    if low <= 0 <= high:
        sums.zeros += scratch.count_zeros(value, rare=True)
    if sums.shift:
        value = scratch.subtract(value, sums.shift)
        sums.shifted_squares += _dot(value, value)
    else:
        sums.shifted_squares = sums.squares
    sums.shifted_total += _sum(value)


def add_change(sums: Sums, value: Array, others: dict[str, Array], scratch: Scratch) -> tuple[Array, float]:
    """Adds a block of the change since the previous value.

    What is known of the previous value follows from value and change, which are in the cache by then, unless that would lose digits.

    Returns:
        The change, which is in `scratch`, and the value's sum of squares.
    """
    previous = others["previous"]
    update = scratch.subtract(value, previous)
    largest = max(float(np.maximum.reduce(update)), -float(np.minimum.reduce(update)))
    after, squares, product = _dot(value, value), 0.0, 0.0
    before = after
    if largest != 0:
        sums.changed += _count_changed(value, previous) if math.isnan(largest) else len(update) - scratch.count_zeros(update)
        squares, product = _dot(update, update), _dot(update, value)
        before, product = after - 2 * product + squares, product - squares
        if not before > _LEAST_KEPT * (after + squares):
            before, product = _dot(previous, previous), _dot(update, previous)
    sums.previous_squares += before
    sums.update_squares += squares
    sums.update_dot_previous += product
    if largest > sums.update_max or math.isnan(largest):
        sums.update_max = largest
    if "previous_update" in others:
        earlier = others["previous_update"]
        sums.update_dot_update += _dot(update, earlier)
        sums.previous_update_squares += _dot(earlier, earlier)
    return update, after


def add_gradient(sums: Sums, gradient: Array, update: Array | None, scratch: Scratch) -> None:
    """Adds a block of the gradient, and of how the change answers to it; the change may be in `scratch`, and is lost then."""
    sums.gradient_zeros += scratch.count_zeros(gradient)
    squares = _dot(gradient, gradient)
    if update is not None:
        sums.update_dot_gradient += _dot(update, gradient)
        sums.lost += scratch.count_zeros_alone(update, gradient)
    if not _LEAST_SQUARES < squares < math.inf:
        gradient = gradient[np.isfinite(gradient)].astype(np.float64)
        squares = _dot(gradient, gradient)
        sums.gradient_absolute += float(np.add.reduce(np.abs(gradient)))
    else:
        sums.gradient_absolute += _sum(scratch.absolute(gradient))
    sums.gradient_finite += len(gradient)
    sums.gradient_squares += squares


def add_distance(sums: Sums, value: Array, initial: Array, scratch: Scratch) -> None:
    """Adds a block of the value's distance from the first value."""
    distance = scratch.subtract(value, initial)
    sums.displacement_squares += _dot(distance, distance)


def add_initial(sums: Sums, initial: Array, scratch: Scratch) -> None:
    """Adds a block of the first value itself."""
    sums.initial_squares += _dot(initial, initial)
    if sums.initial_shift is None:
        sums.initial_shift = float(initial[0])
    shifted = scratch.subtract(initial, sums.initial_shift)
    sums.initial_shifted_total += _sum(shifted)
    sums.initial_shifted_squares += _dot(shifted, shifted)


def _add_non_finite(sums: Sums, value: Array) -> Array:
    """Counts what is not finite, and returns the rest."""
    sums.nan += np.count_nonzero(np.isnan(value))
    sums.pos_inf += np.count_nonzero(np.isposinf(value))
    sums.neg_inf += np.count_nonzero(np.isneginf(value))
    return value[np.isfinite(value)]


def _count_changed(value: Array, previous: Array) -> int:
    return int(np.count_nonzero((value != previous) & ~(np.isnan(value) & np.isnan(previous))))


def _moments(count: Number, shift: Number, total: Number, squares: Number) -> tuple[Number, Number]:
    offset = total / count
    return shift + offset, _root(squares / count - offset * offset)


def _root(square: Number) -> Number:
    if isinstance(square, np.ndarray):
        return np.sqrt(np.maximum(square, 0))
    return math.sqrt(square) if square > 0 else (0.0 if square == square else math.nan)


def _dot(first: Array, second: Array) -> float:
    if len(first) <= _SUMMED_AT_ONCE:
        return float(np.dot(first, second))
    rows = len(first) // _SUMMED_AT_ONCE
    whole = rows * _SUMMED_AT_ONCE
    products = np.matmul(first[:whole].reshape(rows, 1, -1), second[:whole].reshape(rows, -1, 1))
    return sum(products.ravel().tolist(), float(np.dot(first[whole:], second[whole:])))


def _sum(values: Array) -> float:
    rows = len(values) // _ROW
    if rows < _ROW:
        return float(np.add.reduce(values))
    whole = rows * _ROW
    sums = np.dot(values[:whole].reshape(rows, _ROW), ones(_ROW, values.dtype.char))
    return float(np.add.reduce(sums)) + float(np.add.reduce(values[whole:]))


def _ratio(numerator: Number, denominator: Number) -> Number:
    if isinstance(denominator, np.ndarray):
        return np.where(denominator, numerator / denominator, math.nan)
    return numerator / denominator if denominator else math.nan
