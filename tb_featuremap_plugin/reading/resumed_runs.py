"""What the sessions of a resumed run left: each has rows of its own names, and counts from its own start."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from tb_featuremap_plugin.reading.raw_series import RawSeries
from tb_featuremap_plugin.reading.run import Float32, Table

_SUMS = ("logged_steps", "seen_steps", "log_seconds", "train_seconds", "logged_bytes", "dropped_records")
_EARLIEST = ("first_loss", "first_nonfinite_loss_step")
_EXTREMES = (
    ("lowest_loss", "lowest_loss_step", np.less_equal),
    ("largest_jump", "largest_jump_step", np.greater_equal),
    ("lowest_validation_loss", "lowest_validation_step", np.less_equal),
)


def last_of_each(steps: Sequence[int], starts: Sequence[int]) -> list[tuple[int, int]]:
    """The last point of each session that has one.

    Args:
        steps: of the points, increasing.
        starts: first steps of the sessions, increasing; what lies before them all belongs to the first.

    Returns:
        First step of the session and index of the point, in order.
    """
    found = {starts[max(0, bisect_right(starts, step) - 1)] if starts else 0: index for index, step in enumerate(steps)}
    return list(found.items())


def split(series: RawSeries, at: Sequence[int]) -> list[RawSeries]:
    """A series cut before the first point of each of these increasing steps: one piece more than there are cuts."""
    bounds = [0, *(int(np.searchsorted(series.steps, step)) for step in at), len(series.steps)]
    return [
        RawSeries(
            series.content,
            series.steps[start:stop],
            series.wall_times[start:stop],
            None if series.values is None else series.values[start:stop],
        )
        for start, stop in pairwise(bounds)
    ]


def added_up(progress: Table) -> Table:
    """The run's cumulative numbers over all its sessions, each of which counts anew from its `first_step`.

    Where sampling lost a session's last record, what it counted after the last one that was kept is missing.
    """
    values, places = progress.values[:, 0].copy(), {name: place for place, name in enumerate(progress.columns)}
    first_steps = np.nan_to_num(values[:, places["first_step"]], nan=-1)
    begins = [int(index) + 1 for index in np.flatnonzero(np.diff(first_steps))]
    for begin, end in pairwise([*begins, len(values)]):
        _carry_over(values[begin:end].T, values[begin - 1], places)
    return replace(progress, values=values[:, None])


def _carry_over(curves: Float32, before: Float32, places: dict[str, int]) -> None:
    """Continues curves [columns, T] from the row before them."""
    for name in _SUMS:
        curves[places[name]] += np.nan_to_num(before[places[name]])
    for name in _EARLIEST:
        if not np.isnan(before[places[name]]):
            curves[places[name]] = before[places[name]]
    for name, step, beats in _EXTREMES:
        if name not in places:  # of a version that did not log it
            continue
        curve, known = curves[places[name]], before[places[name]]
        kept = beats(known, curve) | (np.isnan(curve) & ~np.isnan(known))
        curve[kept] = known
        curves[places[step]][kept] = before[places[step]]
