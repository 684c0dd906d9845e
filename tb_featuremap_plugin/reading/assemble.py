"""Raw series to runs: in order, without what a resumed run wrote again, checked against the format and its limits.

Nothing here raises for what a logdir holds: whatever cannot be read becomes a `Problem` of its run.
"""

from __future__ import annotations

import functools
import itertools
import logging
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tb_featuremap_plugin.format import run_record, values
from tb_featuremap_plugin.reading import resumed_runs, tables
from tb_featuremap_plugin.reading.raw_series import Problems, RawRun, RawSeries
from tb_featuremap_plugin.reading.run import Float64, Int64, Outline, PictureSeries, Points, Run, Table
from tb_featuremap_plugin.reading.run_names import natural_key, title
from tb_featuremap_plugin.schema import limits, tags
from tb_featuremap_plugin.schema.answers import PictureKind
from tb_featuremap_plugin.schema.columns import LAYER_COLUMNS, PROGRESS_COLUMNS, VARIABLE_COLUMNS
from tb_featuremap_plugin.schema.errors import FormatError
from tb_featuremap_plugin.schema.network import RunRecord

_logger = logging.getLogger(__name__)

_Record = tuple[int | None, RunRecord | None]
"""A run record, and the first step for which it does not hold any more."""

_PACKED = {tags.LAYERS_TAG, tags.VARIABLES_TAG, tags.LOSSES_TAG, tags.PROGRESS_TAG, tags.START_TAG}
_ROW_PREFIXES = (f"{tags.LAYERS_TAG}/", f"{tags.VARIABLES_TAG}/")


def run(raw: RawRun, scalars: Mapping[str, Points] | None = None) -> Run:
    """Everything of a run, numbers included."""
    problems = Problems(raw.name, raw.problems)
    record = _record(raw.record, problems)
    records = [*((until, _record(earlier, problems)) for until, earlier in raw.earlier), (None, record)]
    usable = _usable(raw, problems)
    return Run(
        name=raw.name,
        title=title(raw.name),
        record=_with_earlier_changes(record, records),
        layers=_table(usable, tags.LAYERS_TAG, records, problems),
        variables=_table(usable, tags.VARIABLES_TAG, records, problems),
        losses=_losses(usable, problems),
        progress=_progress(usable, record, problems),
        pictures=_pictures(usable, record, problems),
        problems=problems.all(),
        scalars=scalars or {},
    )


def _with_earlier_changes(record: RunRecord | None, records: Sequence[_Record]) -> RunRecord | None:
    """The last session's record, with the changes of the network in the sessions before it."""
    sessions = [(until, one.changes) for until, one in records if one is not None and until is not None]
    earlier = tuple(change for until, changes in sessions for change in changes if change.step < until)
    return record if record is None or not earlier else replace(record, changes=(*earlier, *record.changes))


def outline(raw: RawRun) -> Outline:
    """What there is in a run. Series of numbers that were not read (`values` is None) add no steps."""
    problems = Problems(raw.name, raw.problems)
    record = _record(raw.record, problems)
    usable = _usable(raw, problems)
    pictures = _pictures(usable, record, problems)
    progress = _progress(usable, record, problems)
    return Outline(
        name=raw.name,
        title=title(raw.name),
        record=record,
        steps=_all_steps(usable, pictures),
        logged_steps=_logged_steps(progress),
        pictures=pictures,
        layer_rows=_row_names(usable, tags.LAYERS_TAG, record),
        variable_rows=_row_names(usable, tags.VARIABLES_TAG, record),
        problems=problems.all(),
    )


def standing_records(series: RawSeries | None, starts: RawSeries | None) -> list[tuple[int, int]]:
    """The run records that name the rows of a run: the last one of each of its sessions.

    Args:
        series: the run records.
        starts: the markers of the sessions.

    Returns:
        First step of the session and index of its record, of the latest sessions in order: the last one is the run's.
    """
    if series is None or values.content_version(series.content) not in range(1, tags.CONTENT_VERSION + 1):
        return []
    kept = surviving(series, starts)
    begun = [starts.steps[index] for index in surviving(starts, None)] if starts else []
    found = resumed_runs.last_of_each([series.steps[index] for index in kept], begun)
    return [(step, kept[index]) for step, index in found[-limits.MAX_SESSIONS :]]


def earlier_records(standing: Sequence[tuple[int, int]], blobs: Sequence[bytes | None]) -> list[tuple[int, bytes]]:
    """`RawRun.earlier` of what `standing_records` found and its bytes; one that is gone or damaged has none."""
    return [(until, blob or b"") for (until, _), blob in zip(standing[1:], blobs[:-1], strict=True)]


def surviving(series: RawSeries, starts: RawSeries | None) -> list[int]:
    """Indices of the points that stand, in the order of their strictly increasing steps.

    A point goes when a later one has its step or a smaller one, or when its run was started again at its step or before.
    """
    kept = list(range(len(series.steps))) if _increases(series.steps) else _last_in_order(series.steps)
    begun = [(step, at) for step, at in _begun(starts) if series.wall_times and min(series.wall_times) < at]
    if not begun:
        return kept
    return [index for index in kept if not any(series.steps[index] >= step and series.wall_times[index] < at for step, at in begun)]


