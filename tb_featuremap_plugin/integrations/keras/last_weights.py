"""The weights that the last update made, kept until `fit` ends: best or averaged ones may be put into the model by then."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tb_featuremap_plugin.arrays.tensors import to_numpy
from tb_featuremap_plugin.integrations.keras.observed_model import ObservedModel
from tb_featuremap_plugin.integrations.keras.readings import Readings

SHARE = 0.02
"""Of the time of a training that copying weights at the ends of epochs may take; beyond it only some epochs' are copied."""


class LastWeights:
    """A copy of a model's variables at the end of an epoch, until the next update.

    Attributes:
        values: the copy, by name.
        replaced: whether, when `fit` ended, the model had other weights than these.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.replaced = False
        self._step: int | None = None
        self._begun = time.perf_counter()
        self._seconds = 0.0

    def of(self, step: int) -> bool:
        """Whether this is a copy of the weights of a step."""
        return self._step == step

    def keep(self, step: int, observed: ObservedModel, readings: Readings) -> None:
        """Copies the weights of a step, unless copying has taken too long before."""
        begun = time.perf_counter()
        if self._seconds > SHARE * (begun - self._begun):
            return
        self.values, self._step = observed.copies(readings), step
        self._seconds += time.perf_counter() - begun

    def drop(self) -> None:
        """Lets go of the copy."""
        self.values, self._step, self.replaced = {}, None, False

    def close(self, step: int, observed: ObservedModel | None) -> None:
        """Finds out whether the model still has the weights of its last update."""
        if observed is None or not self.of(step):
            return
        now = observed.stored()
        self.replaced = any(not _equal(value, now.get(name)) for name, value in self.values.items())


def _equal(kept: Any, now: Any) -> bool:
    if now is None:
        return False
    return np.array_equal(to_numpy(kept, "weights"), to_numpy(now, "weights"), equal_nan=True)
