"""From what a run logged to what is wrong with it: pure functions, series in, findings out.

Everything is computed when it is read, so that an old logdir profits from a better rule. docs/diagnosis.md has every rule in words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from tb_featuremap_plugin.diagnosis.damaged_numbers import without_damage
from tb_featuremap_plugin.diagnosis.findings import Diagnosis, Finding, Verdict
from tb_featuremap_plugin.diagnosis.folding import fold
from tb_featuremap_plugin.diagnosis.reference_ranges import healthy_ranges
from tb_featuremap_plugin.diagnosis.rule import all_rules
from tb_featuremap_plugin.diagnosis.run_view import RunView
from tb_featuremap_plugin.diagnosis.verdicts import verdicts
from tb_featuremap_plugin.reading.run import Run
from tb_featuremap_plugin.schema.answers import DiagnosisAnswer, LookedAtAnswer

__all__ = ["Diagnosis", "Finding", "Verdict", "diagnose", "report"]

REPORT_VERSION = 1


def diagnose(run: Run) -> Diagnosis:
    """Says what is wrong with a run, if anything, and what each variable does.

    Args:
        run: as a reader gives it. Whatever is missing in it is not judged.

    Returns:
        Findings, the headline first, and a verdict for each variable.
    """
    with np.errstate(all="ignore"):
        sound, damage = without_damage(run)
        return replace(_diagnose(RunView(sound)), damage=tuple(damage))


def _diagnose(view: RunView) -> Diagnosis:
    found = [finding for rule in all_rules() for finding in rule.check(view)] if view.steps else []
    return Diagnosis(
        run=view.run.name,
        title=view.run.title,
        steps=view.steps,
        findings=fold((_with_layer(view, finding) for finding in found), all_rules()),
        verdicts=verdicts(view),
        looked_at=_looked_at(view),
    )


def report(runs: Iterable[Run]) -> DiagnosisAnswer:
    """The diagnosis of several runs as plain JSON values, with the usual ranges of the statistics behind it."""
    return {"version": REPORT_VERSION, "healthy": healthy_ranges(), "runs": [diagnose(run).to_dict() for run in runs]}


def _with_layer(view: RunView, finding: Finding) -> Finding:
    if finding.target_kind == "variable":
        owner = next((variable.layer for variable in view.variables if variable.name == finding.target), None)
        return replace(finding, layer=owner.name if owner else None)
    has_maps = finding.target_kind == "input" or (finding.target_kind == "layer" and finding.target in view.layer_rows)
    return replace(finding, layer=finding.target if has_maps else None)


def _looked_at(view: RunView) -> LookedAtAnswer:
    layers, variables, steps = len(view.layers), sum(not variable.is_state for variable in view.variables), len(view.steps)
    return {
        "layers": layers,
        "variables": variables,
        "steps": steps,
        "rules": [rule.name for rule in all_rules()],
        "sentence": f"{_count(layers, 'layer')} and {_count(variables, 'variable')} over {_count(steps, 'step')}",
    }


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
