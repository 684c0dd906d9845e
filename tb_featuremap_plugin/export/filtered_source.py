"""A source that shows some runs of another one, and pictures of some of their steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from tb_featuremap_plugin.reading.run import MissingError, Outline, PictureSeries, Points, Run, Source
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.network import RunRecord

T = TypeVar("T")


@dataclass(frozen=True)
class Shown:
    """What of a run is shown.

    Attributes:
        pictures: steps whose maps and filters are.
        inputs: steps whose probe inputs are.
        notes: what its run record says besides.
        singles: maps and filters of other steps that are, each by its step and its series' tag.
    """

    pictures: Set[int]
    inputs: Set[int]
    notes: Sequence[str] = ()
    singles: Set[tuple[int, str]] = frozenset()

    def shows(self, kind: str, name: str, step: int) -> bool:
        """Whether a picture is shown."""
        if kind == "inputs":
            return step in self.inputs
        return step in self.pictures or (step, tags.picture_tag(kind, name)) in self.singles

    def thin(self, series: PictureSeries) -> PictureSeries:
        """The series with the steps that are shown."""
        mask = np.array([self.shows(series.kind, series.name, int(step)) for step in series.steps], bool)
        return replace(series, steps=series.steps[mask], wall_times=series.wall_times[mask])

    def annotate(self, record: RunRecord | None) -> RunRecord | None:
        """The run record with the notes; a run without one stays without."""
        return record and replace(record, notes=(*record.notes, *self.notes))


class FilteredSource:
    """Implements `series.Source`; runs that are not in `shown` are not there."""

    def __init__(self, source: Source, shown: Mapping[str, Shown]) -> None:
        self._source = source
        self._shown = shown
        self._outlines: dict[str, Outline] = {}

    def outlines(self) -> Sequence[Outline]:
        """Outlines of the runs shown, with the pictures shown."""
        return [self.outline(outline.name) for outline in self._source.outlines() if outline.name in self._shown]

    def outline(self, name: str) -> Outline:
        """The outline of one of the runs shown, with the pictures shown. It is made once: it is asked for with every picture."""
        self._check(name)
        if name not in self._outlines:
            self._outlines[name] = self._thin(self._source.outline(name))
        return self._outlines[name]

    def runs(self) -> Sequence[Run]:
        """The runs shown."""
        return [self.run(outline.name) for outline in self.outlines()]

    def run(self, name: str) -> Run:
        """One of the runs shown; its numbers are whole."""
        self._check(name)
        return self._thin(self._source.run(name))

    def derive(self, name: str, function: Callable[[Run], T]) -> T:
        """The value of a pure function of one of the runs shown."""
        return function(self.run(name))

    def derive_pair(self, a: str, b: str, function: Callable[[Run, Run, Source], T]) -> T:
        """The value of a pure function of two of the runs shown."""
        return function(self.run(a), self.run(b), self)

    def scalar_names(self, run: str) -> Mapping[str, Sequence[str]]:
        """Names of scalar series, as the other source has them."""
        self._check(run)
        return self._source.scalar_names(run)

    def scalar(self, run: str, tag: str) -> Points:
        """A scalar series, as the other source has it."""
        return self._source.scalar(run, tag)

    def picture(self, run: str, kind: str, name: str, step: int) -> bytes:
        """A stored picture, if it is shown."""
        self._check_step(run, kind, name, step)
        return self._source.picture(run, kind, name, step)

    def map_pictures(self, run: str, kind: str, name: str, steps: Iterable[int], function: Callable[[bytes], T]) -> list[T | None]:
        """Applies a function to pictures that are shown."""
        asked = list(steps)
        for step in asked:
            self._check_step(run, kind, name, step)
        return self._source.map_pictures(run, kind, name, asked, function)

    def _thin(self, run: _RunOrOutline) -> _RunOrOutline:
        shown = self._shown[run.name]
        pictures = [thin for thin in map(shown.thin, run.pictures) if len(thin.steps)]
        return replace(run, pictures=pictures, record=shown.annotate(run.record))

    def _check(self, run: str) -> None:
        if run not in self._shown:
            raise MissingError(f"there is no run {run!r}")

    def _check_step(self, run: str, kind: str, name: str, step: int) -> None:
        self._check(run)
        if not self._shown[run].shows(kind, name, step):
            raise MissingError(f"run {run!r} has no picture of kind {kind!r} at step {step}")


_RunOrOutline = TypeVar("_RunOrOutline", Run, Outline)
