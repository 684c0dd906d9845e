"""What is known of a run's loss, and its value for a model that knows nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from tb_featuremap_plugin.schema import losses
from tb_featuremap_plugin.schema.activations import bare
from tb_featuremap_plugin.schema.losses import (
    ABSOLUTE,
    BINARY,
    CATEGORICAL,
    LOG_PROBABILITIES,
    LOGITS,
    OTHER,
    ROOT_SQUARED,
    SPARSE,
    SQUARED,
)
from tb_featuremap_plugin.schema.network import LossFacts


@dataclass(frozen=True)
class Loss:
    """What is known of the loss.

    Attributes:
        name: as logged; None if unknown.
        family: one of the constants of `schema.losses`; None if there is no name, "other" if it is not known there.
        takes_logits: whether it applies softmax or sigmoid itself; None if unknown.
        takes_log_probabilities: whether it takes logarithms of probabilities.
    """

    name: str | None
    family: str | None
    takes_logits: bool | None
    takes_log_probabilities: bool = False

    @property
    def is_cross_entropy(self) -> bool:
        """Whether it compares distributions, so that it is never negative for proper targets."""
        return self.family in (CATEGORICAL, SPARSE, BINARY)


def parse_loss(name: str | None, from_logits: bool | None) -> Loss:
    """Reads a loss's name in any framework's spelling.

    Args:
        name: as logged; None if unknown.
        from_logits: as logged: what a loss that takes both probabilities and logits is given. None if unknown.
    """
    if name is None:
        return Loss(None, None, from_logits)
    kind = losses.find(name)
    takes = kind.takes if kind is not None else ()
    logits = True if takes == (LOGITS,) or bare(name).endswith("withlogits") else from_logits
    return Loss(name, kind.family if kind is not None else OTHER, logits, LOG_PROBABILITIES in takes)


@dataclass(frozen=True)
class Chance:
    """The loss of the best constant answer: what it likely is, and how low and how high it may be; NaN where it is not known."""

    low: float
    likely: float
    high: float


UNKNOWN_CHANCE = Chance(math.nan, math.nan, math.nan)

_MARGIN = 2.0
"""Standard errors by which what a probe says of all targets may be off."""

_FEW_TARGETS = 8
_ONE_CLASS = 0.02
"""Entropy of the probe's labels below which they are as good as all the same: then the probe says nothing of the rest."""

_UNSURE = 0.6
"""Share of what is worked out of a few numbers of the targets below which no constant answer can come, where nothing better is known."""


def chance_of(loss: Loss, facts: LossFacts | None, classes: float, targets: Targets) -> Chance:
    """The loss of the best constant answer: from what the logger said of it, else ln C, the entropy of the labels, or the targets' spread.

    Args:
        loss: the loss.
        facts: what the logger found out of it.
        classes: units of the output.
        targets: of the probe.
    """
    if facts is not None and (facts.weighted or facts.summed):
        return UNKNOWN_CHANCE
    if facts is not None and facts.constant is not None and facts.entries >= _FEW_TARGETS:
        if facts.constant <= _ONE_CLASS and loss.is_cross_entropy:
            return UNKNOWN_CHANCE
        margin = _MARGIN * facts.error
        high = facts.constant + margin
        most = math.log(classes) if loss.family in (CATEGORICAL, SPARSE) and classes > 1 else high
        likely = min(facts.constant, most)
        return Chance(max(likely - margin, 0.0), likely, min(high, most))
    likely = _chance_loss(loss, classes, targets)
    return Chance(_UNSURE * likely, likely, likely)


class Targets(Protocol):
    """The row of the targets."""

    def last(self, column: str) -> float:
        """The latest value of a column."""


def _chance_loss(loss: Loss, classes: float, targets: Targets) -> float:
    if loss.family in (CATEGORICAL, SPARSE):
        return math.log(classes) if classes > 1 else math.nan
    if loss.family == BINARY:
        return _entropy(targets.last("mean"))
    if loss.family == SQUARED:
        return targets.last("std") ** 2
    if loss.family == ROOT_SQUARED:
        return targets.last("std")
    if loss.family == ABSOLUTE:
        return _distance_from_median(targets)
    return math.nan


_QUANTILES = (
    ("min", 0.0),
    ("p01", 0.01),
    ("p05", 0.05),
    ("p25", 0.25),
    ("p50", 0.5),
    ("p75", 0.75),
    ("p95", 0.95),
    ("p99", 0.99),
    ("max", 1.0),
)


def _distance_from_median(targets: Targets) -> float:
    """Mean distance from the median, by straight lines between the percentiles; that of a normal distribution where those are missing."""
    values = [targets.last(name) for name, _ in _QUANTILES]
    if not all(map(math.isfinite, values)):
        return math.sqrt(2 / math.pi) * targets.last("std")
    distances = [abs(value - values[len(values) // 2]) for value in values]
    places = [place for _, place in _QUANTILES]
    return sum((b + a) / 2 * (q - p) for a, b, p, q in zip(distances, distances[1:], places, places[1:], strict=False))


def _entropy(share: float) -> float:
    if not 0 < share < 1:
        return math.nan
    return -share * math.log(share) - (1 - share) * math.log(1 - share)
