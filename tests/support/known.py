"""What of a run may be missing, and must not be here: its tables, its losses, its record, or any other value."""

from __future__ import annotations

import re
from typing import TypeVar

from tb_featuremap_plugin.reading.run import Points, Run, Table
from tb_featuremap_plugin.schema.network import RunRecord

T = TypeVar("T")

PARTS = ("record", "layers", "variables", "losses", "progress")


def known(value: T | None, what: str) -> T:
    """The value; where there is none, the test fails and says what is missing."""
    assert value is not None, f"there is no {what}"
    return value


def match_in(text: str, pattern: str) -> re.Match[str]:
    """Where a regular expression first fits in a text; it must."""
    return known(re.search(pattern, text), f"{pattern!r} in {text!r}")


def layers_of(run: Run) -> Table:
    """The table of its layers."""
    return known(run.layers, _part(run, "layers"))


def variables_of(run: Run) -> Table:
    """The table of its variables."""
    return known(run.variables, _part(run, "variables"))


def progress_of(run: Run) -> Table:
    """The table of the run as a whole."""
    return known(run.progress, _part(run, "progress"))


def losses_of(run: Run) -> Points:
    """The loss of each step."""
    return known(run.losses, _part(run, "losses"))


def record_of(run: Run) -> RunRecord:
    """Its record."""
    return known(run.record, _part(run, "record"))


def _part(run: Run, name: str) -> str:
    there = ", ".join(part for part in PARTS if getattr(run, part) is not None)
    return f"{name} in run {run.name!r}, which has {there or 'none of what a run may have'}"
