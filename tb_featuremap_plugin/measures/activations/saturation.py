"""Which values of an activation count as saturated, and which units can die."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tb_featuremap_plugin.schema.activations import find


def near_limits(activation: str | None) -> Callable[[Any], Any] | None:
    """A function from values (an array, or one number) to whether they are saturated; None for an activation that has no flat ends."""
    known = find(activation)
    bounds = known.unsaturated if known is not None else None
    if bounds is None:
        return None
    low, high = bounds
    if math.isinf(low):
        return lambda values: values > high
    return lambda values: (values < low) | (values > high)


def rectifies(activation: str | None) -> bool:
    """Whether a unit that is never above 0 passes nothing on, backward either."""
    known = find(activation)
    return known is not None and known.rectifies
