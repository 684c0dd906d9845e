"""A run as it was when somebody looked early, or as it is where little was logged or kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from tb_featuremap_plugin.reading.run import Points, Run, Table


def until(run: Run, step: int) -> Run:
    """What there was after a step."""
    return dataclasses.replace(
        run,
        layers=_kept(run.layers, lambda steps: steps <= step),
        variables=_kept(run.variables, lambda steps: steps <= step),
        progress=_kept(run.progress, lambda steps: steps <= step),
        losses=_points(run.losses, step),
    )


def thinned(run: Run, interval: int) -> Run:
    """What sampling leaves: a step in so many of the tables, and every loss."""

    def due(steps: np.ndarray) -> np.ndarray:
        return (steps % interval == 0) | (steps == steps[-1])

    return dataclasses.replace(run, layers=_kept(run.layers, due), variables=_kept(run.variables, due), progress=_kept(run.progress, due))


LOOKS: Mapping[str, Callable[[Run], Run]] = {
    "5": lambda run: until(run, 5),
    "20": lambda run: until(run, 20),
    "60": lambda run: until(run, 60),
    "end": lambda run: run,
    "tenth": lambda run: thinned(run, 10),
}
"""Times and ways of looking."""


def _kept(table: Table | None, due: Callable[[np.ndarray], np.ndarray]) -> Table | None:
    if table is None:
        return None
    chosen = due(table.steps)
    return dataclasses.replace(table, steps=table.steps[chosen], wall_times=table.wall_times[chosen], values=table.values[chosen])


def _points(points: Points | None, step: int) -> Points | None:
    if points is None:
        return None
    return Points(points.steps[points.steps <= step], points.values[points.steps <= step])
