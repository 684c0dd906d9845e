"""Losses on data that are not trained on, as far as the loop tells of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tb_featuremap_plugin.monitor.left_out import LeftOut
from tb_featuremap_plugin.monitor.progress import held, loss_number

_MOST_PENDING = 256
"""Losses kept as they came; then they are read."""


@dataclass
class ValidationLosses:
    """The latest validation loss and the lowest so far, each with the step after which it was computed. NaN where there is none yet.

    Args:
        left_out: takes losses that turn out not to be numbers.
    """

    left_out: LeftOut
    last: float = math.nan
    last_step: float = math.nan
    lowest: float = math.nan
    lowest_step: float = math.nan
    _pending: list[tuple[int, Any]] = field(default_factory=list)

    def add(self, step: int, loss: Any) -> None:
        """Keeps a loss; it is read only when a record is due.

        Raises:
            TypeError: it is neither a number nor a tensor.
        """
        self._pending.append((step, held(loss)))
        if len(self._pending) >= _MOST_PENDING:
            self._convert()

    def columns(self) -> dict[str, float]:
        """The columns of `schema.columns.PROGRESS` that come from them."""
        self._convert()
        return {
            "validation_loss": self.last,
            "validation_step": self.last_step,
            "lowest_validation_loss": self.lowest,
            "lowest_validation_step": self.lowest_step,
        }

    def _convert(self) -> None:
        pending, self._pending = self._pending, []
        for step, loss in pending:
            number = self.left_out.attempt("validation", partial(loss_number, loss))
            if number is not None:
                self._take(step, number)

    def _take(self, step: int, loss: float) -> None:
        self.last, self.last_step = loss, step
        if math.isfinite(loss) and not loss >= self.lowest:
            self.lowest, self.lowest_step = loss, step
