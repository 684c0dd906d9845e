"""What the name of a loss says: what it expects of outputs and targets, and its value for a model that knows nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

CATEGORICAL, SPARSE, BINARY, HINGE, OTHER = "categorical", "sparse", "binary", "hinge", "other"
SQUARED, ROOT_SQUARED, ABSOLUTE = "squared", "root_squared", "absolute"
REGRESSION = (SQUARED, ROOT_SQUARED, ABSOLUTE)

_FAMILIES = {
    CATEGORICAL: ("categoricalcrossentropy", "cce", "softmaxcrossentropy", "softmaxcrossentropywithlogits", "nll", "nllloss"),
    SPARSE: ("sparsecategoricalcrossentropy", "sparsecce", "crossentropy", "crossentropyloss", "sparsesoftmaxcrossentropywithlogits"),
    BINARY: ("binarycrossentropy", "bce", "bceloss", "bcewithlogits", "bcewithlogitsloss", "sigmoidcrossentropywithlogits", "logloss"),
    SQUARED: ("mse", "meansquarederror", "mseloss", "l2", "l2loss", "squarederror"),
    ROOT_SQUARED: ("rmse", "rootmeansquarederror", "rmseloss"),
    ABSOLUTE: ("mae", "meanabsoluteerror", "l1", "l1loss", "absoluteerror"),
    HINGE: ("hinge", "squaredhinge"),
}
_TAKES_LOGITS = ("crossentropy", "crossentropyloss", "bcewithlogits", "bcewithlogitsloss")
"""PyTorch's names: these always apply softmax or sigmoid themselves."""


@dataclass(frozen=True)
class Loss:
    """What is known of the loss.

    Attributes:
        name: as logged; None if unknown.
        family: one of the constants of this module; None if the name is unknown.
        takes_logits: whether it applies softmax or sigmoid itself; None if unknown.
    """

    name: str | None
    family: str | None
    takes_logits: bool | None

    @property
    def is_cross_entropy(self) -> bool:
        """Whether it compares distributions, so that it is never negative for proper targets."""
        return self.family in (CATEGORICAL, SPARSE, BINARY)


def parse_loss(name: str | None, from_logits: bool | None) -> Loss:
    """Reads a loss's name in any framework's spelling."""
    if name is None:
        return Loss(None, None, from_logits)
    bare = "".join(character for character in name.lower() if character.isalnum())
    family = next((key for key, spellings in _FAMILIES.items() if bare in spellings), OTHER)
    logits = True if bare in _TAKES_LOGITS or bare.endswith("withlogits") else from_logits
    return Loss(name, family, logits)


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
