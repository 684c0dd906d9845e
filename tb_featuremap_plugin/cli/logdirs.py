"""What stands for LOGDIR and for the file to write on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from tb_featuremap_plugin.reading.places import is_url

METAVAR = "LOGDIR"
HELP = "a folder of event files, a zip that `pack` made, or a URL such as s3://bucket/logs"


def logdir(text: str) -> str | Path:
    """A URL as it is, a path as a path."""
    return text if is_url(text) else Path(text)


def add_logdir(parser: argparse.ArgumentParser) -> None:
    """Adds the argument LOGDIR."""
    parser.add_argument("logdir", type=logdir, metavar=METAVAR, help=HELP)


def output(text: str) -> Path:
    """The file to write.

    Raises:
        argparse.ArgumentTypeError: it is a URL.
    """
    if is_url(text):
        raise argparse.ArgumentTypeError(f"{text!r} is a URL; what is written goes to a file of this machine")
    return Path(text)
