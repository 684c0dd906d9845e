"""Reads back what a monitor logged."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.reading.run import Run
from tests.support.known import layers_of, losses_of, progress_of, variables_of


def read_run(logdir: Path | str, name: str = "featuremaps") -> Run:
    """The one run of a monitor; problems in it fail the test."""
    run = EventSource(str(logdir)).run(name)
    assert not run.problems
    return run


def numbers(run: Run, variable: str, column: str) -> dict[int, float]:
    """One statistic of a variable by step."""
    table = variables_of(run)
    return dict(zip(table.steps.tolist(), table.column(variable, column).tolist(), strict=True))


def layer_numbers(run: Run, layer: str, column: str) -> dict[int, float]:
    """One statistic of a layer by step."""
    table = layers_of(run)
    return dict(zip(table.steps.tolist(), table.column(layer, column).tolist(), strict=True))


def progress(run: Run, column: str) -> list[float]:
    """One column of the run as a whole, over the steps."""
    table = progress_of(run)
    values: list[float] = table.column(table.rows[0], column).tolist()
    return values


def losses(run: Run) -> dict[int, float]:
    """The loss of each step."""
    points = losses_of(run)
    return dict(zip(points.steps.tolist(), points.values.tolist(), strict=True))


def picture_names(run: Run, kind: str) -> set[str]:
    """Names of the pictures of a kind."""
    return {series.name for series in run.pictures if series.kind == kind}


def picture_steps(run: Run, kind: str, name: str) -> list[int]:
    """Steps of a picture series."""
    return next(series.steps.tolist() for series in run.pictures if (series.kind, series.name) == (kind, name))


def picture(logdir: Path | str, kind: str, name: str, step: int, run: str = "featuremaps") -> record.Record:
    """A picture's record."""
    return record.decode(EventSource(str(logdir)).picture(run, kind, name, step))


def pixels(blob: record.Record) -> np.ndarray:
    """The values of a picture of maps or inputs, from their codes."""
    codes, stats = blob.array("pixels"), blob.array("stats")
    if codes.dtype != np.uint8:
        return codes
    shape = (1, -1) + (1,) * (codes.ndim - 2)
    low, high = (stats[blob.header["stats"].index(row)][: codes.shape[1]].reshape(shape) for row in ("low", "high"))
    values: np.ndarray = low + (high - low) * codes / 252.0
    return values
