"""The row of numbers about the run as a whole: cumulative, so that a reader that keeps every tenth record still has them."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.tensors import to_numpy
from tb_featuremap_plugin.monitor.step_arguments import replicas
from tb_featuremap_plugin.schema.columns import JUMP_WINDOW, PROGRESS_COLUMNS

NAN = float("nan")


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


def detached(loss: Any) -> Any:
    """The loss without the graph that computed it: a float stays a float, a tensor stays where it is."""
    detach = getattr(loss, "detach", None)
    return detach() if callable(detach) else loss


def as_number(loss: Any) -> float:
    """One float of a number or of a tensor; the mean of a tensor with several entries, or of what replicas hold each; NaN for none."""
    parts = replicas(loss)
    if parts:
        return sum(map(as_number, parts)) / len(parts)
    values = np.asarray(loss if isinstance(loss, (int, float)) else to_numpy(loss, "loss"), np.float64)
    return float(values.mean()) if values.size else float("nan")


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
    """Collects losses between records."""

    def __init__(self) -> None:
        self.summary = LossSummary()
        self._pending: list[tuple[int, Any]] = []
        self._numbers: list[tuple[int, float]] = []

    def add(self, step: int, loss: Any) -> None:
        """Keeps the loss of one step; nothing is converted, so that a device need not wait."""
        self._pending.append((step, detached(loss)))
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
            number = as_number(loss)
            self.summary.add(step, number)
            self._numbers.append((step, number))
