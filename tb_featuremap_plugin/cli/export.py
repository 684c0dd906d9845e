"""`tb-featuremap export LOGDIR -o report.html`: the dashboard as one page."""

from __future__ import annotations

import argparse
from typing import Any

from tb_featuremap_plugin.cli.logdirs import add_logdir, output, place_to_send
from tb_featuremap_plugin.cli.sizes import megabytes, print_notes, reason, summary


def add_parser(subparsers: Any) -> None:
    """Adds the command's arguments."""
    parser = subparsers.add_parser(
        "export",
        help="write the dashboard into one page that opens without a server",
        description="Writes the dashboard into one self-contained page, which opens from disk with no server and no network. "
        "Numbers are kept whole; pictures are those of the steps asked for, or of an even spread of as many as fit.",
    )
    add_logdir(parser, sent=True)
    parser.add_argument("-o", "--output", type=output, required=True, metavar="HTML", help="the file to write")
    parser.add_argument("--run", action="append", default=[], help="only this run; may be repeated (default: all)")
    parser.add_argument("--step", type=int, action="append", default=[], help="only pictures of this step; may be repeated")
    parser.add_argument("--max-mb", type=megabytes, default=megabytes("25"), metavar="MB", help="size to fill with steps (default: 25)")


def run(arguments: argparse.Namespace) -> int:
    """Exports; the exit status is 0."""
    from tb_featuremap_plugin.cli.main import UsageError
    from tb_featuremap_plugin.export.report import NothingToExportError, export
    from tb_featuremap_plugin.reading.events import EventSource

    try:
        source = EventSource(place_to_send(arguments))
        exported = export(source, arguments.output, runs=arguments.run, steps=arguments.step, max_bytes=arguments.max_mb)
    except (OSError, NothingToExportError) as error:
        raise UsageError(reason(error, arguments.logdir)) from error
    print(summary(arguments.output, exported.size, len(exported.notes)))
    print_notes(exported.notes)
    return 0
