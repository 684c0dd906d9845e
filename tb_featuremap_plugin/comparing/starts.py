"""What two runs of different seeds differ in beyond their starts: only what is plain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.comparing.comparison import Difference
from tb_featuremap_plugin.comparing.sites import LAYERS, Pair
from tb_featuremap_plugin.diagnosis import diagnose
from tb_featuremap_plugin.diagnosis.phrases import names, number, percent
from tb_featuremap_plugin.reading.run import Points, Run

_PLAIN = 3.0
"""Medians of two seeds of one training mostly lie within a factor of 2."""

_SHARE = 0.25
_ENOUGH = 4
_LAST = 0.1


def beyond(pair: Pair) -> tuple[list[str], list[Difference]]:
    """Sentences, and the numbers behind them."""
    found = [*_losses(pair), *_statistics(pair)]
    sentences = [sentence for sentence, _ in found]
    return [*sentences, *_findings(pair)], [row for _, row in found]


def _losses(pair: Pair) -> Iterator[tuple[str, Difference]]:
    a, b = pair.a.losses, pair.b.losses
    if a is None or b is None or min(len(a.steps), len(b.steps)) < _ENOUGH:
        return
    until = int(min(a.steps[-1], b.steps[-1]))
    ends = [_end(losses, until) for losses in (a, b)]
    if _far(*ends):
        yield (
            f"The loss ends at {number(ends[0])} in a and at {number(ends[1])} in b (median of the last tenth, up to step {until:,}).",
            _row(until, "losses", "loss", "loss", ends),
        )
    halves = [_half(losses) for losses in (a, b)]
    if all(np.isfinite(halves)) and _far(*halves) and abs(halves[0] - halves[1]) >= _ENOUGH:
        yield (
            f"The loss is half of what it was first at step {int(halves[0]):,} in a and at step {int(halves[1]):,} in b.",
            _row(until, "losses", "loss", "half", halves),
        )


def _statistics(pair: Pair) -> Iterator[tuple[str, Difference]]:
    for site in pair.shared:
        columns = ("rms", "dead_units") if site.table == LAYERS else ("update_ratio",) if site.is_kernel else ()
        for column in columns:
            medians = [_median(run, site.table, site.row, column) for run in (pair.a, pair.b)]
            if column == "dead_units" and abs(medians[0] - medians[1]) > _SHARE:
                shares = f"{percent(medians[0])} in a and {percent(medians[1])} in b"
                yield f"Units of `{site.row}` that are never active: {shares}.", _row(None, site.table, site.row, column, medians)
            if column != "dead_units" and _far(*medians):
                values = f"{number(medians[0])} in a and {number(medians[1])} in b"
                yield f"The median {column} of `{site.row}` is {values}.", _row(None, site.table, site.row, column, medians)


def _findings(pair: Pair) -> list[str]:
    """What the diagnosis finds in one run alone."""
    rules = [{finding.rule: finding.target for finding in diagnose(run).findings if finding.is_alarm} for run in (pair.a, pair.b)]
    sentences = []
    for place, run in enumerate("ab"):
        alone = sorted(rules[place].keys() - rules[1 - place].keys())
        if alone:
            sentences.append(f"The diagnosis finds {names(alone)} in {run} alone.")
    return sentences


def _far(a: float, b: float) -> bool:
    return bool(a > 0 and b > 0 and np.isfinite([a, b]).all() and max(a, b) > _PLAIN * min(a, b))


def _end(losses: Points, until: int) -> float:
    values: npt.NDArray[np.float32] = losses.values[losses.steps <= until]
    return float(np.nanmedian(values[-max(_ENOUGH, int(_LAST * len(values))) :])) if np.isfinite(values).any() else np.nan


def _half(losses: Points) -> float:
    (below,) = np.nonzero(losses.values <= losses.values[0] / 2)
    return float(losses.steps[below[0]]) if len(below) else np.nan


def _median(run: Run, table: str, row: str, column: str) -> float:
    found = run.layers if table == LAYERS else run.variables
    values = found.column(row, column) if found is not None else np.empty(0)
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan


def _row(step: int | None, table: str, row: str, column: str, values: Sequence[float]) -> Difference:
    return Difference(step, table, row, column, None, values[0], values[1], abs(values[0] - values[1]) / (max(map(abs, values)) or 1.0))
