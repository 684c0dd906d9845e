"""What `pack` and `export` have in common on the command line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence

from tb_featuremap_plugin.printable import printable

_MEGABYTE = 1_000_000


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
    return int(number * _MEGABYTE)


def print_notes(notes: Mapping[str, Sequence[str]]) -> None:
    """Says of each run what was left out."""
    for run, said in notes.items():
        for note in said or ["complete"]:
            print(printable(f"  {run}: {note}"))
