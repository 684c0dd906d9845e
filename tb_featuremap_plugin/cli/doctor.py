"""`tb-featuremap doctor LOGDIR`: why the tab is empty or thin."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tb_featuremap_plugin.cli.logdirs import add_logdir
from tb_featuremap_plugin.reading.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tb_featuremap_plugin.cli.terminal import Terminal
    from tb_featuremap_plugin.doctor import Checkup, Remark, RunCheckup

_INDENT = " " * 10


def add_parser(subparsers: Any) -> None:
    """Adds the command's arguments."""
    parser = subparsers.add_parser(
        "doctor",
        help="say why the tab is empty or thin",
        description="Says what a logdir holds, what of it was dropped, sampled away, damaged or newer, and what to do.",
    )
    add_logdir(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints a checkup; the exit status is 0."""
    from tb_featuremap_plugin.cli.main import UsageError
    from tb_featuremap_plugin.cli.terminal import Terminal
    from tb_featuremap_plugin.doctor import check_up

    try:
        checkup = check_up(arguments.logdir)
    except OSError as error:
        raise UsageError(f"{arguments.logdir} cannot be read: {error.strerror or error}") from error
    print("\n".join(_lines(checkup, arguments.logdir, Terminal.of_terminal())))
    return 0


def _lines(checkup: Checkup, logdir: str | Path, terminal: Terminal) -> Iterator[str]:
    yield from _section("This installation", checkup.installation, terminal)
    ours = sum(run.is_ours for run in checkup.runs)
    yield f"\n{logdir}: {len(checkup.runs)} runs, {ours} of them with something for this tab"
    yield from _remarks(checkup.logdir, terminal)
    for run in checkup.runs:
        yield from _run(run, terminal)


def _run(run: RunCheckup, terminal: Terminal) -> Iterator[str]:
    folder = f" (folder {printable(run.name)})" if run.name != run.title else ""
    yield f"\n{terminal.paint(f'Run {run.title}', '1')}{folder}"
    if run.summary:
        yield terminal.wrap(f"It has {run.summary}.", "  ", "  ")
    yield from _remarks(run.remarks, terminal)


def _section(title: str, found: tuple[Remark, ...], terminal: Terminal) -> Iterator[str]:
    yield terminal.paint(title, "1")
    yield from _remarks(found, terminal)


def _remarks(found: tuple[Remark, ...], terminal: Terminal) -> Iterator[str]:
    for remark in found:
        yield f"  {terminal.mark(remark.severity)}{terminal.wrap(remark.seen).lstrip()}"
        if remark.advice:
            yield terminal.wrap(f"Try: {remark.advice}", rest=_INDENT + "     ")
