"""`tb-featuremap diagnose LOGDIR`: findings and verdicts, for people and for scripts."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from tb_featuremap_plugin.cli.logdirs import add_logdir
from tb_featuremap_plugin.reading.printable import printable
from tb_featuremap_plugin.schema.answers import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tb_featuremap_plugin.diagnosis import Diagnosis
    from tb_featuremap_plugin.reading.run import Run


def add_parser(subparsers: Any) -> None:
    """Adds the command's arguments."""
    parser = subparsers.add_parser(
        "diagnose",
        help="say what is wrong with the runs of a logdir, where, since when, and what to try",
        description="Prints the findings and verdicts that the tab shows. Exit status: 0; with --fail-on, 1 if something at or above that "
        "severity was found; 2 if the logdir cannot be read.",
    )
    add_logdir(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text to read, or one JSON object (default: text)")
    parser.add_argument(
        "--fail-on", choices=SEVERITIES, metavar="SEVERITY", help=f"exit with 1 from this severity on: {', '.join(SEVERITIES)}"
    )


def run(arguments: argparse.Namespace) -> int:
    """Diagnoses all runs of a logdir; the exit status is 0, 1 or, where the logdir cannot be read, 2."""
    from tb_featuremap_plugin.cli.main import UsageError
    from tb_featuremap_plugin.reading.parallel import map_runs

    try:
        found = map_runs(arguments.logdir, _diagnosed)
    except OSError as error:
        raise UsageError(f"{arguments.logdir} cannot be read: {error.strerror or error}") from error
    _warn(arguments.logdir, [problem for problems, _ in found for problem in problems], empty=not found)
    diagnoses = [diagnosis for _, diagnosis in found]
    (_print_json if arguments.format == "json" else _print_text)(diagnoses)
    severities = [SEVERITIES.index(finding.severity) for diagnosis in diagnoses for finding in diagnosis.findings]
    return int(arguments.fail_on is not None and max(severities, default=-1) >= SEVERITIES.index(arguments.fail_on))


def _diagnosed(run: Run) -> tuple[list[str], Diagnosis]:
    """What could not be read, in sentences, and what is to be said of the rest."""
    from tb_featuremap_plugin.diagnosis import diagnose

    return [f"run {run.title}: {problem.tag}: {problem.message}" for problem in run.problems], diagnose(run)


def _warn(logdir: str | Path, problems: Sequence[str], *, empty: bool) -> None:
    if empty:
        print(f"No run in {logdir} holds anything to diagnose; `tb-featuremap doctor {logdir}` says why.", file=sys.stderr)
    for problem in problems:
        print(printable(f"warning: {problem}"), file=sys.stderr)


def _print_json(diagnoses: Sequence[Diagnosis]) -> None:
    from tb_featuremap_plugin.diagnosis import report

    print(json.dumps({**report(()), "runs": [diagnosis.to_dict() for diagnosis in diagnoses]}, allow_nan=False, indent=1))


def _print_text(diagnoses: Sequence[Diagnosis]) -> None:
    from tb_featuremap_plugin.cli.terminal import Terminal, write_diagnosis

    terminal = Terminal.of_terminal()
    print("\n\n".join(write_diagnosis(diagnosis, terminal) for diagnosis in diagnoses))
