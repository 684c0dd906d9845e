"""Numbers and lists as people read them: rounded to what matters, with their unit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tb_featuremap_plugin.schema.columns import TABLES, Unit, column

_MANY = 3
_LEAST_PERCENT = 0.001

_UNITS: Mapping[str, Unit] = {one.name: one.unit for table in TABLES.values() for one in table} | {
    "at_start": "share",
    "changes": "count",
    "count": "count",
    "gradient_share": "share",
    "input_share_before": "share",
    "left_of_kernels": "share",
    "step": "step",
    "steps": "step",
    "steps_for_a_tenth": "count",
}
"""Of what stands in evidence: columns by their names, and what is made of them; all else is a plain number."""


def number(value: float) -> str:
    """Two to three digits: 0.0042, 12, 1,190, 3.2e-07."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("infinity" if value > 0 else "-infinity")
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 1e6 or size < 1e-4:
        return f"{value:.1e}"
    if size >= 100:
        return f"{value:,.0f}"
    digits = 1 - math.floor(math.log10(size)) if size < 10 else 0
    text = f"{value:.{max(digits, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """A share of 0..1: "97 %", "0.4 %"; what is not quite all or nothing is never rounded to it."""
    if not math.isfinite(share):
        return f"{number(share)} %"
    hundredth = 100 * share
    if 99.5 <= hundredth < 100:
        return "over 99 %"
    if 0 < abs(hundredth) < _LEAST_PERCENT:
        return f"less than {_LEAST_PERCENT} %"
    return f"{number(hundredth)} %" if abs(hundredth) < 10 else f"{hundredth:,.0f} %"


def rough(value: float) -> str:
    """Two digits of a large number: 33,000."""
    return f"{float(f'{value:.2g}'):,.0f}" if math.isfinite(value) else number(value)


def times(factor: float) -> str:
    """A factor: "12 times", "1.5 times", "a million times and more"."""
    if not math.isfinite(factor) or factor >= 1e6:
        return "a million times and more"
    return f"{number(factor)} times"


def names(items: Sequence[str]) -> str:
    """`conv1`, `conv2` and 4 more."""
    shown = [f"`{item}`" for item in items[:_MANY]]
    rest = len(items) - len(shown)
    if rest > 0:
        return f"{', '.join(shown)} and {rest} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def step(value: int) -> str:
    """In a sentence: `step 1,200`."""
    return f"step {value:,}"


def since(first: int) -> str:
    """In a sentence: `from the start` or `since step 1,200`."""
    return "from the start" if first <= 0 else f"since {step(first)}"


def usual_share(table: str, name: str) -> str:
    """The usual range of a column that holds shares or ratios: "0.1 % to 6.5 %"."""
    low, high = column(table, name).usual
    return " to ".join(percent(end) for end in (low, high) if end is not None)


def evidence_phrases(evidence: Mapping[str, object]) -> list[tuple[str, str]]:
    """The numbers behind a finding in words: ("dead fraction", "97 %"). Ends of the usual range are left to the chart."""
    return [(key.replace("_", " "), _phrase(key, value)) for key, value in evidence.items() if not key.startswith("healthy_")]


def _phrase(key: str, value: object) -> str:
    if value is None:
        return "not known"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_phrase(key, one)}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_phrase(key, one) for one in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    unit = _UNITS.get(key, "number")
    if unit == "share":
        return percent(value)
    return f"{value:,.0f}" if unit in ("count", "step") else number(value)
