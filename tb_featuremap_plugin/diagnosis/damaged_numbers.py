"""Numbers that no logger can have written: a count that is not whole, a share outside 0..1. Their bytes are damaged, whatever read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.reading.run import Float32, Run, Table
from tb_featuremap_plugin.schema.columns import TABLES, Column

Flags = npt.NDArray[np.bool_]

_TOLERANCE = 1e-3
"""By how much a share or a cosine may lie outside its ends: sums of float32 numbers."""

_WHOLE_TO = 2.0**24
"""Counts above it are rounded by float32, to whole numbers again."""


def without_damage(run: Run) -> tuple[Run, list[str]]:
    """The run without the steps of tables whose numbers cannot have been written, and what is damaged, in sentences.

    One number that cannot be says that the bytes around it are not what was written either, so nothing is concluded from that step.
    """
    damage = [problem.message for problem in run.problems if not problem.tag]
    layers, of_layers = _without_damaged_steps(run.layers, TABLES["layers"])
    variables, of_variables = _without_damaged_steps(run.variables, TABLES["variables"])
    return replace(run, layers=layers, variables=variables), [*damage, *of_layers, *of_variables]


def _without_damaged_steps(table: Table | None, columns: Sequence[Column]) -> tuple[Table | None, list[str]]:
    if table is None:
        return None, []
    known = [(column, table.columns.index(column.name)) for column in columns if column.name in table.columns]
    impossible = np.stack([_impossible(column, table.values[:, :, at]) for column, at in known], axis=2)
    damaged: Flags = np.any(impossible, axis=(1, 2))
    if not damaged.any():
        return table, []
    values = table.values.copy()
    values[damaged] = np.nan
    return replace(table, values=values), [_sentence(table, known, impossible, damaged)]


def _impossible(column: Column, values: Float32) -> Flags:
    """Where a column's numbers cannot have been written. NaN always can: it is "not known"."""
    impossible: Flags = np.zeros(values.shape, np.bool_)
    if column.unit == "count":
        impossible = (values < 0) | ((np.abs(values) < _WHOLE_TO) & (values != np.rint(values)) & ~np.isnan(values))
    elif column.ends is not None:
        low, high = column.ends
        impossible = (values < low - _TOLERANCE) | (values > high + _TOLERANCE)
    return impossible


def _sentence(table: Table, known: Sequence[tuple[Column, int]], impossible: Flags, damaged: Flags) -> str:
    step, row, column = (int(axis[0]) for axis in np.nonzero(impossible))
    name, at = known[column]
    said = f"at step {table.steps[step]}, {name.name} of `{table.rows[row]}` is {table.values[step, row, at]:.3g}, which it cannot be"
    others = int(damaged.sum()) - 1
    more = f", and {others} more step{'s are' if others > 1 else ' is'} like it" if others else ""
    remedy = "Nothing is concluded from such a step. Copy the files again from where they were written"
    return f"The stored numbers are damaged: {said}{more}. {remedy}"
