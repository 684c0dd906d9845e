"""A word for each variable: what it does, with the numbers that say so."""

from __future__ import annotations

import math

from tb_featuremap_plugin.diagnosis.findings import Verdict
from tb_featuremap_plugin.diagnosis.learning_progress import LEARNED, judged_steps, learning
from tb_featuremap_plugin.diagnosis.phrases import number, percent, usual_share
from tb_featuremap_plugin.diagnosis.rules import lost_to_rounding, thrashing_weights, too_fast, too_slow, unchanged_weights
from tb_featuremap_plugin.diagnosis.run_view import RunView, VariableView, median
from tb_featuremap_plugin.schema.verdicts import (
    CHANGING,
    DECAYING,
    FROZEN,
    ROUNDED,
    SLOW,
    THRASHING,
    TOO_FAST,
    UNCHANGED,
    UNKNOWN,
    find,
)

SHRINKING = -0.75
"""Median cosine between update and value at or below which a change is mostly shrinking: more than half of the squared update."""


THRESHOLDS = {
    "unchanged": unchanged_weights.STILL,
    "too_fast": too_fast.USUAL_RATIO,
    "slow": too_slow.SLOW,
    "decaying": SHRINKING,
}
"""Where verdicts begin, by their names: for their conditions in docs/diagnosis.md."""


def verdicts(view: RunView) -> tuple[Verdict, ...]:
    """One verdict for each variable but moving statistics and counters, in the order of the network."""
    return tuple(_verdict(view, variable) for variable in view.variables if not variable.is_state)


def _verdict(view: RunView, variable: VariableView) -> Verdict:
    word, evidence = _word(view, variable), _evidence(view, variable)
    message = find(word).sentence.format(
        ratio=percent(evidence["update_ratio"]),
        usual=usual_share("variables", "update_ratio"),
        slow=percent(too_slow.SLOW),
        lost=percent(evidence["lost_share"]),
        direction=number(evidence["direction"]),
        shrinking=percent(evidence["shrinking_share"]),
    )
    return Verdict(variable.name, word, evidence, message if variable.is_kernel or word != CHANGING else "Changes.")


def _evidence(view: RunView, variable: VariableView) -> dict[str, float]:
    row, window = variable.row, judged_steps(view, variable.row)
    initial = row.last("initial_norm")
    radial = row.median("radial", window)
    return {
        "update_ratio": row.median("update_ratio", window),
        "moved_since_start": row.last("displacement") / initial if initial > 0 else math.nan,
        "start_step": variable.first_step,
        "direction": row.median("cosine", window),
        "shrinking_share": radial**2 if radial < 0 else 0.0 if radial >= 0 else math.nan,
        "changed_share": row.median("changed", window),
        "lost_share": row.median("lost", window),
    }


def _word(view: RunView, variable: VariableView) -> str:
    row = variable.row
    window = judged_steps(view, row)
    ratio = row.median("update_ratio", window)
    if not variable.trainable:
        return FROZEN
    if math.isnan(ratio) and math.isnan(median(row("displacement"))):
        return UNKNOWN
    if _stands_still(variable, ratio):
        return ROUNDED if lost_to_rounding.is_rounded(view, variable) else UNCHANGED
    if lost_to_rounding.is_rounded(view, variable):
        return ROUNDED
    if variable.is_kernel and ratio > too_fast.USUAL_RATIO and learning(view).level != LEARNED:
        return TOO_FAST
    if variable.is_kernel and thrashing_weights.is_thrashing(view, variable):
        return THRASHING
    if variable.is_kernel and row.median("radial", window) <= SHRINKING:
        return DECAYING
    return SLOW if variable.is_kernel and ratio < too_slow.SLOW else CHANGING


def _stands_still(variable: VariableView, ratio: float) -> bool:
    if math.isnan(ratio):
        return variable.row.last("displacement") == 0
    return ratio < unchanged_weights.STILL
