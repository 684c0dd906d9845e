"""What is known of a run's loss, and its value for a model that knows nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

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


def chance_loss(loss: Loss, classes: float, target_mean: float, target_std: float) -> float:
    """The loss of the best constant answer: ln C, the entropy of the labels, or the targets' spread; NaN if unknown.

    Args:
        loss: the loss.
        classes: units of the output.
        target_mean, target_std: over all targets of the probe batch.
    """
    if loss.family in (CATEGORICAL, SPARSE):
        return math.log(classes) if classes > 1 else math.nan
    if loss.family == BINARY:
        return _entropy(target_mean)
    if loss.family == SQUARED:
        return target_std**2
    if loss.family == ROOT_SQUARED:
        return target_std
    if loss.family == ABSOLUTE:
        return math.sqrt(2 / math.pi) * target_std
    return math.nan


def _entropy(share: float) -> float:
    if not 0 < share < 1:
        return math.nan
    return -share * math.log(share) - (1 - share) * math.log(1 - share)
