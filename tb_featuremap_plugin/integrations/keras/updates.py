"""What each execution of a training function did: how many updates, with which loss and learning rate."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from tb_featuremap_plugin.integrations.keras.batch_losses import BatchLosses
from tb_featuremap_plugin.integrations.keras.readings import Readings
from tb_featuremap_plugin.integrations.keras.training import inner_optimizer, optimizers_of

Rate = Callable[[], Any]
"""The learning rate that an update used: a schedule is asked only when it is logged."""


@dataclass(frozen=True)
class Done:
    """What was finished: updates, their loss and the learning rate of the last one."""

    updates: int
    loss: float | None
    rate: Rate | None


class Updates:
    """Counts updates by the optimizers' own counters.

    Batches that only accumulate gradients are no updates, and neither are those that loss scaling skips. Where no optimizer of the
    model's counts (a `train_step` that updates by itself), each batch is one. With several optimizers of which none was given to
    `compile`, as in adversarial training, each batch is one too.

    Args:
        model: that is trained.
    """

    def __init__(self, model: Any) -> None:
        self.readings = Readings(model)
        self._scaled = getattr(model, "optimizer", None)
        self._main = inner_optimizer(model)
        self._optimizers = optimizers_of(model)
        self._losses = BatchLosses(model, self.readings)
        self._counts: dict[int, int] = {}
        self._counted: dict[int, int] = {}
        self._rates: dict[int, Any] = {}
        self._main_counts = False
        self._seen = False

    def before(self) -> None:
        """To be called just before the training function."""
        self._counts = self._iterations()
        self._rates = {id(optimizer): self._rate_of(optimizer) for optimizer in self._optimizers}
        self._losses.before()

    def after(self) -> None:
        """To be called just after the training function."""
        self._counted = self._iterations()
        self._losses.after()
        self._seen = True

    def first_rate(self) -> Rate | None:
        """The learning rate that the first update will use; None if no optimizer was given to `compile`."""
        rate = None if self._main is None else self._rate_of(self._main)
        iteration = self._iterations().get(id(self._main), 0)
        return None if rate is None else lambda: rate(iteration) if callable(rate) else rate

    def finished(self, batches: int) -> int:
        """Updates that were finished, of so many batches."""
        before, after = self._counts.get(id(self._main)), self._counted.get(id(self._main))
        if before is None or after is None:
            return batches
        if after > before:
            self._main_counts = True
            each = getattr(self._main, "gradient_accumulation_steps", None) or 1
            return after // each - before // each
        return 0 if after == before and (self._main_counts or self._skips()) else batches

    def take(self, batches: int, logs: Any) -> Done:
        """What the latest execution did, of so many batches; `logs` as handed to callbacks."""
        if not self._seen:
            self.after()
        self._seen = False
        updates = self.finished(batches)
        self._losses.add(logs)
        if updates == 0:
            if not getattr(self._main, "gradient_accumulation_steps", None):
                self._losses.forget()
            return Done(0, None, None)
        return Done(updates, self._losses.take(), self._rate())

    def _iterations(self) -> dict[int, int]:
        return {id(optimizer): int(self.readings.number(optimizer._iterations)) for optimizer in self._optimizers}

    def _rate_of(self, optimizer: Any) -> Any:
        rate = getattr(optimizer, "_learning_rate", None)
        if isinstance(rate, keras.Variable):
            return self.readings.number(rate)
        return rate if isinstance(rate, (int, float, keras.optimizers.schedules.LearningRateSchedule)) else None

    def _rate(self) -> Rate | None:
        """That of the one optimizer that counted; None where several did."""
        used = [one for one in self._optimizers if self._counted.get(id(one), 0) > self._counts.get(id(one), 0)]
        optimizer = self._main if self._main in used or not used else used[0] if len(used) == 1 else None
        rate = self._rates.get(id(optimizer))
        iteration = self._counted[id(optimizer)] - 1 if callable(rate) else 0
        return None if rate is None else lambda: rate(iteration) if callable(rate) else rate

    def _skips(self) -> bool:
        """Whether loss scaling has found gradients that were too large."""
        scale, initial = (getattr(self._scaled, name, None) for name in ("dynamic_scale", "initial_scale"))
        return scale is not None and initial is not None and self.readings.number(scale) < initial


class TrainFunction:
    """A model's training function, with calls just before and just after it: callbacks of others may change things in between.

    Args:
        inner: the function itself.
        before, after: methods, which are kept as long as their objects live.
    """

    def __init__(self, inner: Callable[..., Any], before: Callable[[Any], None], after: Callable[[Any], None]) -> None:
        self.inner = inner
        self._before, self._after = weakref.WeakMethod(before), weakref.WeakMethod(after)
        self.active = True

    def __call__(self, *arguments: Any) -> Any:
        """Calls the function; on JAX its first argument is the state, and what it returns ends with it."""
        before, after = self._before(), self._after()
        if not self.active or before is None or after is None:
            return self.inner(*arguments)
        before(arguments)
        returned = self.inner(*arguments)
        after(returned)
        return returned

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def follow(model: Any, before: Callable[[Any], None], after: Callable[[Any], None]) -> TrainFunction | None:
    """Puts calls around a model's training function; None if it has none yet."""
    inner = _without_silent(getattr(model, "train_function", None))
    if inner is None:
        return None
    model.train_function = function = TrainFunction(inner, before, after)
    return function


def _without_silent(function: Any) -> Any:
    """A training function without what callbacks of earlier trainings left around it."""
    while isinstance(function, TrainFunction) and not function.active:
        function = function.inner
    return function


def unfollow(model: Any, function: TrainFunction | None) -> None:
    """Takes them off again; another callback's may lie around them, and then they only fall silent."""
    if function is None:
        return
    function.active = False
    current: Any = getattr(model, "train_function", None)
    if current is function:
        model.train_function = function.inner
