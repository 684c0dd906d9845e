"""The row of numbers about the run as a whole: cumulative, so that a reader that keeps every tenth record still has them."""

from __future__ import annotations

import inspect
import statistics
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.numbers import one_number
from tb_featuremap_plugin.arrays.tensors import has, snapshot
from tb_featuremap_plugin.monitor.argument_forms import brief, is_array, replicas
from tb_featuremap_plugin.monitor.left_out import LeftOut
from tb_featuremap_plugin.schema.columns import JUMP_WINDOW, PROGRESS_COLUMNS

NAN = float("nan")

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Progress:
    """One column of `PROGRESS_COLUMNS` each."""

    logged_steps: float
    seen_steps: float
    log_seconds: float
    train_seconds: float
    logged_bytes: float = NAN
    dropped_records: float = NAN
    first_loss: float = NAN
    lowest_loss: float = NAN
    lowest_loss_step: float = NAN
    largest_jump: float = NAN
    largest_jump_step: float = NAN
    first_nonfinite_loss_step: float = NAN
    loss: float = NAN
    learning_rate: float = NAN
    step_log_seconds: float = NAN
    step_logged_bytes: float = NAN
    stretch: float = 1.0
    first_step: float = NAN
    validation_loss: float = NAN
    validation_step: float = NAN
    lowest_validation_loss: float = NAN
    lowest_validation_step: float = NAN

    def row(self) -> npt.NDArray[np.float32]:
        """Float32 [1, columns]."""
        values = asdict(self)
        with np.errstate(over="ignore"):
            return np.array([[values[column] for column in PROGRESS_COLUMNS]], np.float64).astype(np.float32)


def loss_columns(summary: LossSummary) -> dict[str, float]:
    """The columns that come from the losses so far."""
    return {
        "first_loss": summary.first,
        "lowest_loss": summary.lowest,
        "lowest_loss_step": summary.lowest_step,
        "largest_jump": summary.largest_jump,
        "largest_jump_step": summary.largest_jump_step,
        "first_nonfinite_loss_step": summary.first_nonfinite_step,
        "loss": summary.last,
    }


_MOST_PENDING = 8192
"""Losses kept as tensors; beyond, the older half is turned into numbers, whose computation ended long ago."""


def held(loss: Any) -> Any:
    """A loss that training cannot change any more, read only later: a number or a tensor, without the graph that computed it.

    Args:
        loss: of any kind. Of a mapping its "loss" counts, and of a list of one thing that thing.

    Raises:
        TypeError: it cannot be one.
    """
    if isinstance(loss, (int, float)):
        return loss
    if isinstance(loss, Mapping) and "loss" in loss:
        return held(loss["loss"])
    if isinstance(loss, (list, tuple)) and len(loss) == 1:
        return held(loss[0])
    if isinstance(loss, (Mapping, list, tuple, str, bytes, set)) or not _has_a_value(loss):
        raise TypeError(f"loss is {brief(loss)}; allowed are a number and a tensor")
    if isinstance(loss, np.ndarray) or has(loss, "assign"):
        return snapshot(loss, "loss")
    return _apart(loss)


def _has_a_value(loss: Any) -> bool:
    return is_array(loss) or has(loss, "__array__") or has(loss, "__float__")


def _apart(loss: Any) -> Any:
    """A tensor of its own: what is added up in place goes on changing."""
    for method in ("detach", "clone"):
        if has(loss, method):
            loss = getattr(loss, method)()
    return loss


def loss_number(loss: Any) -> float:
    """The mean of all entries, or of what replicas hold each."""
    parts = replicas(loss)
    return sum(map(loss_number, parts)) / len(parts) if parts else one_number(loss, "loss")


def rate_of(given: Any, step: int) -> float:
    """A learning rate as a number; NaN where none was given.

    Args:
        given: a number, a tensor of one, what returns one (of the step, if it takes an argument), a list of equal ones, torch's
            `param_groups`, or an optimizer.
        step: of the record.

    Raises:
        TypeError: it is something else.
    """
    if given is None:
        return NAN
    value = next((getattr(given, name) for name in ("param_groups", "learning_rate") if has(given, name)), given)
    value = _called(value, step) if callable(value) and not is_array(value) else value
    several = list(value.values()) if isinstance(value, Mapping) else list(value) if isinstance(value, (list, tuple)) else [value]
    try:
        numbers = {one_number(one["lr"] if isinstance(one, Mapping) and "lr" in one else one, "learning_rate") for one in several}
    except TypeError:
        numbers = set()
    if len(numbers) != 1:
        raise TypeError(f"learning_rate is {brief(value)}; allowed are a number, a tensor of one, and a callable that returns one")
    return numbers.pop()


def _called(rate: Callable[..., Any], step: int) -> Any:
    """What a callable returns; schedules are functions of the step."""
    try:
        required = [one for one in inspect.signature(rate).parameters.values() if one.default is one.empty and one.kind in _BY_PLACE]
    except (TypeError, ValueError):  # a builtin that does not say
        required = []
    return rate(step) if len(required) == 1 else rate()


@dataclass
class LossSummary:
    """What must survive sampling, cumulative over a run. Steps are NaN where there is none yet."""

    first: float = float("nan")
    last: float = float("nan")
    lowest: float = float("nan")
    lowest_step: float = float("nan")
    largest_jump: float = float("nan")
    largest_jump_step: float = float("nan")
    first_nonfinite_step: float = float("nan")
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=JUMP_WINDOW))

    def add(self, step: int, loss: float) -> None:
        """Takes the next loss."""
        self.last = loss
        if np.isnan(self.first):
            self.first = loss
        if not np.isfinite(loss):
            if np.isnan(self.first_nonfinite_step):
                self.first_nonfinite_step = step
            return
        if not loss >= self.lowest:
            self.lowest, self.lowest_step = loss, step
        self._add_jump(step, loss)
        self._recent.append(loss)

    def _add_jump(self, step: int, loss: float) -> None:
        usual = statistics.median(self._recent) if self._recent else 0.0
        if usual > 0 and not loss / usual <= self.largest_jump:
            self.largest_jump, self.largest_jump_step = loss / usual, step


class Losses:
    """Collects losses between records.

    Args:
        left_out: takes losses that turn out not to be numbers.
    """

    def __init__(self, left_out: LeftOut | None = None) -> None:
        self._left_out = left_out or LeftOut()
        self.summary = LossSummary()
        self._pending: list[tuple[int, Any]] = []
        self._numbers: list[tuple[int, float]] = []

    def add(self, step: int, loss: Any) -> None:
        """Keeps the loss of one step; nothing is converted, so that a device need not wait.

        Raises:
            TypeError: it is neither a number nor a tensor.
        """
        self._pending.append((step, held(loss)))
        if len(self._pending) >= _MOST_PENDING:
            self._convert(_MOST_PENDING // 2)

    def take(self, step: int) -> npt.NDArray[np.float32] | None:
        """The losses since the last call as float32 [n, 2]: steps before `step`, loss. None if there are none."""
        self._convert(len(self._pending))
        taken, self._numbers = self._numbers, []
        with np.errstate(over="ignore"):
            return np.array([(step - at, loss) for at, loss in taken], np.float32) if taken else None

    def __bool__(self) -> bool:
        return bool(self._pending or self._numbers)

    def _convert(self, count: int) -> None:
        ready, self._pending = self._pending[:count], self._pending[count:]
        for step, loss in ready:
            number = self._left_out.attempt("loss", partial(loss_number, loss))
            if number is not None:
                self.summary.add(step, number)
                self._numbers.append((step, number))
