"""What `pack` and `export` have in common on the command line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tb_featuremap_plugin.reading.printable import printable

MEGABYTE = 1_000_000
"""Bytes in the megabyte of mail servers and file managers, the smaller of the two in use."""


def megabytes(text: str) -> int:
    """Bytes, from a number of megabytes on the command line.

    Raises:
        argparse.ArgumentTypeError: it is no number above 0.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(number * MEGABYTE)


def reason(error: Exception, logdir: str | Path) -> str:
    """Why a command cannot be carried out, in a line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or logdir}: {error.strerror}"
    return str(error)


def summary(output: Path, size: int, runs: int) -> str:
    """What was written, in a line."""
    return printable(f"{output}: {size / MEGABYTE:.1f} MB, {runs} run{'s' * (runs != 1)}")


def print_notes(notes: Mapping[str, Sequence[str]]) -> None:
    """Says of each run what was left out."""
    for run, said in notes.items():
        for note in said or ["complete"]:
            print(printable(f"  {run}: {note}"))
