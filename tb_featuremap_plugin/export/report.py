"""The dashboard as one page that needs no server and no network: which runs and steps go into it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tb_featuremap_plugin.export.answers import answers
from tb_featuremap_plugin.export.filtered_source import FilteredSource, Shown
from tb_featuremap_plugin.export.key_steps import key_steps
from tb_featuremap_plugin.export.page import compose
from tb_featuremap_plugin.export.plan import Plan, Weights, describe_pictures, describe_steps, plan
from tb_featuremap_plugin.export.replacing import replaced
from tb_featuremap_plugin.export.step_selection import Choice, choices, merged
from tb_featuremap_plugin.reading.run import Outline, PictureSeries, Source
from tb_featuremap_plugin.schema import tags

_BASE64 = 4 / 3
_UNBOUNDED = 2**63


class NothingToExportError(ValueError):
    """There is no such run or step."""


@dataclass(frozen=True)
class Exported:
    """An exported page.

    Attributes:
        size: bytes of the page.
        notes: by run, what was left out of it, in words; empty where nothing was.
    """

    size: int
    notes: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Report:
    """A page that is not written yet.

    Attributes:
        page: its bytes.
        notes: as those of `Exported`.
    """

    page: bytes
    notes: Mapping[str, Sequence[str]]


def export(source: Source, output: Path, *, runs: Sequence[str] = (), steps: Sequence[int] = (), max_bytes: int) -> Exported:
    """Writes the dashboard of `source` into one page.

    Args:
        source: where runs are read from.
        output: the page; is replaced once the new one is complete.
        runs: names or titles of runs; all where none is named.
        steps: the steps whose pictures are wanted; where a run has no picture at a step, the last before it. Where none is named, the
            first and the last step, the steps at which findings begin, and an even spread of as many between as fit.
        max_bytes: size that the page may have, as far as numbers alone, which are kept whole, do not take more.

    Raises:
        NothingToExportError: there is no such run, or no run at all.
    """
    report = make_report(source, runs=runs, steps=steps, max_bytes=max_bytes)
    with replaced(output) as partial:
        partial.write_bytes(report.page)
    return Exported(len(report.page), report.notes)


def make_report(source: Source, *, runs: Sequence[str] = (), steps: Sequence[int] = (), max_bytes: int) -> Report:
    """The page that `export` writes; see there.

    Raises:
        NothingToExportError: there is no such run, or no run at all.
    """
    outlines = _named(source.outlines(), runs)
    weights = {outline.name: _weigh(source, outline) for outline in outlines}
    if steps:
        return _draft(source, outlines, plan(weights, _exactly(weights, steps), _UNBOUNDED), steps)
    return _largest_draft(source, outlines, weights, max_bytes)


def _largest_draft(source: Source, outlines: Sequence[Outline], weights: Mapping[str, Weights], max_bytes: int) -> Report:
    """Sizes are estimates until the page is there; where they were too low, fewer pictures are tried."""
    bare = _draft(source, outlines, plan(weights, (), 0))
    wanted = _spread(source, outlines, weights)
    budget = max_bytes - len(bare.page)
    while budget > 0:
        draft = _draft(source, outlines, plan(weights, wanted, budget))
        excess = len(draft.page) - max_bytes
        if excess <= 0:
            return draft
        budget -= max(excess, budget // 100)
    return bare


def _draft(source: Source, outlines: Sequence[Outline], chosen: Plan, asked: Sequence[int] = ()) -> Report:
    shown = {outline.name: _shown(chosen, outline, asked) for outline in outlines}
    page = compose(answers(FilteredSource(source, shown)), _title(outlines))
    return Report(page, {run: each.notes for run, each in shown.items()})


def _named(outlines: Sequence[Outline], asked: Sequence[str]) -> list[Outline]:
    for name in asked:
        if not any(name in (outline.name, outline.title) for outline in outlines):
            known = ", ".join(sorted(outline.name for outline in outlines)) or "none"
            raise NothingToExportError(f"there is no run {name!r}; there are: {known}")
    named = [outline for outline in outlines if not asked or outline.name in asked or outline.title in asked]
    if not named:
        raise NothingToExportError("there is no run that holds feature maps, filters or weight change")
    return named


class _Sizes(Mapping[int, int]):
    """Bytes in the page of a run's pictures, by step; a step's pictures are read when it is asked for."""

    def __init__(self, known: Iterable[int], measure: Callable[[int], int]) -> None:
        self._known = sorted(known)
        self._measure = measure

    def __getitem__(self, step: int) -> int:
        return self._measure(step)

    def __iter__(self) -> Iterator[int]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _weigh(source: Source, outline: Outline) -> Weights:
    maps = [series for series in outline.pictures if series.kind != "inputs"]
    inputs = [series for series in outline.pictures if series.kind == "inputs"]

    def sizes(group: Sequence[PictureSeries]) -> _Sizes:
        def measure(step: int) -> int:
            found = [source.map_pictures(outline.name, each.kind, each.name, [step], len) for each in group if step in each.steps]
            return int(_BASE64 * sum(size or 0 for (size,) in found))

        return _Sizes({int(step) for each in group for step in each.steps}, measure)

    pictures = sizes(maps)
    return Weights(pictures, sizes(inputs), _Ends(source, outline.name, maps, pictures))


class _Ends(Mapping[int, Mapping[str, int]]):
    """Bytes in the page of each picture of a run's first and last step, read when they are asked for."""

    def __init__(self, source: Source, run: str, series: Sequence[PictureSeries], steps: Iterable[int]) -> None:
        known = sorted(steps)
        self._steps = dict.fromkeys((*known[:1], *known[-1:]))
        self._source, self._run, self._series = source, run, series

    def __getitem__(self, step: int) -> Mapping[str, int]:
        if step not in self._steps:
            raise KeyError(step)
        there = [each for each in self._series if step in each.steps]
        sizes = [self._source.map_pictures(self._run, each.kind, each.name, [step], len)[0] or 0 for each in there]
        return {tags.picture_tag(each.kind, each.name): int(_BASE64 * size) for each, size in zip(there, sizes, strict=True)}

    def __iter__(self) -> Iterator[int]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)


