"""Which calls of `step` finish an update: not those between accumulated gradients, nor those whose update was skipped."""

from __future__ import annotations

import operator
from typing import Any

import torch

from tb_featuremap_plugin.integrations.torch.weight_marks import WeightMarks

MOST_WITHOUT_UPDATE = 256
"""Calls without any update that was seen, after which calls count as steps again: updates are then made in a way that is not seen."""


class UpdateCount:
    """Tells calls that finish an update from those that do not.

    Args:
        given: whether the user named an optimizer, so that a first update is waited for.
    """

    def __init__(self, given: bool) -> None:
        self._given = given
        self._without = 0
        self._losses: list[Any] = []

    def is_update(self, updates: int, ever: int, marks: WeightMarks, loss: Any) -> bool:
        """Whether a call finishes an update.

        Args:
            updates: that were seen since the last call.
            ever: that were seen in all.
            marks: of the weights, which show updates that no optimizer made.
            loss: of the call.
        """
        if loss is not None:
            self._losses.append(loss.detach() if isinstance(loss, torch.Tensor) else loss)
        if updates or marks.written():
            self._without = 0
            return True
        if not ever and not (marks.have_gradients() and (self._given or not marks.changed())):
            return True
        self._without += 1
        return self._without > MOST_WITHOUT_UPDATE

    def loss(self) -> Any:
        """The mean loss of the calls of the update; what cannot be averaged is the last one's. None if there was none."""
        losses, self._losses = self._losses, []
        if len(losses) < 2 or not all(isinstance(loss, (int, float, torch.Tensor)) for loss in losses):
            return losses[-1] if losses else None
        return sum(_mean(loss) for loss in losses) / len(losses)


def whole_number(value: Any, name: str) -> int:
    """A number of steps.

    Raises:
        TypeError: it is not a whole number.
        ValueError: it is below 0.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = _of_float(value, name)
    if number < 0:
        raise ValueError(f"{name} is {value!r:.100}; allowed are whole numbers from 0")
    return number


def _of_float(value: Any, name: str) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if isinstance(value, str) or not number.is_integer():
        raise TypeError(f"{name} is {value!r:.100}; allowed are whole numbers from 0")
    return int(number)


def _mean(loss: Any) -> Any:
    return loss.float().mean() if isinstance(loss, torch.Tensor) and loss.ndim else loss