def points(steps: Sequence[int], values: Sequence[float]) -> Points:
    """A series of plain numbers, given in the order in which it was written."""
    kept = surviving(RawSeries(b"", steps, ()), None)
    return Points(np.array([steps[index] for index in kept], np.int64), np.array([values[index] for index in kept], np.float32))


def _increases(steps: Sequence[int]) -> bool:
    return all(map(operator.lt, steps, itertools.islice(steps, 1, None)))


def _last_in_order(steps: Sequence[int]) -> list[int]:
    """Indices of the steps that no later one equals or undercuts."""
    kept: list[int] = []
    for index, step in enumerate(steps):
        while kept and steps[kept[-1]] >= step:
            kept.pop()
        kept.append(index)
    return kept


def _begun(starts: RawSeries | None) -> list[tuple[int, float]]:
    """Step and wall time of each start, without those after which the clock went back: it cannot tell what came before them."""
    begun: list[tuple[int, float]] = []
    for step, at in reversed(list(zip(starts.steps, starts.wall_times, strict=True)) if starts else []):
        if not begun or at <= begun[-1][1]:
            begun.append((step, at))
    return begun


def _record(stored: bytes | None, problems: Problems) -> RunRecord | None:
    if stored is None:
        return None
    try:
        return run_record.decode(stored)
    except FormatError as error:
        problems.add(tags.RUN_TAG, str(error))
        return None


def _usable(raw: RawRun, problems: Problems) -> RawRun:
    """Drops series of a later version and points with steps that no one can address, and puts the others in order."""
    starts = raw.tensors.get(tags.START_TAG)
    in_order: dict[tuple[int, int], bool] = {}

    def ordered(tag: str, series: RawSeries) -> RawSeries:
        shared = id(series.steps), id(series.wall_times)  # of most series, since they were logged at the same steps
        if shared not in in_order:
            in_order[shared] = _is_in_order(series, starts)
        return series if in_order[shared] else _ordered(tag, series, starts, problems)

    return RawRun(
        raw.name,
        {tag: ordered(tag, series) for tag, series in raw.blobs.items() if _readable(tag, series, problems)},
        {tag: ordered(tag, series) for tag, series in raw.tensors.items() if _readable(tag, series, problems)},
    )


def _readable(tag: str, series: RawSeries, problems: Problems) -> bool:
    if not _is_ours(tag):
        problems.add(tag, "no series of this plugin has such a name")
        return False
    version = values.content_version(series.content)
    if version is None or version < 1:
        problems.add(tag, "its metadata names no version, so something else wrote it or it is damaged")
        return False
    if version > tags.CONTENT_VERSION:
        warn_of_later_version(version)
        problems.add(tag, f"it is of version {version}; this package reads up to {tags.CONTENT_VERSION}. Update tb-featuremap-plugin")
        return False
    return True


@functools.cache
def warn_of_later_version(version: int) -> None:
    """Says once a process that something is left out."""
    _logger.warning("Series of a later version (%d) are left out; update tb-featuremap-plugin to see them", version)


def _is_ours(tag: str) -> bool:
    return tag in _PACKED or tag == tags.RUN_TAG or tag.startswith(_ROW_PREFIXES) or tags.parse_picture_tag(tag) is not None


def _ordered(tag: str, series: RawSeries, starts: RawSeries | None, problems: Problems) -> RawSeries:
    kept = surviving(series, None if tag == tags.START_TAG else starts)
    sane = [index for index in kept if abs(series.steps[index]) <= limits.MAX_STEP and np.isfinite(series.wall_times[index])]
    if len(sane) < len(kept):
        problems.add(tag, f"{len(kept) - len(sane)} points have a step beyond {limits.MAX_STEP} or no wall time")
    return RawSeries(
        series.content,
        [series.steps[index] for index in sane],
        [series.wall_times[index] for index in sane],
        None if series.values is None else [series.values[index] for index in sane],
    )


def _is_in_order(series: RawSeries, starts: RawSeries | None) -> bool:
    """Whether a series can stay as it is. False too where its wall times are so large that their sum is not finite."""
    if not series.steps:
        return True
    if max(abs(series.steps[0]), abs(series.steps[-1])) > limits.MAX_STEP or not math.isfinite(sum(series.wall_times)):
        return False
    return len(surviving(series, starts)) == len(series.steps)


def _table(raw: RawRun, tag: str, records: Sequence[_Record], problems: Problems) -> Table | None:
    columns = LAYER_COLUMNS if tag == tags.LAYERS_TAG else VARIABLE_COLUMNS
    packed = raw.tensors.get(tag)
    parts = [] if packed is None or packed.values is None else list(_packed_parts(tag, packed, columns, records, problems))
    parts.extend(tables.Part(row, raw.tensors[row], (name,), columns) for row, name in _single_rows(raw.tensors, tag))
    return tables.join(parts, columns, problems)


