"""The loss of each batch, from the running means that Keras hands to callbacks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tb_featuremap_plugin.integrations.keras.readings import Readings

LOSS = "loss"

_SAME = 1e-5
"""Relative difference up to which a reported number is the mean of a metric: both are float32."""


@dataclass(frozen=True)
class _Mean:
    """What a `keras.metrics.Mean` has summed up."""

    total: float
    count: float

    def of(self, reported: float) -> bool:
        """Whether this is what was reported."""
        return self.count != 0 and bool(np.isclose(self.total / self.count, reported, rtol=_SAME, atol=0, equal_nan=True))

    def since(self, before: _Mean) -> _Mean:
        """What was added."""
        return _Mean(self.total - before.total, self.count - before.count)


class BatchLosses:
    """Undoes Keras' means: the loss of a batch is what its total grew by over what its count grew by.

    So it is that of the batch for a last batch that is smaller, with sample and class weights, whether metrics are reset or not. The
    total is a float32: the loss of batch n since the last reset is exact to about n * 6e-8 of the mean. A number that is the mean of no
    metric is taken as it is: a `train_step` of the user's returned it.

    Args:
        model: that is trained.
        readings: of its variables.
    """

    def __init__(self, model: Any, readings: Readings) -> None:
        self._model = model
        self._readings = readings
        self._metrics: dict[str, list[Any]] = {}
        self._before: dict[int, _Mean] = {}
        self._after: dict[int, _Mean] = {}
        self._sum = _Mean(0.0, 0.0)

    def before(self) -> None:
        """Takes note of the means just before an execution of the training function."""
        self._before = self._read()

    def after(self) -> None:
        """Takes note of them just after it."""
        self._after = self._read()

    def add(self, logs: Any) -> None:
        """Adds the batches of an execution to those that wait for an update.

        Args:
            logs: as handed to callbacks: anything.
        """
        found = self._batch(logs)
        if found is not None:
            self._sum = _Mean(self._sum.total + found.total, self._sum.count + found.count)

    def forget(self) -> None:
        """Drops what waits for an update that did not come."""
        self._sum = _Mean(0.0, 0.0)

    def take(self) -> float | None:
        """The mean loss of the batches since the last update; None if no loss was reported."""
        total, self._sum = self._sum, _Mean(0.0, 0.0)
        return total.total / total.count if total.count else None

    def _batch(self, logs: Any) -> _Mean | None:
        name = loss_key(logs)
        reported = as_number(logs[name]) if name is not None else None
        if name is None or reported is None:
            return None
        candidates = self._metrics.setdefault(name, self._named(name))
        self._metrics[name] = candidates = [metric for metric in candidates if self._is_mean(metric, reported)]
        for metric in candidates:
            grown = self._grown(metric)
            if grown.count > 0:
                return grown
        return _Mean(reported, 1.0)

    def _is_mean(self, metric: Any, reported: float) -> bool:
        after = self._after.get(id(metric))
        return after is None or after.count == 0 or after.of(reported)

    def _grown(self, metric: Any) -> _Mean:
        after, before = self._after.get(id(metric)), self._before.get(id(metric))
        if after is None:
            return _Mean(0.0, 0.0)
        return after.since(before) if before is not None and before.count < after.count else after

    def _named(self, name: str) -> list[Any]:
        """Metrics that may be what is reported under this name, the likeliest first."""
        means = [metric for metric in self._model.metrics if hasattr(metric, "total") and hasattr(metric, "count")]
        return sorted((metric for metric in means if LOSS in str(metric.name)), key=lambda metric: metric.name != name)

    def _read(self) -> dict[int, _Mean]:
        metrics = {id(metric): metric for listed in (self._metrics or {LOSS: self._named(LOSS)}).values() for metric in listed}
        return {key: self._mean_of(metric) for key, metric in metrics.items()}

    def _mean_of(self, metric: Any) -> _Mean:
        return _Mean(self._readings.number(metric.total), self._readings.number(metric.count))


def loss_key(logs: Any) -> str | None:
    """The entry of a callback's logs that is the loss: "loss", or else the only one that is called so; None without one."""
    if not isinstance(logs, Mapping):
        return None
    if LOSS in logs:
        return LOSS
    if f"total_{LOSS}" in logs:
        return f"total_{LOSS}"
    named = [name for name in logs if isinstance(name, str) and name.endswith(LOSS) and not name.startswith("val_")]
    return named[0] if len(named) == 1 else None


def as_number(value: Any) -> float | None:
    """A reported value as one number: the mean of one with several entries; None for what is not numbers."""
    try:
        values = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None
    return float(values.mean()) if values.size else math.nan
