"""Causes before consequences: one fault trips several rules; the first in causal order is the headline, the others fold under it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tb_featuremap_plugin.diagnosis.findings import INFO, Finding
from tb_featuremap_plugin.diagnosis.rule import Rule, position

MOST_NOTES = 2
"""Notes on a run with which nothing is wrong: the first in causal order."""


def fold(findings: Iterable[Finding], rules: Iterable[Rule]) -> tuple[Finding, ...]:
    """Sorts findings, the headline first, and turns expected consequences into notes that name their cause."""
    by_name = {rule.name: rule for rule in rules}
    ordered = sorted(findings, key=lambda finding: position(finding.place or finding.rule))
    causes: list[Finding] = []
    consequences: list[Finding] = []
    notes: list[Finding] = []
    for finding in ordered:
        if causes and _may_fold(finding, by_name[finding.rule]) and finding.rule != causes[0].rule:
            consequences.append(replace(finding, severity=INFO, because=causes[0].rule))
        elif finding.is_alarm:
            causes.append(finding)
        else:
            notes.append(finding if by_name[finding.rule].is_note else replace(finding, advice=()))
    return (*causes, *consequences, *(notes if causes else notes[:MOST_NOTES]))


def _may_fold(finding: Finding, rule: Rule) -> bool:
    """A finding that asks for another place than its rule's stands among the consequences."""
    return rule.is_consequence or finding.place is not None