def _packed_parts(
    tag: str, packed: RawSeries, columns: Sequence[str], records: Sequence[_Record], problems: Problems
) -> Iterator[tables.Part]:
    """What each session wrote, with the rows as it named them; the latest first, whose order of the rows is the table's."""
    pieces = resumed_runs.split(packed, [until for until, _ in records if until is not None])
    for piece, (_, record) in reversed(list(zip(pieces, records, strict=True))):
        rows, stored_columns = _stored_names(tag, record)
        if rows and piece.steps:
            yield tables.Part(tag, piece, rows, stored_columns or columns)
        elif piece.steps:
            problems.add(tag, "no run record that could be read names its rows")


def _stored_names(tag: str, record: RunRecord | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if record is None:
        return (), ()
    if tag == tags.LAYERS_TAG:
        return record.layer_rows, record.layer_columns
    return record.variable_rows, record.variable_columns


def _single_rows(tensors: Iterable[str], tag: str) -> list[tuple[str, str]]:
    prefix = f"{tag}/"
    names = [(candidate, candidate[len(prefix) :]) for candidate in tensors if candidate.startswith(prefix)]
    return sorted(names, key=lambda item: natural_key(item[1]))


def _row_names(raw: RawRun, tag: str, record: RunRecord | None) -> tuple[str, ...]:
    packed = _stored_names(tag, record)[0] if tag in raw.tensors else ()
    return tuple(dict.fromkeys((*packed, *(name for _, name in _single_rows(raw.tensors, tag)))))


def _losses(raw: RawRun, problems: Problems) -> Points | None:
    packed = raw.tensors.get(tags.LOSSES_TAG)
    return None if packed is None or packed.values is None else tables.losses(packed, problems)


def _progress(raw: RawRun, record: RunRecord | None, problems: Problems) -> Table | None:
    packed = raw.tensors.get(tags.PROGRESS_TAG)
    if packed is None or packed.values is None:
        return None
    columns = (record.progress_columns if record else ()) or PROGRESS_COLUMNS
    table = tables.join([tables.Part(tags.PROGRESS_TAG, packed, ("run",), columns)], PROGRESS_COLUMNS, problems)
    return None if table is None else resumed_runs.added_up(table)


def _logged_steps(progress: Table | None) -> int | None:
    if progress is None or not len(progress.steps):
        return None
    logged = float(progress.column("run", "logged_steps")[-1])
    return int(logged) if np.isfinite(logged) else None


def _pictures(raw: RawRun, record: RunRecord | None, problems: Problems) -> list[PictureSeries]:
    found: dict[tuple[PictureKind, str], list[RawSeries]] = {}
    for tag, series in raw.blobs.items():
        parsed = tags.parse_picture_tag(tag)
        if parsed is not None and series.steps:
            kind, name, first = parsed
            copies = found.setdefault((kind, name), [])
            copies.insert(0 if first else len(copies), series)
    order = _picture_order(record)
    known: dict[tuple[int, ...], _Times] = {}
    return [_picture_series(kind, name, copies, known) for (kind, name), copies in sorted(found.items(), key=lambda item: order(*item[0]))]


_Times = tuple[Int64, Float64]


def _picture_series(kind: PictureKind, name: str, copies: Sequence[RawSeries], known: dict[tuple[int, ...], _Times]) -> PictureSeries:
    """One series of several, of which a later one's points count where two have the same step. `known` are the times of others."""
    shared = tuple(id(part) for copy in copies for part in (copy.steps, copy.wall_times))
    if shared not in known:
        known[shared] = _joined_times(copies)
    return PictureSeries(kind, name, *known[shared])


def _joined_times(copies: Sequence[RawSeries]) -> _Times:
    times: dict[int, float] = {}
    for copy in copies:
        times.update(zip(copy.steps, copy.wall_times, strict=True))
    steps = sorted(times)
    return np.array(steps, np.int64), np.array([times[step] for step in steps], np.float64)


def _picture_order(record: RunRecord | None) -> Callable[[PictureKind, str], tuple[object, ...]]:
    """Sort key of pictures: maps, then filters, then inputs, each in the order of the network's layers."""
    place: dict[str, int] = {}
    for layer in record.layers if record else ():
        for name in (layer.name, *layer.weights, *layer.state):
            place.setdefault(name, len(place))
    kinds = {kind: index for index, kind in enumerate(tags.PICTURE_KINDS)}
    return lambda kind, name: (kinds[kind], place.get(name, len(place)), natural_key(name), name)


def _all_steps(raw: RawRun, pictures: Iterable[PictureSeries]) -> Int64:
    steps: set[int] = set()
    for picture in pictures:
        steps.update(picture.steps.tolist())
    for tag, series in raw.tensors.items():
        if tag != tags.START_TAG and series.values is not None:
            steps.update(series.steps)
    return np.array(sorted(steps), np.int64)
