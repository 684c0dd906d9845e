"""`tb-featuremap pack LOGDIR -o small.zip`: a logdir small enough to send."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tb_featuremap_plugin.cli.logdirs import add_logdir, output, place_to_send
from tb_featuremap_plugin.cli.sizes import megabytes, print_notes, reason, summary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tb_featuremap_plugin.reading.places import Place


def add_parser(subparsers: Any) -> None:
    """Adds the command's arguments."""
    parser = subparsers.add_parser(
        "pack",
        help="thin a logdir into a zip that is small enough to send",
        description="Writes a logdir into a zip of a bounded size. Numbers are kept whole; of maps and filters, the first and the last "
        "step, the steps where findings begin, and an even spread between. What was left out is said in the runs and in PACKED.txt.",
    )
    add_logdir(parser, sent=True)
    parser.add_argument("-o", "--output", type=output, required=True, metavar="ZIP", help="the file to write")
    parser.add_argument("--max-mb", type=megabytes, default=megabytes("25"), metavar="MB", help="size of the zip at most (default: 25)")
    parser.add_argument(
        "--private", action="store_true", help="leave out the probe's inputs and targets, and what other plugins drew, which may show them"
    )


def run(arguments: argparse.Namespace) -> int:
    """Packs; the exit status is 0."""
    from tb_featuremap_plugin.cli.main import UsageError
    from tb_featuremap_plugin.export.pack import TooSmallError, pack

    try:
        logdir = place_to_send(arguments)
        packed = pack(logdir, arguments.output, arguments.max_mb, _key_steps(logdir), private=arguments.private)
    except (OSError, TooSmallError) as error:
        raise UsageError(reason(error, arguments.logdir)) from error
    print(summary(arguments.output, packed.size, len(packed.notes)))
    print_notes(packed.notes)
    return 0


def _key_steps(logdir: Place) -> Mapping[str, Sequence[int]]:
    from tb_featuremap_plugin.export.key_steps import key_steps
    from tb_featuremap_plugin.reading.events import EventSource

    return key_steps(EventSource(logdir))
