"""Single numbers of any framework: steps, losses, rates."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from tb_featuremap_plugin.arrays.tensors import whole_array


def whole_number(value: object) -> int | None:
    """A whole number given as one of any kind: an int, a whole float, a scalar or variable of any framework; None for anything else.

    A variable such as `optimizer.iterations` is read now.
    """
    if isinstance(value, (str, bytes, bytearray)):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]  # what is not a whole number raises
    except Exception:  # tensors of frameworks raise what they like
        return _of_tensor(value)


def one_number(value: Any, name: str) -> float:
    """A number, or the mean of a tensor's entries (of those that are not masked); NaN for a tensor without any.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, (int, float)):
        return float(value)
    values, _ = whole_array(value, name)
    if values.dtype.kind == "c":
        raise TypeError(f"{name} is complex; allowed are real numbers")
    return float(np.mean(values, dtype=np.float64)) if values.size else float("nan")


def _of_tensor(value: object) -> int | None:
    try:
        array, _ = whole_array(value, "value")
    except TypeError:
        return None
    if array.size != 1 or array.dtype.kind == "c":
        return None
    number = array.reshape(-1)[0].item()
    return int(number) if isinstance(number, int) or (isinstance(number, float) and number.is_integer()) else None
