"""The dashboard as one page that needs no server and no network: the same bundle, with the backend's answers inside."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from tb_featuremap_plugin._version import __version__
from tb_featuremap_plugin.series import Outline, PictureSeries, Source
from tb_featuremap_plugin.sharing.answers import answers, number_answers
from tb_featuremap_plugin.sharing.landmarks import landmarks
from tb_featuremap_plugin.sharing.plan import Plan, Weights, describe_steps, plan
from tb_featuremap_plugin.sharing.spread import Choice, choices, merged
from tb_featuremap_plugin.sharing.thinned import Shown, ThinnedSource

ANSWERS_ID = "featuremaps-answers"
STYLE_ID = "featuremaps-style"
"""Elements in which the bundle looks for its answers and its style: source.ts in the frontend."""

_STATIC = resources.files("tb_featuremap_plugin") / "static"
_MAIN = "index.js"

_BASE64 = 4 / 3

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<meta name="generator" content="tb-featuremap-plugin {version}">
<title>{title}</title>
<style id="{style_id}">{style}</style>
</head>
<body>
<script type="application/json" id="{answers_id}">{answers}</script>
<script type="importmap">{imports}</script>
<script type="module">{script}</script>
</body>
</html>
"""

_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src {digests} 'strict-dynamic'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)
"""The bundle may run, and what it imports; nothing else may, and nothing may be fetched: not even by a name that became markup."""


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


def export(source: Source, output: Path, *, runs: Sequence[str] = (), steps: Sequence[int] = (), max_bytes: int) -> Exported:
    """Writes the dashboard of `source` into one page.

    Args:
        source: where runs are read from.
        output: the page.
        runs: names or titles of runs; all where none is named.
        steps: the steps whose pictures are wanted; where a run has no picture at a step, the last before it. Where none is named, the
            first and the last step, the steps at which findings begin, and an even spread of as many between as fit.
        max_bytes: size that the page may have, as far as numbers alone, which are kept whole, do not take more.

    Raises:
        NothingToExportError: there is no such run, or no run at all.
    """
    outlines = _named(source.outlines(), runs)
    weights = {outline.name: _weigh(source, outline) for outline in outlines}
    if steps:
        chosen = plan(weights, _exactly(weights, steps), _UNBOUNDED)
    else:
        chosen = plan(weights, _spread(source, outlines, weights), _budget(source, outlines, max_bytes))
    shown = {outline.name: _shown(chosen, outline) for outline in outlines}
    page = _page(answers(ThinnedSource(source, shown)), _title(outlines))
    output.write_bytes(page)
    return Exported(len(page), {run: each.notes for run, each in shown.items()})


_UNBOUNDED = 2**63


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

    return Weights(sizes(maps), sizes(inputs))


def _exactly(weights: Mapping[str, Weights], steps: Sequence[int]) -> list[Choice]:
    return [Choice(0, run, step) for run, weight in weights.items() for step in sorted(_at_or_before(weight.pictures, steps))]


def _at_or_before(known: Iterable[int], asked: Iterable[int]) -> set[int]:
    ordered = sorted(known)
    return {ordered[index - 1] for step in asked if (index := bisect_right(ordered, step))}


def _spread(source: Source, outlines: Sequence[Outline], weights: Mapping[str, Weights]) -> list[Choice]:
    begins = landmarks(ThinnedSource(source, {outline.name: Shown(frozenset(), frozenset()) for outline in outlines}))
    return merged(choices(run, weight.pictures, begins.get(run, ())) for run, weight in weights.items())


def _budget(source: Source, outlines: Sequence[Outline], max_bytes: int) -> int:
    numbers = sum(len(answer) for outline in outlines for _, answer in number_answers(source, outline))
    return max(0, int(max_bytes - len(_bundle(_MAIN)) - _BASE64 * numbers))


def _shown(chosen: Plan, outline: Outline) -> Shown:
    kept = chosen.pictures[outline.name]
    known = {int(step) for series in outline.pictures if series.kind != "inputs" for step in series.steps}
    notes = []
    if len(kept) < len(known):
        which = describe_steps(sorted(kept)) or "none"
        notes.append(f"Exported with maps and filters of {len(kept)} of {len(known)} steps ({which}). Numbers are whole.")
    return Shown(kept, chosen.inputs[outline.name], notes)


def _title(outlines: Sequence[Outline]) -> str:
    return f"Feature maps: {', '.join(outline.title for outline in outlines)}"[:200]


def _page(found: Iterable[tuple[str, bytes]], title: str) -> bytes:
    encoded = {where: base64.b64encode(answer).decode("ascii") for where, answer in found}
    script, imports = _embeddable(_bundle(_MAIN), "script"), _import_map()
    page = _PAGE.format(
        policy=_POLICY.format(digests=" ".join(map(_digest, [imports, script]))),
        version=__version__,
        title=html.escape(title),
        style_id=STYLE_ID,
        style=_embeddable(_bundle("style.css"), "style"),
        answers_id=ANSWERS_ID,
        answers=json.dumps(encoded).replace("<", "\\u003c"),
        imports=imports,
        script=script,
    )
    return page.encode()


def _import_map() -> str:
    """Where the bundle finds what it imports only when it is needed: in the page, too."""
    modules = sorted(file.name for file in _STATIC.iterdir() if file.name.endswith(".js") and file.name != _MAIN)
    return json.dumps({"imports": {f"./{name}": _data_url(_bundle(name)) for name in modules}})


def _data_url(script: str) -> str:
    return f"data:text/javascript;base64,{base64.b64encode(script.encode()).decode('ascii')}"


def _digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')}'"


def _bundle(name: str) -> str:
    return (_STATIC / name).read_text("utf-8")


def _embeddable(text: str, element: str) -> str:
    if re.search(rf"</{element}|<!--|\r", text, re.IGNORECASE):
        raise AssertionError(f"the bundle cannot stand inside a <{element}> element")
    return text
