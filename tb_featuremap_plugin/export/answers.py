"""The backend's answers under the addresses at which the dashboard asks for them: what an exported page holds in place of a server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from tb_featuremap_plugin.reading.run import Outline, Source
from tb_featuremap_plugin.schema.answers import TABLE_NAMES
from tb_featuremap_plugin.server import api

_UNRESERVED = "-_.!~*'()"
"""What JavaScript's encodeURIComponent leaves as it is, besides letters and digits."""


def address(route: str, **parameters: str | int) -> str:
    """The address of an answer, as the frontend's `address` in source.ts builds it."""
    query = "&".join(f"{name}={quote(str(value), safe=_UNRESERVED, errors='replace')}" for name, value in parameters.items())
    return f"{route}?{query}" if query else route


def answers(source: Source) -> Iterator[tuple[str, bytes]]:
    """Every answer that the dashboard can ask for: tables whole, one diagnosis of all runs."""
    yield "runs", _json(api.runs(source))
    yield "diagnosis", _json(api.diagnosis(source))
    for outline in source.outlines():
        yield from _number_answers(source, outline)
        yield from _picture_answers(source, outline)


def _number_answers(source: Source, outline: Outline) -> Iterator[tuple[str, bytes]]:
    """Answers with the numbers of a run."""
    run = outline.name
    for table in TABLE_NAMES:
        yield address("table", run=run, table=table), api.table(source, run, table)
    yield address("losses", run=run), api.losses(source, run)
    names = api.scalar_names(source, run)
    yield address("scalars", run=run), _json(names)
    for of, tags in names["scalars"].items():
        for tag in tags:
            yield address("scalars", run=run, tag=tag, of=of), api.scalars(source, run, of, tag)


def _picture_answers(source: Source, outline: Outline) -> Iterator[tuple[str, bytes]]:
    run = outline.name
    for series in outline.pictures:
        yield address("channels", run=run, kind=series.kind, name=series.name), api.channels(source, run, series.kind, series.name)
        for step in series.steps.tolist():
            blob = api.picture(source, run, series.kind, series.name, step)
            yield address("picture", run=run, kind=series.kind, name=series.name, step=step), blob


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
