"""One variable in numbers: what it is, and how it changes. One pass in cache-sized blocks over all arrays together.

Percentiles come from a strided sample of at most `SAMPLED_VALUES` entries (their rank is off by sqrt(p (1 - p) / n), 0.8 % at the median),
and the comparison of units from at most `COMPARED_UNITS` units of `COMPARED_WEIGHTS` weights; everything else counts every entry.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.layouts import fans
from tb_featuremap_plugin.schema import VARIABLE_COLUMNS
from tb_featuremap_plugin.stats.units import compare_units

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

SAMPLED_VALUES = 4096

_BLOCK = 1 << 15
_PERCENTILES = (7.0, 16.0, 31.0, 50.0, 69.0, 84.0, 93.0)
_EPSILON = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}


@dataclass(frozen=True)
class Change:
    """What a variable is compared with; whatever is None is not known.

    Attributes:
        previous: the value `gap` training steps before.
        gap: training steps from `previous` to the value.
        initial: the first value.
        previous_update: the change by the step before, for the direction of successive updates.
        gradient: of the loss at `previous`, for what was lost to rounding.
    """

    previous: Array | None = None
    gap: float = math.nan
    initial: Array | None = None
    previous_update: Array | None = None
    gradient: Array | None = None


def variable_row(
    value: Array,
    change: Change | None = None,
    *,
    trainable: bool = True,
    layout: str | None = None,
    dtype: str | None = None,
    ordinal: float = math.nan,
) -> Float32:
    """The variable's row of the packed table, [len(VARIABLE_COLUMNS)].

    Args:
        value: of any shape; all arrays of `change` have the same.
        change: what to compare with.
        trainable: whether it is meant to change.
        layout: as in `layouts.kernel_axes`, for kernels; without it nothing is said of units and fans.
        dtype: name of the dtype in which the variable is kept, where that is not the array's.
        ordinal: how many times this row has been logged, counted from 1.
    """
    change = change or Change()
    with np.errstate(all="ignore"):
        numbers = _measure(value, change)
        numbers |= {"ordinal": ordinal, "trainable": float(trainable), "gap": change.gap}
        numbers["epsilon"] = _EPSILON.get(dtype or value.dtype.name, math.nan)
        if layout is not None and value.size:
            numbers["fan_in"], numbers["fan_out"] = fans(layout, value.shape)
            numbers |= compare_units(value, layout)
        return np.asarray([numbers.get(column, math.nan) for column in VARIABLE_COLUMNS], np.float32)


def _measure(value: Array, change: Change) -> dict[str, float]:
    x = _flat(value)
    numbers: dict[str, float] = {"size": value.size}
    if not value.size:
        return numbers
    finite = x[np.isfinite(x)].astype(np.float64)
    numbers |= {
        "nan": int(np.isnan(x).sum()),
        "pos_inf": int(np.isposinf(x).sum()),
        "neg_inf": int(np.isneginf(x).sum()),
        "zeros": float((x == 0).mean()),
    }
    if finite.size:
        numbers |= {
            "norm": math.sqrt(float(finite @ finite)),
            "mean": finite.mean(),
            "std": finite.std(),
            "min": finite.min(),
            "max": finite.max(),
        }
        numbers |= {f"p{int(p):02d}": v for p, v in zip(_PERCENTILES, np.percentile(finite, _PERCENTILES), strict=True)}
    update = None
    if change.previous is not None:
        previous = _flat(change.previous)
        update = x.astype(np.float64) - previous
        numbers["update_norm"] = float(np.linalg.norm(update))
        norm = float(np.linalg.norm(previous.astype(np.float64)))
        numbers["update_ratio"] = numbers["update_norm"] / norm if norm else math.nan
        numbers["update_max"] = float(np.abs(update).max())
        numbers["changed"] = float((x != previous).mean())
        numbers["radial"] = _cosine(update, previous)
        if change.previous_update is not None:
            numbers["cosine"] = _cosine(update, _flat(change.previous_update))
    if change.initial is not None:
        initial = _flat(change.initial).astype(np.float64)
        numbers |= {
            "displacement": float(np.linalg.norm(x - initial)),
            "initial_norm": float(np.linalg.norm(initial)),
            "initial_std": float(initial.std()),
        }
    if change.gradient is not None:
        gradient = _flat(change.gradient).astype(np.float64)
        finite = np.isfinite(gradient)
        numbers |= {
            "gradient_norm": float(np.linalg.norm(gradient[finite])),
            "gradient_mean_abs": float(np.abs(gradient[finite]).mean()) if finite.any() else math.nan,
        }
        numbers |= {"gradient_zeros": float((gradient == 0).mean()), "gradient_nonfinite": float((~finite).sum())}
        if update is not None:
            numbers |= {"lost": float(((gradient != 0) & (update == 0)).mean()), "gradient_cosine": _cosine(-gradient, update)}
    return numbers


def _cosine(a: Array, b: Array) -> float:
    norms = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(np.dot(a, b)) / norms if norms else math.nan


def _flat(array: Array) -> Array:
    flat = array.reshape(-1) if array.flags.c_contiguous else array.ravel()
    return flat if flat.dtype in (np.float32, np.float64) else flat.astype(np.float32 if flat.dtype.itemsize <= 2 else np.float64)
