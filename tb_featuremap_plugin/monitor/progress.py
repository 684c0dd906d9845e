"""The row of numbers about the run as a whole: cumulative, so that a reader that keeps every tenth record still has them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.monitor.losses import LossSummary
from tb_featuremap_plugin.schema.columns import PROGRESS_COLUMNS

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
