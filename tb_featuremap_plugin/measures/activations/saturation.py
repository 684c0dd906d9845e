"""Which values of a bounded activation count as saturated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

NEAR = 0.025
"""Within this share of its range from a limit an activation hardly changes with its input: a sigmoid's derivative is there below 0.025."""

_BOTH_LIMITS: dict[str, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
}
_RELU6_TOP = 6.0


def near_limits(activation: str | None) -> Callable[[Any], Any] | None:
    """A function from values (an array, or one number) to whether they are saturated; None for an activation without known limits.

    Of ReLU6 only the upper limit counts: at the lower one units are dead, not saturated.
    """
    if activation == "relu6":
        top = _RELU6_TOP * (1 - NEAR)
        return lambda values: values > top
    if activation not in _BOTH_LIMITS:
        return None
    low, high = _BOTH_LIMITS[activation]
    margin = NEAR * (high - low)
    return lambda values: (values < low + margin) | (values > high - margin)
