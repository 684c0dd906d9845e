"""Runs from event files themselves: nothing is sampled away, checksums are checked natively, and pictures stay on disk until asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from tb_featuremap_plugin.reading import assemble, run_names
from tb_featuremap_plugin.reading.lazy_reader import LazyReader, LazyReaders
from tb_featuremap_plugin.reading.places import Where, find_runs
from tb_featuremap_plugin.reading.run import MissingError, Outline, Points, Run, Source
from tb_featuremap_plugin.reading.run_reader import LatestEvents, RunReader
from tb_featuremap_plugin.reading.stored_files import RunFiles
from tb_featuremap_plugin.schema import tags

T = TypeVar("T")

_Reader = RunReader | LazyReader


class EventSource:
    """A `series.Source` over the event files below a folder, in a zip or behind a URL, as they are when it is made.

    Args:
        logdir: the path of a folder or of a zip file, a URL, or a place that is open already.
        lazy: read of each run only what is asked for, when it is asked for. What is skipped is not checked, see `skimming`.

    Raises:
        FileNotFoundError: there is nothing of that name.
        NotADirectoryError: it is a file, and no zip.
        OSError: it cannot be read, or is a zip that is not read; `strerror` says why.
    """

    def __init__(self, logdir: Where, *, lazy: bool = False) -> None:
        read: Callable[[RunFiles], _Reader] = LazyReaders() if lazy else partial(RunReader, latest=LatestEvents())
        readers = [read(files) for files in find_runs(logdir)]
        self._readers = {reader.name: reader for reader in sorted(readers, key=lambda reader: run_names.run_order(reader.name))}
        self._outlines: dict[str, Outline] | None = None
        self._last: Run | None = None
        self._siblings = run_names.Siblings(self._readers)
        self._scalar_names: dict[str, Mapping[str, Sequence[str]]] = {}

    def names(self) -> list[str]:
        """Names of the runs that hold something of ours, in the order of `outlines`."""
        return [reader.name for reader in self._ours()]

    def unknown(self) -> list[tuple[str, str]]:
        """Runs of which it is not known whether they hold anything of ours, and why; only a lazy source leaves that open."""
        found = ((reader.name, reader.damage) for reader in self._readers.values() if isinstance(reader, LazyReader))
        return [(name, damage) for name, damage in found if damage is not None]

    def outlines(self) -> Sequence[Outline]:
        """What there is of every run that holds something of ours, by natural sort of their titles."""
        return list(self._outline_of().values())

    def outline(self, name: str) -> Outline:
        """What there is of one run.

        Raises:
            MissingError: there is no such run, or it holds nothing of ours.
        """
        self._reader(name)
        return self._outline_of()[name]

    def runs(self) -> Sequence[Run]:
        """All runs that hold something of ours, in the same order."""
        return [assemble.run(reader.raw()) for reader in self._ours()]

    def run(self, name: str) -> Run:
        """One run.

        Raises:
            MissingError: there is no such run, or it holds nothing of ours.
        """
        if self._last is None or self._last.name != name:
            self._last = assemble.run(self._reader(name).raw())
        return self._last

    def derive(self, name: str, function: Callable[[Run], T]) -> T:
        """The value of a pure function of one run.

        Raises:
            MissingError: there is no such run, or it holds nothing of ours.
        """
        return function(self.run(name))

    def derive_pair(self, a: str, b: str, function: Callable[[Run, Run, Source], T]) -> T:
        """The value of a pure function of two runs and of where their pictures are.

        Raises:
            MissingError: there is no such run, or it holds nothing of ours.
        """
        return function(self.run(a), self.run(b), self)

    def picture(self, run: str, kind: str, name: str, step: int) -> bytes:
        """A stored picture's bytes, as they are.

        Raises:
            MissingError: there is no such picture (any more).
        """
        reader = self._readers.get(run)
        for first in (False, True):
            blob = reader.blob(tags.picture_tag(kind, name, first=first), step) if reader else None
            if blob is not None:
                return blob
        raise MissingError(f"run {run!r} has no picture of kind {kind!r} named {name!r} at step {step}")

    def map_pictures(self, run: str, kind: str, name: str, steps: Iterable[int], function: Callable[[bytes], T]) -> list[T | None]:
        """Applies a pure function to the pictures of some steps; None where one is gone."""
        results: list[T | None] = []
        for step in steps:
            try:
                results.append(function(self.picture(run, kind, name, step)))
            except MissingError:
                results.append(None)
        return results

    def scalar_names(self, run: str) -> Mapping[str, Sequence[str]]:
        """Names of the scalar series of this run and of its siblings, by run.

        Raises:
            MissingError: there is no such run.
        """
        self._reader(run)
        if run not in self._scalar_names:
            siblings = self._siblings.of(run)
            self._scalar_names[run] = run_names.sibling_scalars(siblings, lambda name: self._readers[name].scalar_tags())
        return self._scalar_names[run]

    def scalar(self, run: str, tag: str) -> Points:
        """A scalar series of any run.

        Raises:
            MissingError: there is no such series.
        """
        points = self._readers[run].scalar(tag) if run in self._readers else None
        if points is None:
            raise MissingError(f"run {run!r} has no scalar {tag!r}")
        return points

    def _outline_of(self) -> dict[str, Outline]:
        if self._outlines is None:
            self._outlines = {reader.name: assemble.outline(reader.raw()) for reader in self._ours()}
        return self._outlines

    def _ours(self) -> list[_Reader]:
        return [reader for reader in self._readers.values() if reader.is_ours]

    def _reader(self, name: str) -> _Reader:
        reader = self._readers.get(name)
        if reader is None or not reader.is_ours:
            raise MissingError(f"there is no run {name!r} with anything of this plugin")
        return reader
