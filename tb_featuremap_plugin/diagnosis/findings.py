"""What a diagnosis is made of: findings, verdicts, and the JSON values in which they leave this package."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tb_featuremap_plugin.diagnosis.phrases import evidence_phrases
from tb_featuremap_plugin.schema.answers import (
    ChartAnswer,
    ChartTable,
    FindingAnswer,
    LookedAtAnswer,
    RunDiagnosisAnswer,
    Severity,
    TargetKind,
    VerdictAnswer,
)
from tb_featuremap_plugin.schema.columns import Bounds
from tb_featuremap_plugin.schema.one_line import described, quoted

INFO: Literal["info"] = "info"
WARNING: Literal["warning"] = "warning"
ERROR: Literal["error"] = "error"

ALARMS = (WARNING, ERROR)


@dataclass(frozen=True)
class Chart:
    """Where the curve stands that shows a finding best.

    Attributes:
        table: "layers", "variables" or "losses".
        row: name of the row; "" for losses.
        column: a column of `schema`.
        label: what the curve shows, in words.
        healthy: lowest and highest value seen in runs that learn; None where that side has no bound.
        log: whether the axis is better logarithmic.
    """

    table: ChartTable
    row: str
    column: str
    label: str
    healthy: Bounds
    log: bool = False

    def to_dict(self) -> ChartAnswer:
        """The chart as plain JSON values."""
        return {
            "table": self.table,
            "row": self.row,
            "column": self.column,
            "label": self.label,
            "healthy": None if self.healthy == (None, None) else plain(self.healthy),
            "log": self.log,
        }


@dataclass(frozen=True)
class Finding:
    """One thing that was seen, in words.

    Attributes:
        rule: name of the rule.
        severity: "info", "warning" or "error".
        target: the layer or variable; for `target_kind` "input" the layer that receives it, for "run" the run's title.
        target_kind: "layer", "variable", "input" or "run".
        first_step, last_step: where it holds.
        title: what is wrong, as a headline.
        message: what was seen, since when, and what it means.
        evidence: the numbers behind it.
        advice: what to try, the likeliest first.
        chart: the curve to show; None if there is none.
        layer: the layer whose feature maps show it; None if there is none.
        because: name of the rule whose finding explains this one; None if it stands for itself.
        place: its place in `rule.ORDER`, where it is not the rule's.
    """

    rule: str
    severity: Severity
    target: str
    target_kind: TargetKind
    first_step: int
    last_step: int
    title: str
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    advice: tuple[str, ...] = ()
    chart: Chart | None = None
    layer: str | None = None
    because: str | None = None
    place: str | None = None

    def __repr__(self) -> str:
        where = f"{self.severity} {self.rule} at {self.target_kind} {quoted(self.target)}"
        return described("Finding", where, f"steps {self.first_step} to {self.last_step}")

    @property
    def is_alarm(self) -> bool:
        """Whether somebody should act on it."""
        return self.severity in ALARMS

    def to_dict(self, because_of: int | None = None) -> FindingAnswer:
        """The finding as plain JSON values; numbers that JSON cannot hold become None.

        Args:
            because_of: position of its cause in the list of findings.
        """
        evidence = plain(self.evidence)
        return {
            "rule": self.rule,
            "severity": self.severity,
            "target": self.target,
            "target_kind": self.target_kind,
            "first_step": self.first_step,
            "last_step": self.last_step,
            "title": self.title,
            "message": self.message,
            "evidence": evidence,
            "shown": evidence_phrases(evidence),
            "advice": list(self.advice),
            "chart": self.chart.to_dict() if self.chart else None,
            "layer": self.layer,
            "variable": self.target if self.target_kind == "variable" else None,
            "because": self.because,
            "because_of": because_of,
        }


@dataclass(frozen=True)
class Verdict:
    """What a variable does, in one word, with the numbers that say so."""

    variable: str
    verdict: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""

    def __repr__(self) -> str:
        return described("Verdict", f"{quoted(self.variable)}: {self.verdict}")

    def to_dict(self) -> VerdictAnswer:
        """The verdict as plain JSON values."""
        return {"variable": self.variable, "verdict": self.verdict, "evidence": plain(self.evidence), "message": self.message}


@dataclass(frozen=True)
class Diagnosis:
    """All that is to be said of one run.

    Attributes:
        run: TensorBoard's name of the run.
        title: the name to show.
        steps: all steps at which numbers were logged and kept.
        findings: the headline first, then other causes, then what they explain, then notes.
        verdicts: one a variable, in the order of the network.
        looked_at: what was looked at: numbers of layers, variables and steps, and the names of the rules.
        damage: what was logged and cannot be read or trusted, in sentences; nothing else here was concluded from it.
    """

    run: str
    title: str
    steps: tuple[int, ...]
    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]
    looked_at: LookedAtAnswer
    damage: tuple[str, ...] = ()

    @property
    def headline(self) -> Finding | None:
        """The first cause, if there is anything to act on."""
        return next((finding for finding in self.findings if finding.is_alarm), None)

    def to_dict(self) -> RunDiagnosisAnswer:
        """The diagnosis as plain JSON values. A finding's `because_of` is the position of its cause in the list."""
        causes = {finding.rule: at for at, finding in reversed(list(enumerate(self.findings)))}
        return {
            "run": self.run,
            "title": self.title,
            "damage": list(self.damage),
            "steps": list(self.steps),
            "looked_at": self.looked_at,
            "findings": [finding.to_dict(causes.get(finding.because or "")) for finding in self.findings],
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
        }


def plain(value: Any) -> Any:
    """Turns mappings, sequences and NumPy numbers into JSON values, four digits each; NaN and infinities become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    number = float(f"{float(value):.4g}")
    return number if math.isfinite(number) else None
