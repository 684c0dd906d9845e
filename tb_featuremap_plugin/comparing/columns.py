"""How far the rows of two tables lie apart at each step, over the size of the row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.comparing.sites import LAYERS, VARIABLES, Pair
from tb_featuremap_plugin.reading.run import Table

Array = npt.NDArray[np.float64]

_COUNTS = ("nan", "pos_inf", "neg_inf")
_ENDS = ("min", "max")
_OF_VARIABLES = ("norm", "mean", "std")
_OF_LAYERS = ("rms", "mean", "std")
"""Percentiles are not among them: they are read off a histogram, and jump by a bin where values differ by rounding."""

_LEAST_OF_KERNELS, _LEAST_OF_LAYERS = 1e-2, 1e-4
"""A row whose values are smaller than this share of the others' is measured by theirs: what it differs by does not matter more."""
_TINY = 1e-30


@dataclass(frozen=True)
class Aligned:
    """The columns of two tables that are compared, at the steps and rows of both.

    Attributes:
        table: "variables" or "layers".
        rows, columns, steps: of both.
        a, b: [T, R, K] each.
        sizes: [T, R], the root mean square of the row's values, of the larger run.
        ends: how many of the columns, at the end, depend on a single entry.
    """

    table: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    steps: tuple[int, ...]
    a: Array
    b: Array
    sizes: Array
    ends: int

    @cached_property
    def relative(self) -> Array:
        """[T, R, K]: the difference over the size of the row; infinite where counts differ, 0 where one is not known."""
        with np.errstate(all="ignore"):
            found: Array = np.abs(self.a - self.b) / self.sizes[:, :, None]
        counts = [place for place, name in enumerate(self.columns) if name in _COUNTS]
        unequal = self.a[:, :, counts] != self.b[:, :, counts]
        found[:, :, counts] = np.where(unequal, np.inf, 0.0)
        found[(self.a == self.b) | np.isnan(self.a) | np.isnan(self.b)] = 0.0
        return found

    def worst(self, step: int, row: str) -> tuple[str, float, float, float, float] | None:
        """Column that differs most, its two values, how far they lie apart, and how far the columns do that many entries make.

        None where the row was not logged by both at this step.
        """
        if step not in self._steps or row not in self._rows:
            return None
        at, place = self._steps[step], self._rows[row]
        relative = self.relative[at, place]
        if np.isnan(self.a[at, place]).all() or np.isnan(self.b[at, place]).all():
            return None
        column = int(np.argmax(relative))
        body = float(relative[: len(relative) - self.ends].max(initial=0.0))
        return self.columns[column], float(self.a[at, place, column]), float(self.b[at, place, column]), float(relative[column]), body

    def size(self, step: int, row: str) -> float:
        """The root mean square of a row's values."""
        return float(self.sizes[self._steps[step], self._rows[row]])

    @cached_property
    def _steps(self) -> dict[int, int]:
        return {step: place for place, step in enumerate(self.steps)}

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {row: place for place, row in enumerate(self.rows)}


def align(pair: Pair, table: str) -> Aligned | None:
    """The compared columns of one of the two large tables; None where a run does not have it or no step is in both."""
    first, second = (pair.a.variables, pair.b.variables) if table == VARIABLES else (pair.a.layers, pair.b.layers)
    if first is None or second is None:
        return None
    wanted = (*_COUNTS, *(_OF_VARIABLES if table == VARIABLES else _OF_LAYERS), *_ENDS)
    columns = tuple(name for name in wanted if name in first.columns and name in second.columns)
    rows = tuple(site.row for site in pair.shared if site.table == table)
    steps, at_a, at_b = np.intersect1d(first.steps, second.steps, return_indices=True)
    if not len(steps) or not rows:
        return None
    a, b = _chosen(first, at_a, rows, columns), _chosen(second, at_b, rows, columns)
    if table == VARIABLES and "norm" in columns:
        roots = np.sqrt(np.fmax(_chosen(first, at_a, rows, ("size",))[:, :, 0], 1.0))
        a[:, :, columns.index("norm")] /= roots
        b[:, :, columns.index("norm")] /= roots
    kernels = [rows.index(site.row) for site in pair.shared if site.table == table and (site.is_kernel or table == LAYERS)]
    sizes = _sizes(a, b, columns, kernels, _LEAST_OF_KERNELS if table == VARIABLES else _LEAST_OF_LAYERS)
    return Aligned(table, rows, columns, tuple(int(step) for step in steps), a, b, sizes, sum(name in _ENDS for name in columns))


def values_at(table: Table | None, step: int, row: str, columns: Sequence[str]) -> list[float]:
    """Some columns of one row at one step; NaN where that is not known."""
    if table is None or row not in table.rows:
        return [np.nan] * len(columns)
    (places,) = np.nonzero(table.steps == step)
    return [float(table.column(row, name)[places[0]]) if len(places) else np.nan for name in columns]


def _chosen(table: Table, steps: npt.NDArray[np.intp], rows: Sequence[str], columns: Sequence[str]) -> Array:
    """[T, R, K]; NaN where a column is not there."""
    places = [table.rows.index(row) for row in rows]
    chosen = np.full((len(steps), len(rows), len(columns)), np.nan)
    for place, name in enumerate(columns):
        if name in table.columns:
            chosen[:, :, place] = table.values[:, :, table.columns.index(name)][np.ix_(steps, np.array(places, np.intp))]
    return chosen


def _sizes(a: Array, b: Array, columns: Sequence[str], typical: Sequence[int], least: float) -> Array:
    """[T, R]: the larger root mean square of both runs, but no less than a share of what is typical."""
    names = [columns.index(name) for name in ("norm", "rms", "std") if name in columns]
    sizes: Array = np.fmax(np.abs(a[:, :, names]), np.abs(b[:, :, names]))
    sizes = np.where(np.isfinite(sizes), sizes, 0.0).max(axis=2, initial=0.0)
    common = np.median(sizes[:, typical], axis=1) if typical else np.zeros(len(sizes))
    return np.maximum(np.maximum(sizes, least * common[:, None]), _TINY)
