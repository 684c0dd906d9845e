"""What a logdir holds of a run, as plain values: the one thing that readers produce and that diagnosis, HTTP and the command line use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.schema.answers import PictureKind
from tb_featuremap_plugin.schema.network import RunRecord

T = TypeVar("T")

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """Packed numbers over steps; steps strictly increase.

    Attributes:
        rows: names of the rows, R of them.
        columns: names of the columns, K of them.
        steps: [T].
        wall_times: [T], seconds since the epoch.
        values: [T, R, K]; NaN where a row or column was not logged at a step.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    steps: Int64
    wall_times: Float64
    values: Float32

    def column(self, row: str, column: str) -> Float32:
        """One statistic of one row over the steps, shape [T]; all NaN where either is not known."""
        if row not in self.rows or column not in self.columns:
            return np.full(len(self.steps), np.nan, np.float32)
        series: Float32 = self.values[:, self.rows.index(row), self.columns.index(column)]
        return series


@dataclass(frozen=True)
class Points:
    """A plain series of numbers: the loss of each step, or a scalar of a sibling run. Steps strictly increase."""

    steps: Int64
    values: Float32


@dataclass(frozen=True)
class PictureSeries:
    """The kept pictures of one layer or variable.

    Attributes:
        kind: "maps", "filters" or "inputs".
        name: the layer's or variable's.
        steps: [T], strictly increasing; the copy of the first picture counts, where the series itself lost it.
        wall_times: [T].
    """

    kind: PictureKind
    name: str
    steps: Int64
    wall_times: Float64


@dataclass(frozen=True)
class Problem:
    """Something in the logdir that could not be read: what, and why. Everything else was read all the same."""

    run: str
    tag: str
    message: str


@dataclass(frozen=True)
class Run:
    """One run, as logged.

    Attributes:
        name: TensorBoard's name of the run: the folder below the logdir.
        title: the name to show: of the parent, where a Monitor wrote into a folder of its own.
        record: the latest run record; None where only single calls were logged.
        layers, variables: tables with the columns of `schema`; None where nothing was logged.
        losses: the loss of every step as far as kept.
        progress: a table with one row, "run".
        pictures: in the order of the network's layers, then by natural sort.
        problems: what could not be read.
    """

    name: str
    title: str
    record: RunRecord | None = None
    layers: Table | None = None
    variables: Table | None = None
    losses: Points | None = None
    progress: Table | None = None
    pictures: Sequence[PictureSeries] = ()
    problems: Sequence[Problem] = ()
    scalars: Mapping[str, Points] = field(default_factory=dict)


@dataclass(frozen=True)
class Outline:
    """What there is in a run, found without reading its pictures and its large tables.

    Attributes:
        name, title, record, pictures, problems: as in `Run`; problems of tables that were not read are not among them.
        steps: union of the kept steps, strictly increasing.
        logged_steps: how many steps were logged, of which `steps` are left; None if unknown.
        layer_rows, variable_rows: names of the rows of the tables.
    """

    name: str
    title: str
    record: RunRecord | None
    steps: Int64
    logged_steps: int | None
    pictures: Sequence[PictureSeries]
    layer_rows: Sequence[str]
    variable_rows: Sequence[str]
    problems: Sequence[Problem]


class MissingError(KeyError):
    """What was asked for is not there (any more). Its argument is the sentence to show."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class Source(Protocol):
    """Where runs are read from: TensorBoard's data provider or event files. Both give the same runs."""

    def outlines(self) -> Sequence[Outline]:
        """What there is of every run that holds something of ours, by natural sort of their titles."""

    def outline(self, name: str) -> Outline:
        """What there is of one run.

        Raises:
            MissingError: there is no such run, or it holds nothing of ours.
        """

    def runs(self) -> Sequence[Run]:
        """All runs that hold something of ours, in the same order."""

    def run(self, name: str) -> Run:
        """One run.

        Raises:
            MissingError: there is no such run, or it holds nothing of ours.
        """

    def derive(self, name: str, function: Callable[[Run], T]) -> T:
        """The value of a pure function of one run, computed again only when the run has changed.

        Raises:
            MissingError: there is no such run, or it holds nothing of ours.
        """

    def derive_pair(self, a: str, b: str, function: Callable[[Run, Run, Source], T]) -> T:
        """The value of a pure function of two runs and of where their pictures are, computed again only when one of them has changed.

        Raises:
            MissingError: there is no such run, or it holds nothing of ours.
        """

    def scalar_names(self, run: str) -> Mapping[str, Sequence[str]]:
        """Names of the scalar series of this run and of its siblings, by run.

        Raises:
            MissingError: there is no such run.
        """

    def scalar(self, run: str, tag: str) -> Points:
        """A scalar series of any run.

        Raises:
            MissingError: there is no such series.
        """

    def picture(self, run: str, kind: str, name: str, step: int) -> bytes:
        """A stored picture's bytes, as they are.

        Raises:
            MissingError: there is no such picture (any more).
        """

    def map_pictures(self, run: str, kind: str, name: str, steps: Iterable[int], function: Callable[[bytes], T]) -> list[T | None]:
        """Applies a pure function to the pictures of some steps; None where one is gone."""
