"""`tb-featuremap compare A B`: where two runs part first, for people and for scripts."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tb_featuremap_plugin.cli.logdirs import logdir
from tb_featuremap_plugin.reading.printable import printable

if TYPE_CHECKING:
    from tb_featuremap_plugin.comparing import Comparison
    from tb_featuremap_plugin.reading.events import EventSource

_MOST_ROWS = 12


def add_parser(subparsers: Any) -> None:
    """Adds the command's arguments."""
    parser = subparsers.add_parser(
        "compare",
        help="say at which step, in which layer and in which channel two runs part first",
        description="A and B are logdirs of one run each, or LOGDIR:RUN, with the name of the run as the tab shows it. Exit status: 0 if "
        "the runs are the same within float noise, 1 if they are not, 2 if one cannot be read or they cannot be compared.",
    )
    parser.add_argument("a", metavar="A", help="a logdir (a folder, a zip or a URL), or FOLDER:RUN")
    parser.add_argument("b", metavar="B", help="a logdir (a folder, a zip or a URL), or FOLDER:RUN")
    parser.add_argument("--run-a", metavar="RUN", help="the run of A, where A holds several")
    parser.add_argument("--run-b", metavar="RUN", help="the run of B, where B holds several")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text to read, or one JSON object (default: text)")


def run(arguments: argparse.Namespace) -> int:
    """Compares two runs; the exit status is 0, 1 or, where that cannot be done, 2."""
    from tb_featuremap_plugin.comparing import REPORT_VERSION, compare

    source_a, name_a = _open(arguments.a, arguments.run_a, "--run-a")
    source_b, name_b = _open(arguments.b, arguments.run_b, "--run-b")
    runs = source_a.run(name_a), source_b.run(name_b)
    for problem in (problem for one in runs for problem in one.problems):
        print(printable(f"warning: {problem.tag}: {problem.message}"), file=sys.stderr)
    found = compare(*runs, source_a, source_b)
    if arguments.format == "json":
        print(json.dumps({"version": REPORT_VERSION, **found.to_dict()}, allow_nan=False, indent=1))
    else:
        print(_text(found, arguments.a, arguments.b))
    return 2 if found.is_refused else int(not found.same)


def _open(given: str, wanted: str | None, option: str) -> tuple[EventSource, str]:
    """A logdir, and the name of the run in it that is meant."""
    from tb_featuremap_plugin.cli.main import UsageError
    from tb_featuremap_plugin.reading.events import EventSource

    place = logdir(given)
    if isinstance(place, Path) and not place.exists() and ":" in given:
        place, named = _folder_and_run(given)
        wanted = wanted or named
    try:
        source = EventSource(place)
        titles = {outline.name: outline.title for outline in source.outlines()}
    except OSError as error:
        raise UsageError(f"{place} cannot be read: {error.strerror or error}") from error
    chosen = [name for name, title in titles.items() if wanted in (None, name, title)]
    if len(chosen) == 1:
        return source, chosen[0]
    if not titles:
        raise UsageError(f"no run in {place} holds anything to compare; `tb-featuremap doctor {place}` says why")
    shown = ", ".join(sorted(titles.values()))
    if not chosen:
        raise UsageError(f"there is no run {wanted!r} in {place}; there are: {shown}")
    raise UsageError(f"{place} holds several runs; say which with {option} or as {place}:RUN: {shown}")


def _folder_and_run(given: str) -> tuple[Path, str]:
    """LOGDIR:RUN taken apart at the last colon before which something is there; both may have colons in their names."""
    parts = given.split(":")
    splits = [(Path(":".join(parts[:place])), ":".join(parts[place:])) for place in range(len(parts) - 1, 0, -1)]
    return next((split for split in splits if split[0].exists()), splits[0])


def _text(found: Comparison, a: str, b: str) -> str:
    from tb_featuremap_plugin.cli.terminal import Terminal
    from tb_featuremap_plugin.comparing import HEADS

    terminal = Terminal.of_terminal()
    head = terminal.paint(found.kind, "1")
    names = [terminal.wrap(f"{letter}: {given} ({title})", "", "   ") for letter, given, title in (("a", a, found.a), ("b", b, found.b))]
    parts = [*names, f"\n{head}", terminal.wrap(found.message, "", ""), *(terminal.wrap(note, "", "") for note in found.notes)]
    rows = [row.cells() for row in found.rows[:_MOST_ROWS]]
    if rows:
        widths = [max(len(line[place]) for line in [HEADS, *rows]) for place in range(len(HEADS))]
        parts.append("")
        parts += [
            printable("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()) for line in [HEADS, *rows]
        ]
    if len(found.rows) > _MOST_ROWS:
        parts.append(f"... and {len(found.rows) - _MOST_ROWS} more; --format json has them all")
    return "\n".join(parts)
