"""What stands for LOGDIR and for the file to write on the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tb_featuremap_plugin.reading.places import LocalFolder, Place, is_url, open_place
from tb_featuremap_plugin.reading.printable import printable

METAVAR = "LOGDIR"
HELP = "a folder of event files, a zip that `pack` made, or a URL such as s3://bucket/logs"


def logdir(text: str) -> str | Path:
    """A URL as it is, a path as a path."""
    return text if is_url(text) else Path(text)


def add_logdir(parser: argparse.ArgumentParser, *, sent: bool = False) -> None:
    """Adds the argument LOGDIR; where it is read to be sent to others, also whether links out of it are followed."""
    parser.add_argument("logdir", type=logdir, metavar=METAVAR, help=HELP)
    if sent:
        parser.add_argument(
            "--follow-links",
            action="store_true",
            help="also take runs that links of the logdir lead to outside of it (default: leave them out)",
        )


def place_to_send(arguments: argparse.Namespace) -> Place:
    """The logdir, without what its links lead to outside of it, unless that is asked for; what is left out is said.

    Raises:
        OSError: it cannot be read.
    """
    place = open_place(arguments.logdir, follow_links=arguments.follow_links)
    links = place.links_outside() if isinstance(place, LocalFolder) and not place.follow_links else []
    for link in links:
        print(printable(f"{link} leads out of {arguments.logdir} and is left out; --follow-links takes it along"), file=sys.stderr)
    return place


def output(text: str) -> Path:
    """The file to write.

    Raises:
        argparse.ArgumentTypeError: it is a URL.
    """
    if is_url(text):
        raise argparse.ArgumentTypeError(f"{text!r} is a URL; what is written goes to a file of this machine")
    return Path(text)
