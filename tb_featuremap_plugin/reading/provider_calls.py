"""Asks TensorBoard's data provider again where it cannot answer yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_ASKED_AGAIN, _PAUSE_SECONDS = 20, 0.01


def answer(ask: Callable[[], T]) -> T:
    """What the provider says.

    TensorBoard's Python loader notes a series in one thread before it has the series' first point, and raises KeyError to whoever asks
    between the two.

    Args:
        ask: the call.

    Raises:
        Exception: what the call raises, KeyError only if it does so for 0.2 s.
    """
    for _ in range(_ASKED_AGAIN):
        try:
            return ask()
        except KeyError:
            time.sleep(_PAUSE_SECONDS)
    return ask()
