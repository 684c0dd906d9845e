"""Whether two readings of a run are the same, number for number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tb_featuremap_plugin.reading.run import PictureSeries, Points, Run, Table


def assert_same_runs(ours: Sequence[Run], theirs: Sequence[Run]) -> None:
    """Compares everything but problems: what a source calls a problem depends on what it can see."""
    assert [run.name for run in ours] == [run.name for run in theirs]
    for own, other in zip(ours, theirs, strict=True):
        assert_same_run(own, other)


def assert_same_run(own: Run, other: Run) -> None:
    assert (own.name, own.title, own.record) == (other.name, other.title, other.record)
    for name in ("layers", "variables", "progress"):
        assert_same_table(getattr(own, name), getattr(other, name), f"{own.name}: {name}")
    assert_same_points(own.losses, other.losses)
    assert list(map(plain, own.pictures)) == list(map(plain, other.pictures))


def plain(series: PictureSeries) -> tuple[str, str, list[int], list[float]]:
    return series.kind, series.name, series.steps.tolist(), series.wall_times.tolist()


def assert_same_table(own: Table | None, other: Table | None, where: str) -> None:
    assert (own is None) == (other is None), where
    if own is not None and other is not None:
        assert (own.rows, own.columns) == (other.rows, other.columns), where
        np.testing.assert_array_equal(own.steps, other.steps, where)
        np.testing.assert_array_equal(own.wall_times, other.wall_times, where)
        np.testing.assert_array_equal(own.values, other.values, where)


def assert_same_points(own: Points | None, other: Points | None) -> None:
    assert (own is None) == (other is None)
    if own is not None and other is not None:
        np.testing.assert_array_equal(own.steps, other.steps)
        np.testing.assert_array_equal(own.values, other.values)
