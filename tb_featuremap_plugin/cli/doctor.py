"""`tb-featuremap doctor LOGDIR`: why the tab is empty or thin."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tb_featuremap_plugin.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tb_featuremap_plugin.cli.prose import Paper
    from tb_featuremap_plugin.doctor import Checkup, Remark, RunCheckup

_MARKS = {"ok": "ok", "note": "note", "warning": "WARNING", "error": "ERROR"}
_COLOURS = {"ok": "32", "note": "34", "warning": "33", "error": "31"}
_INDENT = " " * 10


def add_parser(subparsers: Any) -> None:
    """Adds the command's arguments."""
    parser = subparsers.add_parser(
        "doctor",
        help="say why the tab is empty or thin",
        description="Says what a logdir holds, what of it was dropped, sampled away, damaged or newer, and what to do.",
    )
    parser.add_argument("logdir", type=Path, metavar="LOGDIR")


def run(arguments: argparse.Namespace) -> int:
    """Prints a checkup; the exit status is 0."""
    from tb_featuremap_plugin.cli.main import UsageError
    from tb_featuremap_plugin.cli.prose import Paper
    from tb_featuremap_plugin.doctor import check_up

    try:
        checkup = check_up(arguments.logdir)
    except OSError as error:
        raise UsageError(f"{arguments.logdir} cannot be read: {error.strerror or error}") from error
    print("\n".join(_lines(checkup, arguments.logdir, Paper.of_terminal())))
    return 0


def _lines(checkup: Checkup, logdir: Path, paper: Paper) -> Iterator[str]:
    yield from _section("This installation", checkup.installation, paper)
    ours = sum(run.is_ours for run in checkup.runs)
    yield f"\n{logdir}: {len(checkup.runs)} runs, {ours} of them with something for this tab"
    yield from _remarks(checkup.logdir, paper)
    for run in checkup.runs:
        yield from _run(run, paper)


def _run(run: RunCheckup, paper: Paper) -> Iterator[str]:
    folder = f" (folder {printable(run.name)})" if run.name != run.title else ""
    yield f"\n{paper.paint(f'Run {run.title}', '1')}{folder}"
    if run.summary:
        yield paper.wrap(f"It has {run.summary}.", "  ", "  ")
    yield from _remarks(run.remarks, paper)


def _section(title: str, found: tuple[Remark, ...], paper: Paper) -> Iterator[str]:
    yield paper.paint(title, "1")
    yield from _remarks(found, paper)


def _remarks(found: tuple[Remark, ...], paper: Paper) -> Iterator[str]:
    for remark in found:
        mark = paper.paint(f"{_MARKS[remark.severity]:8}", _COLOURS[remark.severity])
        yield f"  {mark}{paper.wrap(remark.seen).lstrip()}"
        if remark.advice:
            yield paper.wrap(f"Try: {remark.advice}", rest=_INDENT + "     ")
