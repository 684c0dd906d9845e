"""Trains the programs that have no folder yet, and counts at each time of looking how often the diagnosis is right."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
import time
import traceback
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.programs.looks import LOOKS
from benchmarks.programs.program import PROGRAMS, Program
from tb_featuremap_plugin.diagnosis import Diagnosis, Finding, diagnose
from tb_featuremap_plugin.reading.events import EventSource

MODULES = (
    "torch_vision", "torch_text", "torch_others", "torch_gans", "torch_examples", "torch_tutorials", "torch_networks", "torch_held_out",
    "keras_examples", "keras_tutorials", "jax_examples", "torch_faults", "torch_mistakes", "keras_mistakes", "jax_mistakes",
)  # fmt: skip
GOALS = {"false alarms": 0.02, "found": 0.9, "right headline": 0.85, "right place": 0.8}


def main() -> int:
    """Prints a line for each program and look that went wrong, and a table; returns 1 if a goal was missed at the end of training."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.programs", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the runs are kept")
    parser.add_argument("names", nargs="*", help="parts of names; all programs if none is given")
    parser.add_argument("--again", action="store_true", help="train also what has a folder")
    parser.add_argument("--no-training", action="store_true", help="judge what is there")
    parser.add_argument("--notes", action="store_true", help="print notes too")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    programs = _programs(arguments.names)
    if not arguments.no_training:
        for program in programs:
            _train(program, arguments.folder / program.slug, again=arguments.again)
    trained = [program for program in programs if (arguments.folder / program.slug / "done").exists()]
    return _judge(trained, arguments.folder, notes=arguments.notes)


def _programs(names: Sequence[str]) -> list[Program]:
    for module in MODULES:
        importlib.import_module(f"benchmarks.programs.{module}")
    return [program for program in PROGRAMS if not names or any(name in program.name for name in names)]


def _train(program: Program, folder: Path, *, again: bool) -> None:
    if (folder / "done").exists() and not again:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            skill = program.train(folder)
        except Exception:  # one broken program must not hide the others
            print(f"broken {program.name}\n{traceback.format_exc()}", flush=True)
            return
    (folder / "done").write_text(f"{skill}\n")
    print(f"trained {program.name}: {skill} in {time.perf_counter() - started:.1f} s", flush=True)


def _judge(programs: Sequence[Program], folder: Path, *, notes: bool) -> int:
    counts: dict[str, list[tuple[Program, list[Finding]]]] = {look: [] for look in LOOKS}
    for program in programs:
        runs = EventSource(str(folder / program.slug)).runs()
        for look, see in LOOKS.items():
            alarms = _alarms([diagnose(see(run)) for run in runs])
            counts[look].append((program, alarms))
            if alarms and not program.is_faulty:
                print(f"alarm at {look:5} {program.name}: {_said(alarms)}", flush=True)
        said = _said(alarms_at_end := counts["end"][-1][1])
        if program.is_faulty and not _is_placed(program, alarms_at_end):
            print(f"wrong at end   {program.name}: {said or 'nothing'}", flush=True)
        if notes:
            for finding in (finding for run in runs for finding in diagnose(run).findings if not finding.is_alarm and not finding.because):
                print(f"      note     {program.name}: {finding.rule} at {finding.target}: {finding.title}", flush=True)
    shares = {look: _shares(counts[look]) for look in LOOKS}
    for look, found in shares.items():
        print(f"{look:6}" + "  ".join(f"{name} {value:.1%}" for name, value in found.items()))
    at_end = shares["end"]
    return int(any(at_end[name] > goal if name == "false alarms" else at_end[name] < goal for name, goal in GOALS.items()))


def _alarms(diagnoses: Iterable[Diagnosis]) -> list[Finding]:
    return [finding for diagnosis in diagnoses for finding in diagnosis.findings if finding.is_alarm]


def _said(alarms: Sequence[Finding]) -> str:
    return "; ".join(f"{finding.severity} {finding.rule} at {finding.target}: {finding.title}" for finding in alarms)


def _is_named(program: Program, alarms: Sequence[Finding]) -> bool:
    return bool(alarms) and alarms[0].rule in program.rules


def _is_placed(program: Program, alarms: Sequence[Finding]) -> bool:
    return _is_named(program, alarms) and (not program.places or alarms[0].target.startswith(program.places))


def _shares(seen: Sequence[tuple[Program, list[Finding]]]) -> dict[str, float]:
    broken = [(program, alarms) for program, alarms in seen if program.is_faulty]
    sound = [(program, alarms) for program, alarms in seen if not program.is_faulty]
    return {
        "false alarms": _share([bool(alarms) for _, alarms in sound]),
        "found": _share([bool(alarms) for _, alarms in broken]),
        "right headline": _share([_is_named(program, alarms) for program, alarms in broken]),
        "right place": _share([_is_placed(program, alarms) for program, alarms in broken]),
    }


def _share(truths: Sequence[bool]) -> float:
    return sum(truths) / max(1, len(truths))


if __name__ == "__main__":
    sys.exit(main())
