"""What a model that knows nothing can reach: the loss of the best constant answer to some targets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.schema.losses import ABSOLUTE, BINARY, CATEGORICAL, ROOT_SQUARED, SPARSE, SQUARED, find

Floats = npt.NDArray[np.float64]


def constant_loss(loss: str, targets: npt.NDArray[np.float64], class_axis: int = -1) -> float | None:
    """The loss of the best constant answer; None where that is not known.

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
        _, counts = np.unique(targets, return_counts=True)
        return _entropy(counts / counts.sum(), targets.size)
    if kind.family == CATEGORICAL and targets.ndim > 1:
        rows = np.moveaxis(targets, class_axis, -1).reshape(-1, targets.shape[class_axis])
        shares = rows.mean(0)
        return _entropy(shares / shares.sum(), len(rows)) if shares.sum() > 0 and shares.min() >= 0 else None
    units = targets.reshape(len(targets), -1)
    if kind.family == BINARY:
        return _binary(units)
    if kind.family in (SQUARED, ROOT_SQUARED):
        variance = float(units.var(0).mean())
        return variance if kind.family == SQUARED else float(np.sqrt(variance))
    return float(np.abs(units - np.median(units, 0)).mean()) if kind.family == ABSOLUTE else None


def _entropy(shares: Floats, count: int) -> float:
    seen = shares[shares > 0]
    return float(-(seen * np.log(seen)).sum() + (len(seen) - 1) / (2 * count))


def _binary(units: Floats) -> float | None:
    if units.min() < 0 or units.max() > 1:
        return None
    shares = np.clip(units.mean(0), 1e-12, 1 - 1e-12)
    entropies = -shares * np.log(shares) - (1 - shares) * np.log(1 - shares)
    return float((entropies + (entropies > 1e-9) / (2 * len(units))).mean())
