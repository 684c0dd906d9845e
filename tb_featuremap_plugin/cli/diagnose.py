"""`tb-featuremap diagnose LOGDIR`: findings and verdicts, for people and for scripts."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tb_featuremap_plugin.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tb_featuremap_plugin.series import Run

_SEVERITIES = ("info", "warning", "error")


def add_parser(subparsers: Any) -> None:
    """Adds the command's arguments."""
    parser = subparsers.add_parser(
        "diagnose",
        help="say what is wrong with the runs of a logdir, where, since when, and what to try",
        description="Prints the findings and verdicts that the tab shows. Exit status: 0; with --fail-on, 1 if something at or above that "
        "severity was found; 2 if the logdir cannot be read.",
    )
    parser.add_argument("logdir", type=Path, metavar="LOGDIR")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text to read, or one JSON object (default: text)")
    parser.add_argument(
        "--fail-on", choices=_SEVERITIES, metavar="SEVERITY", help="exit with 1 from this severity on: info, warning or error"
    )


def run(arguments: argparse.Namespace) -> int:
    """Diagnoses all runs of a logdir; the exit status is 0, 1 or, where the logdir cannot be read, 2."""
    from tb_featuremap_plugin.cli.main import UsageError
    from tb_featuremap_plugin.reading.events import EventSource

    try:
        runs = EventSource(arguments.logdir).runs()
    except OSError as error:
        raise UsageError(f"{arguments.logdir} cannot be read: {error.strerror or error}") from error
    _warn(arguments.logdir, runs)
    severities = _print_json(runs) if arguments.format == "json" else _print_text(runs)
    return int(
        arguments.fail_on is not None and any(_SEVERITIES.index(found) >= _SEVERITIES.index(arguments.fail_on) for found in severities)
    )


def _warn(logdir: Path, runs: Sequence[Run]) -> None:
    if not runs:
        print(f"No run in {logdir} holds anything to diagnose; `tb-featuremap doctor {logdir}` says why.", file=sys.stderr)
    for one in runs:
        for problem in one.problems:
            print(printable(f"warning: run {one.title}: {problem.tag}: {problem.message}"), file=sys.stderr)


def _print_json(runs: Sequence[Run]) -> list[str]:
    from tb_featuremap_plugin.diagnosis import report

    answer = report(runs)
    print(json.dumps(answer, allow_nan=False, indent=1))
    return [finding["severity"] for one in answer["runs"] for finding in one["findings"]]


def _print_text(runs: Sequence[Run]) -> list[str]:
    from tb_featuremap_plugin.cli.prose import Paper, write_diagnosis
    from tb_featuremap_plugin.diagnosis import diagnose

    paper = Paper.of_terminal()
    diagnoses = [diagnose(one) for one in runs]
    print("\n\n".join(write_diagnosis(diagnosis, paper) for diagnosis in diagnoses))
    return [finding.severity for diagnosis in diagnoses for finding in diagnosis.findings]
