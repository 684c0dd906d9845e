"""Runs to the answers of docs/http_api.md: plain JSON values and frames. The same functions serve HTTP and the exported page.

Each takes a `series.Source`. What is not there is a `MissingError`, a bad argument an `ArgumentError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tb_featuremap_plugin._version import __version__
from tb_featuremap_plugin.comparing import REPORT_VERSION as COMPARISON_VERSION
from tb_featuremap_plugin.comparing import compare
from tb_featuremap_plugin.diagnosis import REPORT_VERSION, diagnose
from tb_featuremap_plugin.diagnosis.channel_health import conditions
from tb_featuremap_plugin.diagnosis.reference_ranges import healthy_ranges
from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.reading.run import Float32, MissingError, Outline, PictureSeries, Points, Problem, Run, Source, Table
from tb_featuremap_plugin.schema.answers import (
    CONDITIONS,
    TABLE_NAMES,
    ChannelsHeader,
    ComparisonAnswer,
    DiagnosisAnswer,
    ProblemAnswer,
    RunAnswer,
    RunDiagnosisAnswer,
    RunsAnswer,
    ScalarNamesAnswer,
    SeriesAnswer,
    TableHeader,
    TableName,
)
from tb_featuremap_plugin.schema.layer_kinds import kernels_of
from tb_featuremap_plugin.schema.tags import PICTURE_KINDS
from tb_featuremap_plugin.server import channel_statistics

API_VERSION = 1


class ArgumentError(ValueError):
    """An argument is none of those allowed."""


DamageOf = Callable[[str], Sequence[str]]
"""Run name to what of its files is damaged or cannot be read, in sentences."""

VersionOf = Callable[[str, PictureSeries], str]
"""Run name and series to what `/picture` takes as `v`."""


def runs(source: Source, version_of: VersionOf | None = None) -> RunsAnswer:
    """What there is: the answer of `/runs`."""
    return {
        "version": API_VERSION,
        "plugin_version": __version__,
        "runs": [_outline(outline, color, version_of) for color, outline in enumerate(source.outlines())],
    }


def diagnosis(source: Source, names: Sequence[str] = (), damage_of: DamageOf | None = None) -> DiagnosisAnswer:
    """Findings and verdicts of runs, of all if none is named, as `tb-featuremap diagnose --format json` prints them.

    Args:
        source: where runs are read from.
        names: of runs.
        damage_of: a run's name to what is damaged of its files, besides what the source noticed itself.
    """
    chosen = list(names) or [outline.name for outline in source.outlines()]
    found = [source.derive(name, _diagnose) for name in chosen]
    if damage_of is not None:
        found = [{**one, "damage": [*damage_of(one["run"]), *one["damage"]]} for one in found]
    return {"version": REPORT_VERSION, "healthy": healthy_ranges(), "runs": found}


def comparison(source: Source, a: str, b: str) -> ComparisonAnswer:
    """Where two runs part first, as `tb-featuremap compare --format json` prints it.

    Raises:
        MissingError: there is no such run.
    """
    return source.derive_pair(a, b, _compare)


def table(source: Source, name: str, which: str, columns: Sequence[str] = (), rows: Sequence[str] = ()) -> bytes:
    """A frame with the numbers of one table: [T, rows, columns].

    Args:
        source: where runs are read from.
        name: the run.
        which: one of `TABLE_NAMES`.
        columns, rows: which to give; all where none is named.

    Raises:
        MissingError: there is no such run, row or column.
        ArgumentError: there is no such table.
    """
    if which not in TABLE_NAMES:
        raise ArgumentError(f"table is {which!r}; allowed are {list(TABLE_NAMES)}")
    run = source.run(name)
    found: Table | None = getattr(run, which)
    if found is None:
        _check_names("row", rows, ())
        return _frame(_table_header(run, which, [], columns), [], [], np.empty((0, 0, len(columns)), np.float32))
    chosen_rows = _check_names("row", rows, found.rows)
    chosen_columns = _check_names("column", columns, found.columns)
    values = _select(found, chosen_rows, chosen_columns)
    return _frame(_table_header(run, which, chosen_rows, chosen_columns), found.steps, found.wall_times, values)


def _table_header(run: Run, which: TableName, rows: Sequence[str], columns: Sequence[str]) -> TableHeader:
    problems = _problems(run.problems)
    return {"kind": "table", "run": run.name, "table": which, "rows": list(rows), "columns": list(columns), "problems": problems}


def losses(source: Source, name: str) -> bytes:
    """A frame with the loss of each step."""
    return _points({"run": name}, source.run(name).losses)


def scalar_names(source: Source, name: str) -> ScalarNamesAnswer:
    """Names of the ordinary scalar series of a run and of its siblings."""
    return {"version": API_VERSION, "run": name, "scalars": {run: list(tags) for run, tags in source.scalar_names(name).items()}}


def scalars(source: Source, name: str, of: str, tag: str) -> bytes:
    """A frame with one scalar series of a run or of a sibling of it."""
    if tag not in source.scalar_names(name).get(of, ()):
        raise MissingError(f"run {of!r}, beside run {name!r}, has no scalar {tag!r}")
    return _points({"run": name, "of": of, "tag": tag}, source.scalar(of, tag))


def picture(source: Source, name: str, kind: str, picture_name: str, step: int) -> bytes:
    """The stored record of a picture, byte for byte."""
    _check_kind(kind)
    return source.picture(name, kind, picture_name, step)


def channels(source: Source, name: str, kind: str, picture_name: str) -> bytes:
    """A frame with per-channel statistics of a series of pictures: [T, statistics, channels].

    Damaged pictures are left out. Of a series that holds more than `MAX_CHANNELS_CELLS` numbers, every second picture is read, or every
    third, and so on; the last one always.
    """
    _check_kind(kind)
    kept = channel_statistics.read(source, name, kind, picture_name, _picture_steps(source, name, kind, picture_name))
    activation = _activation(source.outline(name), picture_name, kept.activation)
    header: ChannelsHeader = {"kind": "channels", "run": name, "name": picture_name, "stats": kept.names, "conditions": CONDITIONS}
    sections: dict[str, np.ndarray[Any, Any]] = {
        "steps": np.array(kept.steps, np.float64),
        "values": kept.values,
        "conditions": conditions(kept.names, kept.values, activation),
    }
    return record.encode(header, sections)


def _outline(outline: Outline, color: int, version_of: VersionOf | None) -> RunAnswer:
    layers_of = _layers_of_variables(outline)
    return {
        "run": outline.name,
        "title": outline.title,
        "color": color,
        "record": outline.record.to_dict() if outline.record else None,
        "kernels": kernels_of(outline.record) if outline.record else {},
        "steps": outline.steps.tolist(),
        "logged_steps": outline.logged_steps,
        "pictures": [
            _picture(picture, layers_of, version_of(outline.name, picture) if version_of else None) for picture in outline.pictures
        ],
        "layer_rows": list(outline.layer_rows),
        "variable_rows": list(outline.variable_rows),
        "problems": _problems(outline.problems),
    }


def _layers_of_variables(outline: Outline) -> dict[str, str]:
    layers = outline.record.layers if outline.record else ()
    return {name: layer.name for layer in reversed(layers) for name in (*layer.weights, *layer.state)}


def _picture(picture: PictureSeries, layers_of: Mapping[str, str], version: str | None) -> SeriesAnswer:
    layer = picture.name if picture.kind == "maps" else layers_of.get(picture.name)
    return {"kind": picture.kind, "name": picture.name, "layer": layer, "steps": picture.steps.tolist(), "version": version}


def _activation(outline: Outline, layer: str, said: str | None) -> str | None:
    """As the run record says, or else the latest picture."""
    layers = outline.record.layers if outline.record else ()
    return next((known.function for known in layers if known.name == layer), said)


def _problems(problems: Sequence[Problem]) -> list[ProblemAnswer]:
    return [{"tag": problem.tag, "message": problem.message} for problem in problems]


def _diagnose(run: Run) -> RunDiagnosisAnswer:
    return diagnose(run).to_dict()


def _compare(a: Run, b: Run, pictures: Source) -> ComparisonAnswer:
    return {"version": COMPARISON_VERSION, **compare(a, b, pictures, pictures).to_dict()}


def _check_names(what: str, asked: Sequence[str], known: Sequence[str]) -> Sequence[str]:
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise MissingError(f"the table has no {what} {unknown[0]!r}")
    return asked or known


def _check_kind(kind: str) -> None:
    if kind not in PICTURE_KINDS:
        raise ArgumentError(f"kind is {kind!r}; allowed are {list(PICTURE_KINDS)}")


def _select(found: Table, rows: Sequence[str], columns: Sequence[str]) -> Float32:
    values = found.values
    if rows is not found.rows:
        values = values[:, [found.rows.index(row) for row in rows]]
    if columns is not found.columns:
        values = values[:, :, [found.columns.index(column) for column in columns]]
    return values


def _frame(header: Mapping[str, Any], steps: Any, wall_times: Any, values: Float32) -> bytes:
    return record.encode(
        header, {"steps": np.asarray(steps, np.float64), "wall_times": np.asarray(wall_times, np.float64), "values": values}
    )


def _points(header: Mapping[str, Any], points: Points | None) -> bytes:
    steps = points.steps.astype(np.float64) if points else np.empty(0, np.float64)
    return record.encode({"kind": "points", **header}, {"steps": steps, "values": points.values if points else np.empty(0, np.float32)})


def _picture_steps(source: Source, name: str, kind: str, picture_name: str) -> list[int]:
    for series in source.outline(name).pictures:
        if (series.kind, series.name) == (kind, picture_name):
            return [int(step) for step in series.steps]
    raise MissingError(f"run {name!r} has no pictures of kind {kind!r} named {picture_name!r}")
