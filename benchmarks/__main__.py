"""Measures every comparison, or those named on the command line, and prints the tables; `--write` puts them into docs/performance.md."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

MODULES = ("maps", "weights", "kernels", "tiny", "growth", "writing", "callback", "reading", "numbers", "loading", "opening", "browser")
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"

_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
}


def main() -> int:
    """Runs the chosen comparisons; returns 0 whether goals are met or not: a timing is not a test."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("modules", nargs="*", default=list(MODULES), choices=[*MODULES, []], metavar="module", help=", ".join(MODULES))
    parser.add_argument("--rounds", type=int, default=None, help="rounds of every comparison (default 7)")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    arguments = parser.parse_args()
    _single_threaded()
    text = _measure(arguments.modules, arguments.rounds)
    print(text)
    if arguments.write:
        importlib.import_module("benchmarks.report").write_between_marks(PAGE, text)
    return 0


def _single_threaded() -> None:
    """Libraries read these when they load, so the process starts again with them set."""
    if any(os.environ.get(name) != value for name, value in _ONE_THREAD.items()):
        os.environ.update(_ONE_THREAD)
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]])


def _measure(modules: list[str], rounds: int | None) -> str:
    import dataclasses

    from benchmarks import report  # looks first how busy the machine is
    from benchmarks.harness import measure

    measured = []
    for name in modules:
        for comparison in importlib.import_module(f"benchmarks.{name}").comparisons():
            chosen = dataclasses.replace(comparison, rounds=_rounds(comparison.rounds, rounds))
            print(f"measuring: {chosen.title}", file=sys.stderr, flush=True)
            measured.append((chosen, measure(chosen)))
    return report.markdown(measured)


def _rounds(own: int, wanted: int | None) -> int:
    """Comparisons that ask for fewer rounds than usual take minutes, and get no more than they ask for."""
    from benchmarks.harness import ROUNDS

    if wanted is None:
        return own
    return wanted if own >= ROUNDS else min(own, wanted)


if __name__ == "__main__":
    sys.exit(main())
