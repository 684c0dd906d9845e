"""Findings as text that is easy to read in a terminal: what is wrong first, one thing below the other, nothing wider than the window."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from tb_featuremap_plugin.diagnosis import Diagnosis, Finding
from tb_featuremap_plugin.reading.printable import printable
from tb_featuremap_plugin.schema.verdicts import CHANGING

_MARKS = {
    "error": ("ERROR", "31"),
    "warning": ("WARNING", "33"),
    "info": ("note", "34"),
    "note": ("note", "34"),
    "ok": ("ok", "32"),
    "damage": ("DAMAGED", "31"),
}
"""Word and colour of each severity of findings and of the doctor's remarks, and of damage."""

_BOLD = "1"
_WIDEST = 100
_INDENT = " " * 10
_NAMED = 3
_NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Terminal:
    """What is written on.

    Attributes:
        width: columns at most.
        coloured: whether it shows colours.
    """

    width: int
    coloured: bool

    @classmethod
    def of_terminal(cls) -> Terminal:
        """The terminal that standard output goes to; a file gets no colours."""
        width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST)
        return cls(max(width, 40), sys.stdout.isatty() and not os.environ.get("NO_COLOR"))

    def paint(self, text: str, code: str) -> str:
        """Text in a colour, where there are any."""
        return f"\x1b[{code}m{printable(text)}\x1b[0m" if self.coloured else printable(text)

    def mark(self, severity: str) -> str:
        """A severity as a word of one width, in its colour."""
        word, colour = _MARKS[severity]
        return self.paint(f"{word:8}", colour)

    def wrap(self, text: str, first: str = _INDENT, rest: str = _INDENT) -> str:
        """Text in lines that fit; long names and addresses stay whole."""
        whole = printable(text).replace(" %", f"{_NO_BREAK}%")
        lines = textwrap.fill(
            whole, self.width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
        )
        return lines.replace(_NO_BREAK, " ")


def write_diagnosis(diagnosis: Diagnosis, terminal: Terminal) -> str:
    """One run: its findings, the headline first, and a line on its variables."""
    alarms = [finding for finding in diagnosis.findings if finding.is_alarm]
    notes = [finding for finding in diagnosis.findings if not finding.is_alarm and finding.because is None]
    looked_at = diagnosis.looked_at["sentence"]
    name = "in the logdir itself" if diagnosis.title == "." else diagnosis.title
    parts = [terminal.paint(f"Run {name}", _BOLD) + f" ({looked_at})"]
    parts.extend("  " + terminal.mark("damage") + terminal.wrap(said, "", _INDENT) for said in diagnosis.damage)
    if not alarms:
        read = "what could be read: " if diagnosis.damage else ""
        parts.append(terminal.wrap(f"Nothing unusual found in {read}{looked_at}.", "  ", "  "))
    parts.extend(_write_finding(finding, diagnosis.findings, terminal) for finding in (*alarms, *notes))
    parts.append(_write_verdicts(diagnosis, terminal))
    return "\n\n".join(part for part in parts if part)


def _write_finding(finding: Finding, findings: Sequence[Finding], terminal: Terminal) -> str:
    lines = [f"  {terminal.mark(finding.severity)}{terminal.paint(finding.title, _BOLD)}  [{finding.rule}]", terminal.wrap(finding.message)]
    lines.extend(
        terminal.wrap(advice, f"{_INDENT}{'Try: ' if position == 0 else '     '}", f"{_INDENT}     ")
        for position, advice in enumerate(finding.advice)
    )
    consequences = [_short(other) for other in findings if other.because == finding.rule]
    if consequences:
        lines.append(terminal.wrap(f"Also seen, likely because of it: {', '.join(consequences)}"))
    return "\n".join(lines)


def _short(finding: Finding) -> str:
    name = finding.rule.replace("_", " ")
    return name if finding.target_kind == "run" else f"{name} ({finding.target})"


def _write_verdicts(diagnosis: Diagnosis, terminal: Terminal) -> str:
    by_word: dict[str, list[str]] = {}
    for verdict in diagnosis.verdicts:
        by_word.setdefault(verdict.verdict, []).append(verdict.variable)
    if not by_word:
        return ""
    return terminal.wrap(f"Variables: {', '.join(_count(word, names) for word, names in by_word.items())}", "  ", "    ")


def _count(word: str, names: Sequence[str]) -> str:
    text = f"{len(names)} {word.replace('_', ' ')}"
    if word == CHANGING:
        return text
    shown = [*names[:_NAMED], *([f"{len(names) - _NAMED} more"] if len(names) > _NAMED else [])]
    return f"{text} ({', '.join(shown)})"
