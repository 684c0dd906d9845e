"""What a model that knows nothing can reach: the loss of the best constant answer to some targets."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.schema.losses import ABSOLUTE, BINARY, CATEGORICAL, ROOT_SQUARED, SPARSE, SQUARED, find

Floats = npt.NDArray[np.float64]

_LEAST_SHARE = 1e-12


def constant_loss(loss: str, targets: Floats, class_axis: int = -1) -> tuple[float, float] | None:
    """The loss of the best constant answer, and the standard error of that; None where it is not known.

    For classes it is the entropy of their shares, raised by (K - 1) / 2N for K classes seen in N targets, since the entropy of few samples
    is too low (Miller 1955); for squared errors the variance; for absolute errors the mean distance from the median.

    Args:
        loss: its name.
        targets: class numbers of any shape without those that are ignored; else [N, ...], each number a target of its own.
        class_axis: of one-hot rows.
    """
    kind = find(loss)
    if kind is None or targets.size == 0 or not np.all(np.isfinite(targets)):
        return None
    if kind.family == SPARSE:
        return _of_classes(targets.ravel())
    if kind.family == CATEGORICAL:
        return _of_rows(targets, class_axis) if targets.ndim > 1 else None
    units = targets.reshape(len(targets), -1)
    if kind.family == BINARY:
        return _of_labels(units)
    if kind.family in (SQUARED, ROOT_SQUARED):
        return _of_squares(units, root=kind.family == ROOT_SQUARED)
    return _mean(np.abs(units - np.median(units, 0)).mean(1)) if kind.family == ABSOLUTE else None


def _mean(losses: Floats, raised: float = 0.0) -> tuple[float, float]:
    return float(losses.mean()) + raised, float(losses.std() / math.sqrt(len(losses)))


def _of_classes(numbers: Floats) -> tuple[float, float]:
    _, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    return _mean(-np.log(counts / counts.sum())[inverse.ravel()], (len(counts) - 1) / (2 * numbers.size))


def _of_rows(targets: Floats, class_axis: int) -> tuple[float, float] | None:
    rows = np.moveaxis(targets, class_axis, -1).reshape(-1, targets.shape[class_axis])
    shares = rows.mean(0)
    if shares.sum() <= 0 or shares.min() < 0:
        return None
    logarithms = -np.log(np.maximum(shares / shares.sum(), _LEAST_SHARE))
    return _mean(rows @ logarithms, (int((shares > 0).sum()) - 1) / (2 * len(rows)))


def _of_labels(units: Floats) -> tuple[float, float] | None:
    if units.min() < 0 or units.max() > 1:
        return None
    shares = np.clip(units.mean(0), _LEAST_SHARE, 1 - _LEAST_SHARE)
    losses = -units * np.log(shares) - (1 - units) * np.log(1 - shares)
    seen = (shares > _LEAST_SHARE) & (shares < 1 - _LEAST_SHARE)
    return _mean(losses.mean(1), float(seen.mean()) / (2 * len(units)))


def _of_squares(units: Floats, *, root: bool) -> tuple[float, float]:
    variance, error = _mean(((units - units.mean(0)) ** 2).mean(1))
    if not root:
        return variance, error
    deviation = math.sqrt(variance)
    return deviation, error / (2 * deviation) if deviation > 0 else 0.0
