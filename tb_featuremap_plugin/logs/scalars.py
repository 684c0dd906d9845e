"""The scalars of a run and of those beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from tb_featuremap_plugin.logs.asking import missing
from tb_featuremap_plugin.logs.series import Series
from tb_featuremap_plugin.reading.run import Source
from tb_featuremap_plugin.schema.one_line import counted, described, quoted


class Scalars(Mapping[str, Mapping[str, Series]]):
    """Scalars beside a run, by run. Which there are is found out when it is first asked."""

    def __init__(self, source: Source, run: str) -> None:
        self._source = source
        self._run = run

    def __getitem__(self, run: str) -> Mapping[str, Series]:
        if run not in self._tags:
            raise missing("run with scalars beside this one", run, tuple(self._tags))
        return ScalarsOfRun(self._source, run, self._tags[run])

    def __iter__(self) -> Iterator[str]:
        return iter(self._tags)

    def __len__(self) -> int:
        return len(self._tags)

    def __repr__(self) -> str:
        return described("Scalars", f"of the runs beside {quoted(self._run)}")

    @cached_property
    def _tags(self) -> Mapping[str, Sequence[str]]:
        return self._source.scalar_names(self._run)


class ScalarsOfRun(Mapping[str, Series]):
    """Scalars of one run, by tag, each read when it is asked for."""

    def __init__(self, source: Source, run: str, tags: Sequence[str]) -> None:
        self._source = source
        self._run = run
        self._tags = tuple(tags)

    def __getitem__(self, tag: str) -> Series:
        if tag not in self._tags:
            raise missing(f"scalar of run {quoted(self._run)}", tag, self._tags)
        return Series(tag, self._source.scalar(self._run, tag))

    def __iter__(self) -> Iterator[str]:
        return iter(self._tags)

    def __len__(self) -> int:
        return len(self._tags)

    def __repr__(self) -> str:
        return described("Scalars", f"of {quoted(self._run)}", counted(len(self), "tag"))