def _exactly(weights: Mapping[str, Weights], steps: Sequence[int]) -> list[Choice]:
    return [Choice(0, run, step) for run, weight in weights.items() for step in sorted(_at_or_before(weight.pictures, steps))]


def _at_or_before(known: Iterable[int], asked: Iterable[int]) -> set[int]:
    ordered = sorted(known)
    return {ordered[index - 1] for step in asked if (index := bisect_right(ordered, step))}


def _spread(source: Source, outlines: Sequence[Outline], weights: Mapping[str, Weights]) -> list[Choice]:
    begins = key_steps(FilteredSource(source, {outline.name: Shown(frozenset(), frozenset()) for outline in outlines}))
    return merged(choices(run, weight.pictures, begins.get(run, ())) for run, weight in weights.items())


def _shown(chosen: Plan, outline: Outline, asked: Sequence[int]) -> Shown:
    known = {int(step) for series in outline.pictures if series.kind != "inputs" for step in series.steps}
    said = describe_pictures(chosen, outline.name, known)
    notes = [f"Exported with {said}. Numbers are whole."] if said else []
    missing = sorted(set(asked) - known)
    if missing:
        notes.append(f"It has no pictures at {describe_steps(missing)}: those of the last step before stand in, where there is one.")
    return Shown(chosen.pictures[outline.name], chosen.inputs[outline.name], notes, chosen.singles.get(outline.name, frozenset()))


def _title(outlines: Sequence[Outline]) -> str:
    return f"Feature maps: {', '.join(outline.title for outline in outlines)}"[:200]
