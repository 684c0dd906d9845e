"""The words in which a variable is judged. `diagnosis.verdicts` says when each holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tb_featuremap_plugin.schema.answers import Severity

VerdictSeverity = Severity | Literal["fine", ""]
"""How alarming a word is; "" where it says nothing about the training."""


@dataclass(frozen=True)
class VerdictWord:
    """One word.

    Attributes:
        name: as in `diagnose --format json`.
        severity: how alarming it is.
        sentence: what it means. In braces: `ratio` (the median update of a step over the weights), `usual` (the usual range of that),
            `slow` (below which it is slow), `lost`, `direction` and `shrinking`.
        condition: when it holds, for docs/diagnosis.md. In braces, by the name of the word: the threshold, which stands in `diagnosis`.
    """

    name: str
    severity: VerdictSeverity
    sentence: str
    condition: str


UNCHANGED, ROUNDED, TOO_FAST, THRASHING, SLOW = "unchanged", "lost_to_rounding", "too_fast", "thrashing", "slow"
DECAYING, UNKNOWN, CHANGING, FROZEN, MOVING_STATISTIC = "decaying", "unknown", "changing", "frozen", "moving_statistic"

VERDICTS: tuple[VerdictWord, ...] = (
    VerdictWord(UNCHANGED, "error", "Does not move, though it is trainable.", "trainable, and its update ratio is below {unchanged}"),
    VerdictWord(ROUNDED, "error", "{lost} of its updates are too small for its number type to hold.", "as the rule"),
    VerdictWord(
        TOO_FAST,
        "warning",
        "Changes by {ratio} of its size a step; {usual} is usual.",
        "a kernel's update ratio above {too_fast} in a run that has not learned",
    ),
    VerdictWord(THRASHING, "warning", "Successive updates undo each other (cosine {direction}).", "as the rule"),
    VerdictWord(
        SLOW,
        "warning",
        "Changes by only {ratio} of its size a step, the median over the steps that are judged; below {slow} is slow, {usual} is usual.",
        "a kernel's update ratio below {slow}",
    ),
    VerdictWord(
        DECAYING,
        "info",
        "Its change is mostly shrinking, as weight decay does without learning ({shrinking} of the update).",
        "a kernel's change is mostly shrinking: the median cosine between update and value is at most {decaying}, "
        "so more than half of the squared update",
    ),
    VerdictWord(UNKNOWN, "", "Not logged often enough to say.", "the numbers are missing"),
    VerdictWord(CHANGING, "fine", "Changes by {ratio} of its size a step.", "none of the others"),
    VerdictWord(FROZEN, "", "Frozen on purpose.", "its layer is marked as not trainable"),
    VerdictWord(
        MOVING_STATISTIC,
        "",
        "The layer itself changes it, not the training.",
        "the layer itself changes it, as moving statistics; no verdict is given",
    ),
)
"""From the most to the least alarming. A moving statistic is not judged: it has no verdict."""

_BY_NAME = {word.name: word for word in VERDICTS}


def find(name: str) -> VerdictWord:
    """The word of this name.

    Raises:
        KeyError: there is none.
    """
    return _BY_NAME[name]
