"""The runs of a logdir."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from tb_featuremap_plugin.logs.asking import missing
from tb_featuremap_plugin.logs.run import Run
from tb_featuremap_plugin.reading import html_table
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.reading.lazy_reader import MOST_RUNS
from tb_featuremap_plugin.reading.run import Source
from tb_featuremap_plugin.reading.run_names import title
from tb_featuremap_plugin.schema.one_line import counted, described, quoted, quoted_path

if TYPE_CHECKING:
    from concurrent.futures import Executor

T = TypeVar("T")


class Logs(Mapping[str, Run]):
    """The runs of a logdir, by their names in the tab and in its order; runs that would have one name have TensorBoard's.

    TensorBoard's name of a run, its folder below the logdir, finds it too. Made by `open`.
    """

    def __init__(self, source: Source, names: Sequence[str], place: str) -> None:
        """Takes a source.

        Args:
            source: where runs are read from.
            names: of its runs, in the order of their titles.
            place: what was opened, for `repr`.
        """
        titles = {name: title(name) for name in names}
        shared = Counter(titles.values())
        self._names = {own if shared[own] == 1 else name: name for name, own in titles.items()}
        self._source = source
        self._place = place
        self._held: OrderedDict[str, Run] = OrderedDict()

    def __getitem__(self, run: str) -> Run:
        name = self._names.get(run, run)
        if name not in self._names.values():
            raise missing("run", run, tuple(self._names))
        found = self._held.pop(name, None) or Run(self._source, name, title(name))
        self._held[name] = found
        if len(self._held) > MOST_RUNS:  # with what was read of it
            self._held.popitem(last=False)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def map(self, function: Callable[[Run], T], *, executor: Executor | None = None) -> dict[str, T]:
        """Applies a function to every run.

        Args:
            function: of a run. With an executor of other processes or machines, it and what it returns are sent there and back.
            executor: one that has the interface of `concurrent.futures.Executor`: Python's own pools, `Client.get_executor()` of Dask, and
                others. Each call opens the logdir again, so it must be reachable from there. Without one, run after run in this thread.

        Returns:
            What `function` returned, by the name of the run, in the order of the runs.
        """
        if executor is None:
            return {name: function(run) for name, run in self.items()}
        results = executor.map(partial(_apply, function, self._place), self._names.values())
        return dict(zip(self._names, results, strict=True))

    def __repr__(self) -> str:
        names = [quoted(name) for name, _ in zip(self._names, range(3), strict=False)]
        more = "..." if len(self) > len(names) else None
        return described("Logs", f"{quoted_path(self._place)}: {counted(len(self), 'run')}", *names, more)

    def _repr_html_(self) -> str:
        caption = f"{quoted_path(self._place)}: {counted(len(self), 'run')}"
        return html_table.table(caption, ("run", "folder"), self._names.items(), len(self), "run")


def _apply(function: Callable[[Run], T], place: str, name: str) -> T:
    """Where the executor runs it."""
    return function(Run(EventSource(place, lazy=True), name, title(name)))
