"""Trains the set-ups and counts how often the diagnosis is right."""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.diagnosis import faulty, healthy
from benchmarks.diagnosis.case import Case, train
from tb_featuremap_plugin.diagnosis import Diagnosis, diagnose
from tb_featuremap_plugin.reading.events import EventSource

GOALS = {"found": 0.92, "false alarms": 0.02, "right headline": 0.80, "right place": 0.72}
"""Shares to reach: of the faulty set-ups, and for false alarms of the healthy ones at most."""


@dataclass(frozen=True)
class Outcome:
    """What was said of one set-up."""

    case: Case
    diagnosis: Diagnosis

    @property
    def alarms(self) -> int:
        """Findings that somebody should act on."""
        return sum(finding.is_alarm for finding in self.diagnosis.findings)

    @property
    def right_headline(self) -> bool:
        """Whether the headline names the fault."""
        return self.diagnosis.headline is not None and self.diagnosis.headline.rule in self.case.rules

    @property
    def right_place(self) -> bool:
        """Whether the headline names the fault and its place."""
        headline = self.diagnosis.headline
        return self.right_headline and headline is not None and (not self.case.places or headline.target.startswith(self.case.places))

    @property
    def is_well(self) -> bool:
        """Whether all is as it should be."""
        return self.right_place if self.case.is_faulty else self.alarms == 0


def main() -> int:
    """Prints a line for each set-up that went wrong, and the shares; returns 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diagnosis", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names; all set-ups if none is given")
    parser.add_argument("--fraction", type=float, default=1.0, help="share of each training that is done (default 1)")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each set-up (default 1)")
    parser.add_argument("--all", action="store_true", help="also print the set-ups that went well")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cases = [case for case in (*faulty.CASES, *healthy.CASES) if not arguments.names or any(name in case.name for name in arguments.names)]
    outcomes = [run(case, seed, arguments.fraction, arguments.all) for seed in range(arguments.seeds) for case in cases]
    shares = score(outcomes)
    print("  ".join(f"{name} {share:.1%}" for name, share in shares.items()))
    return int(any(share > goal if name == "false alarms" else share < goal for name, goal in GOALS.items() for share in [shares[name]]))


def run(case: Case, seed: int, fraction: float, everything: bool) -> Outcome:
    """Trains a set-up in a folder of its own, and says how the diagnosis went."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train(case, Path(folder), seed, fraction)
        (logged,) = EventSource(folder).runs()
    outcome = Outcome(case, diagnose(logged))
    if everything or not outcome.is_well:
        said = ", ".join(f"{finding.rule} at {finding.target}" for finding in outcome.diagnosis.findings if finding.is_alarm) or "nothing"
        print(f"{'well ' if outcome.is_well else 'wrong'} {case.name} (seed {seed}): {said}", flush=True)
    sys.stdout.flush()
    return outcome


def score(outcomes: list[Outcome]) -> dict[str, float]:
    """The shares that the goals are about, and the alarms a fault raises on average."""
    broken = [outcome for outcome in outcomes if outcome.case.is_faulty]
    sound = [outcome for outcome in outcomes if not outcome.case.is_faulty]
    return {
        "found": share([outcome.alarms > 0 for outcome in broken]),
        "false alarms": share([outcome.alarms > 0 for outcome in sound]),
        "right headline": share([outcome.right_headline for outcome in broken]),
        "right place": share([outcome.right_place for outcome in broken]),
        "alarms a fault": sum(outcome.alarms for outcome in broken) / max(1, len(broken)),
    }


def share(truths: list[bool]) -> float:
    """The share that is true; 0 of nothing."""
    return sum(truths) / max(1, len(truths))


if __name__ == "__main__":
    sys.exit(main())
