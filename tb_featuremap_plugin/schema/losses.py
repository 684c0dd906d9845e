"""Every loss that is known by name: what it compares, and what it takes as targets and as outputs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from tb_featuremap_plugin.schema.activations import bare

CATEGORICAL, SPARSE, BINARY, HINGE, OTHER = "categorical", "sparse", "binary", "hinge", "other"
SQUARED, ROOT_SQUARED, ABSOLUTE = "squared", "root_squared", "absolute"
REGRESSION = (SQUARED, ROOT_SQUARED, ABSOLUTE)

CLASS_NUMBERS, ONE_HOT, LABELS, NUMBERS = "class numbers", "one-hot", "labels", "numbers"
OWN = "own "
"""What a name begins with that is a user's own function's: what it means is not known, whatever it is called."""

PROBABILITIES, LOGITS, LOG_PROBABILITIES, SCORES = "probabilities", "logits", "log-probabilities", "scores"


@dataclass(frozen=True)
class LossKind:
    """One loss function.

    Attributes:
        name: as Keras or, where Keras has none, torch calls it.
        family: what it compares: one of the constants of this module.
        targets: what it takes as targets: numbers of classes, one-hot rows, labels of 0 or 1, or any numbers.
        takes: what it takes as outputs; where there are several, `from_logits` says which.
        aliases: other names, in any spelling; `find` ignores case and punctuation.
    """

    name: str
    family: str
    targets: tuple[str, ...]
    takes: tuple[str, ...]
    aliases: tuple[str, ...] = ()


LOSSES: tuple[LossKind, ...] = (
    LossKind("categorical_crossentropy", CATEGORICAL, (ONE_HOT,), (PROBABILITIES, LOGITS), ("cce", "softmax_cross_entropy")),
    LossKind("softmax_cross_entropy_with_logits", CATEGORICAL, (ONE_HOT,), (LOGITS,)),
    LossKind("sparse_categorical_crossentropy", SPARSE, (CLASS_NUMBERS,), (PROBABILITIES, LOGITS), ("sparse_cce",)),
    LossKind("sparse_softmax_cross_entropy_with_logits", SPARSE, (CLASS_NUMBERS,), (LOGITS,)),
    LossKind("cross_entropy", SPARSE, (CLASS_NUMBERS, ONE_HOT), (LOGITS,), ("cross_entropy_loss",)),
    LossKind("nll_loss", SPARSE, (CLASS_NUMBERS,), (LOG_PROBABILITIES,), ("nll",)),
    LossKind("binary_crossentropy", BINARY, (LABELS,), (PROBABILITIES, LOGITS), ("bce", "bce_loss", "log_loss")),
    LossKind("bce_with_logits", BINARY, (LABELS,), (LOGITS,), ("bce_with_logits_loss", "sigmoid_cross_entropy_with_logits")),
    LossKind("mean_squared_error", SQUARED, (NUMBERS,), (NUMBERS,), ("mse", "mse_loss", "l2", "l2_loss", "squared_error")),
    LossKind("root_mean_squared_error", ROOT_SQUARED, (NUMBERS,), (NUMBERS,), ("rmse", "rmse_loss")),
    LossKind("mean_absolute_error", ABSOLUTE, (NUMBERS,), (NUMBERS,), ("mae", "l1", "l1_loss", "absolute_error")),
    LossKind("hinge", HINGE, (LABELS,), (SCORES,)),
    LossKind("squared_hinge", HINGE, (LABELS,), (SCORES,)),
)

_BY_NAME = {bare(name): one for one in LOSSES for name in (one.name, *one.aliases)}


@lru_cache(maxsize=1024)
def find(name: str | None) -> LossKind | None:
    """The loss of this name, in any spelling; None if it is not known here."""
    return _BY_NAME.get(bare(name))
