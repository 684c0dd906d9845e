"""Tables of what was measured, as text for the terminal and as Markdown for docs/performance.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.harness import ROUNDS, Comparison, Figures, Goal, WorstGrowth

Measured = Sequence[tuple[Comparison, dict[str, Figures]]]

_LOAD = os.getloadavg()[0]
"""Before anything was measured."""

_PACKAGES = ("numpy", "tensorflow", "tensorboard", "torch", "tensorboardX", "opencv-python-headless", "tf-explain")


def machine() -> str:
    """The machine and the versions that the figures belong to, in one line."""
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {', '.join(_versions())}"


def markdown(measured: Measured) -> str:
    """Goals first, then every table."""
    lines = [machine(), "", _rounds(measured), "", "## Goals", "", "| what | measured | goal | |", "|---|---:|---:|---|"]
    for comparison, figures in measured:
        lines += [_goal_row(goal, figures) for goal in comparison.goals]
    for comparison, figures in measured:
        lines += _table(comparison, figures)
    return "\n".join(lines) + "\n"


def _rounds(measured: Measured) -> str:
    """How often everything was done, and how busy the machine was with other things."""
    rounds = sorted({len(figure.wall) for _, figures in measured for figure in figures.values()})
    often = f"{rounds[0]}" if len(rounds) == 1 else f"{rounds[0]} to {rounds[-1]}"
    return f"Medians of {often} rounds; the load average was {_LOAD:.1f} before the first."


def write_between_marks(path: Path, text: str) -> None:
    """Replaces what stands between `<!-- bench -->` and `<!-- /bench -->` in a page."""
    page = path.read_text()
    start, rest = page.split("<!-- bench -->", 1)
    _, end = rest.split("<!-- /bench -->", 1)
    path.write_text(f"{start}<!-- bench -->\n{text}<!-- /bench -->{end}")


def _goal_row(goal: Goal | WorstGrowth, figures: dict[str, Figures]) -> str:
    value = goal.value(figures)
    unit = "x" if goal.baseline else ""
    return f"| {goal.what} | {value:.3g}{unit} | {goal.limit:.3g}{unit} | {'met' if value <= goal.limit else 'missed'} |"


def _table(comparison: Comparison, figures: dict[str, Figures]) -> list[str]:
    lines = [
        "",
        f"## {comparison.title}",
        "",
        f"| variant | wall ms | min to max | CPU ms | {comparison.column} |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, figure in figures.items():
        kilobytes = "" if figure.written is None else f"{figure.written / comparison.per:,.0f}"
        wall = f"{figure.wall_ms:,.3f} | {min(figure.wall):,.3f} to {max(figure.wall):,.3f}"
        lines.append(f"| {name} | {wall} | {figure.cpu_ms:,.3f} | {kilobytes} |")
    rounds = len(next(iter(figures.values())).wall)
    for note in (*comparison.notes, *([f"Rounds: {rounds}."] if rounds < ROUNDS else [])):
        lines += ["", note]
    return lines


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def _versions() -> list[str]:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return found
