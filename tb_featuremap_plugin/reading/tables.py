"""Packed and one-row tensors to tables over steps."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tb_featuremap_plugin.reading.raw_series import Array, Problems, RawSeries
from tb_featuremap_plugin.reading.run import Float32, Points, Table
from tb_featuremap_plugin.schema import limits, tags
from tb_featuremap_plugin.schema.columns import LOSSES


@dataclass(frozen=True)
class Part:
    """A series of tensors [rows, columns] and the names of both. A tensor with fewer of either is an older one."""

    tag: str
    series: RawSeries
    rows: Sequence[str]
    columns: Sequence[str]


def join(parts: Sequence[Part], columns: Sequence[str], problems: Problems) -> Table | None:
    """One table of all parts; None if no part has a point.

    Args:
        parts: series in order; a later part's number wins where two have the same row, column and step.
        columns: names that the table's columns begin with, whether logged or not.
        problems: where tensors that do not fit are noted.
    """
    parts = [_trimmed(_bounded(_readable(part, problems), problems)) for part in parts]
    if not any(part.series.steps for part in parts):
        return None
    parts = _proportionate(parts, columns, problems)
    rows = tuple(dict.fromkeys(row for part in parts for row in part.rows))
    names = tuple(dict.fromkeys((*columns, *(column for part in parts for column in part.columns))))
    times = {step: at for part in parts for step, at in zip(part.series.steps, part.series.wall_times, strict=True)}
    steps = np.array(sorted(times), np.int64)
    values = np.full((len(steps), len(rows), len(names)), np.nan, np.float32)
    row_places, column_places = ({name: place for place, name in enumerate(every)} for every in (rows, names))
    for part in parts:
        _fill(values, steps.searchsorted(part.series.steps), part, _places(part.rows, row_places), _places(part.columns, column_places))
    return Table(rows, names, steps, np.array([times[step] for step in steps.tolist()], np.float64), values)


def losses(series: RawSeries, problems: Problems) -> Points:
    """Loss of every step: each tensor [n, 2] holds distances back from its own step, and losses. Later records win."""
    chunks = []
    for step, value in zip(series.steps, series.values or (), strict=True):
        if not _is_table(value) or value.shape[1:] != (len(LOSSES),):
            problems.add(tags.LOSSES_TAG, f"the tensor at step {step} is {_described(value)}, not float32 [n, 2]")
        elif (np.abs(value[:, 0]) <= limits.MAX_STEP).all():
            chunks.append((step - value[:, 0].astype(np.float64), value[:, 1]))
        else:
            problems.add(tags.LOSSES_TAG, f"the tensor at step {step} has losses of no step that can be")
    return _latest_of_each_step(chunks)


def _latest_of_each_step(chunks: Sequence[tuple[Array, Array]]) -> Points:
    if not chunks:
        return Points(np.empty(0, np.int64), np.empty(0, np.float32))
    steps = np.concatenate([chunk[0] for chunk in chunks])
    values = np.concatenate([chunk[1] for chunk in chunks])
    unique, last = np.unique(steps[::-1], return_index=True)
    return Points(unique.astype(np.int64), values[::-1][last].astype(np.float32))


def _readable(part: Part, problems: Problems) -> Part:
    """Leaves out tensors that are no table of these rows."""
    kept = []
    for index, (step, tensor) in enumerate(zip(part.series.steps, part.series.values or (), strict=True)):
        if _is_table(tensor) and tensor.shape[0] <= len(part.rows) and tensor.size <= limits.MAX_TABLE_CELLS:
            kept.append(index)
        else:
            problems.add(part.tag, f"the tensor at step {step} is {_described(tensor)}, not float32 with at most {len(part.rows)} rows")
    return _points_of(part, kept)


def _bounded(part: Part, problems: Problems) -> Part:
    """Thins a series that is too large to be held at once."""
    cells = len(part.rows) * len(part.columns) * len(part.series.steps)
    if cells <= limits.MAX_SERIES_CELLS:
        return part
    stride = -(-cells // limits.MAX_SERIES_CELLS)
    problems.add(part.tag, f"the series holds {cells} numbers; one of {stride} steps is read")
    return _points_of(part, range(len(part.series.steps) - 1, -1, -stride)[::-1])


def _trimmed(part: Part) -> Part:
    """Without names of rows and columns that no tensor of the series is large enough to have: a record may name millions."""
    shapes = [value.shape for value in part.series.values or ()]
    height, width = (max((shape[axis] for shape in shapes), default=0) for axis in (0, 1))
    return replace(part, rows=part.rows[:height], columns=part.columns[:width])


def _proportionate(parts: list[Part], columns: Sequence[str], problems: Problems) -> list[Part]:
    """Parts whose table is not much larger than what they hold: series of one row each, at a step each, fill a square with nothing."""
    stored = sum(value.size for part in parts for value in part.series.values or ())
    most = max(limits.MAX_TABLE_CELLS, limits.MAX_TABLE_RATIO * stored)
    rows, names, steps = _sizes(parts, columns)
    if rows * names * steps <= most:
        return parts
    known = set(columns)
    parts = [replace(part, columns=list(itertools.takewhile(known.__contains__, part.columns))) for part in parts]
    rows, names, steps = _sizes(parts, columns)
    kept = max(1, most // max(1, rows * names))
    chosen = set(sorted({step for part in parts for step in part.series.steps})[-kept:])
    if kept < steps:
        problems.add(parts[0].tag, f"{rows:,} rows over {steps:,} steps hold {stored:,} numbers only; the last {kept:,} steps are read")
    return [_points_of(part, [index for index, step in enumerate(part.series.steps) if step in chosen]) for part in parts]


def _sizes(parts: Sequence[Part], columns: Sequence[str]) -> tuple[int, int, int]:
    """Rows, columns and steps of the table of these parts."""
    rows = {row for part in parts for row in part.rows}
    names = {*columns, *(name for part in parts for name in part.columns)}
    return len(rows), len(names), len({step for part in parts for step in part.series.steps})


def _points_of(part: Part, kept: Sequence[int]) -> Part:
    values = part.series.values or ()
    series = RawSeries(
        part.series.content,
        [part.series.steps[index] for index in kept],
        [part.series.wall_times[index] for index in kept],
        [values[index] for index in kept],
    )
    return replace(part, series=series)


def _places(own: Sequence[str], places: Mapping[str, int]) -> Array:
    return np.array([places[name] for name in own], np.intp)


def _fill(values: Float32, at: Array, part: Part, rows: Array, columns: Array) -> None:
    in_place = np.array_equal(rows, np.arange(len(rows))) and np.array_equal(columns, np.arange(len(columns)))
    for place, tensor in zip(at.tolist(), part.series.values or (), strict=True):
        height, width = tensor.shape[0], min(tensor.shape[1], len(columns))
        if in_place:
            values[place, :height, :width] = tensor[:, :width]
        else:
            cells = place, rows[:height, None], columns[None, :width]
            values[cells] = np.where(np.isnan(tensor[:, :width]), values[cells], tensor[:, :width])


def _is_table(value: Array) -> bool:
    return value.dtype == np.float32 and value.ndim == 2


def _described(value: Array) -> str:
    return f"{value.dtype} {list(value.shape)}"
