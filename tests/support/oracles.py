"""The statistics again, slow and obvious: float64, one definition a line, no blocks, no shifts, no sharing of work."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Function = Callable[..., Any]

FORMULAS: dict[str, Function] = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "tanh": np.tanh,
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "softsign": lambda x: x / (1 + np.abs(x)),
}
"""What an activation computes, by its name in small letters alone."""


def _formula(activation: str | None) -> Function | None:
    return FORMULAS.get("".join(filter(str.isalpha, activation.lower())) + "6" * activation.endswith("6")) if activation else None


def limits(activation: str | None) -> tuple[float, float] | None:
    """Where an activation ends on both sides, from far inputs; None if it goes on, or if it is not known."""
    function = _formula(activation)
    if function is None:
        return None
    with np.errstate(over="ignore"):
        low, high = (float(np.round(function(np.float64(x)), 6)) for x in (-1e7, 1e7))
    return (low, high) if high < 1e3 else None


def _finite(values: npt.ArrayLike) -> Float64:
    flat = np.asarray(values, np.float64).reshape(-1)
    return flat[np.isfinite(flat)]


def _over(function: Function, values: npt.ArrayLike) -> float:
    kept = _finite(values)
    return float(function(kept)) if len(kept) else math.nan


def deviations_over_samples(data: np.ndarray) -> Float64:
    """Of each channel and position the standard deviation of the finite values over the samples; NaN below two of them."""
    samples = np.asarray(data, np.float64).reshape(len(data), -1)
    result = np.full(samples.shape[1], np.nan)
    for site in range(samples.shape[1]):
        kept = _finite(samples[:, site])
        if len(kept) > 1:
            result[site] = kept.std()
    return result.reshape(data.shape[1:])


def channel(data: np.ndarray, index: int) -> dict[str, float]:
    """Statistics of one channel of [samples, channels, *space]."""
    values = np.asarray(data[:, index], np.float64)
    spread = deviations_over_samples(data[:, index : index + 1])
    return {
        "min": _over(np.min, values),
        "max": _over(np.max, values),
        "mean": _over(np.mean, values),
        "std": _over(np.std, values),
        "zeros": float(np.mean(values == 0)),
        "spread": _over(np.mean, spread),
        "nan": int(np.isnan(values).sum()),
        "pos_inf": int((values == np.inf).sum()),
        "neg_inf": int((values == -np.inf).sum()),
    }


def _cuts(activation: str | None) -> bool:
    """Whether it is 0 for all that is not above 0, so that a unit can die."""
    function = _formula(activation)
    return function is not None and not np.any(function(np.linspace(-100, 0, 101)))


def saturated(values: Float64, activation: str | None) -> npt.NDArray[np.bool_] | None:
    """Which values are within 2.5 % of the activation's limits; None for an activation without limits."""
    function, ends = _formula(activation), limits(activation)
    if function is None or ends is None:
        return None
    low, high = ends
    margin = 0.025 * (high - low)
    dies_below = bool(function(np.float64(0)) == low)
    return (values > high - margin) | ((values < low + margin) & (not dies_below))


def layer(data: np.ndarray, activation: str | None = None) -> dict[str, float]:
    """The layer's row of [samples, channels, *space], without percentiles."""
    values = np.asarray(data, np.float64)
    channels = [values[:, index] for index in range(values.shape[1])]
    rms = _over(lambda kept: math.sqrt(np.mean(kept**2)), values)
    row: dict[str, float] = {
        "samples": values.shape[0],
        "units": values.shape[1],
        "mean": _over(np.mean, values),
        "std": _over(np.std, values),
        "rms": rms,
        "min": _over(np.min, values),
        "max": _over(np.max, values),
        "zeros": float(np.mean(values == 0)),
        "below_zero": float(np.mean(values < 0)),
        "above_one": float(np.mean(values > 1)),
        "integers": float(np.mean(np.isfinite(values) & (np.floor(values) == values))),
        "nan": int(np.isnan(values).sum()),
        "pos_inf": int((values == np.inf).sum()),
        "neg_inf": int((values == -np.inf).sum()),
    }
    silent = [np.all(one <= 0) if _cuts(activation) else np.all(one == 0) for one in channels]
    row["dead_units"] = float(np.mean(silent))
    if len(values) > 1:
        spread = _finite([channel(data, index)["spread"] for index in range(values.shape[1])])
        row["input_share"] = float(spread.mean()) / rms if len(spread) and rms else (0.0 if len(spread) else math.nan)
        row["constant_units"] = float(
            np.mean([not np.nanmax(np.r_[0, deviations_over_samples(one)[None].ravel()]) > 0 for one in channels])
        )
    near = saturated(values, activation)
    if near is not None:
        row["saturated"] = float(near.mean())
        row["saturated_units"] = float(np.mean([near[:, index].mean() >= 0.95 for index in range(values.shape[1])]))
    if np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1.001:
        sums, largest = values.sum(axis=1), values.max(axis=1)
        row |= {
            "channel_sum_min": float(sums.min()),
            "channel_sum_max": float(sums.max()),
            "top_share": float(np.mean((largest > 0.999 * sums) & (sums > 0))),
        }
    return row


def _cosine(a: Float64, b: Float64) -> float:
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.dot(a, b) / norms) if norms else math.nan


def variable(
    value: npt.ArrayLike,
    previous: npt.ArrayLike | None = None,
    initial: npt.ArrayLike | None = None,
    previous_update: npt.ArrayLike | None = None,
    gradient: npt.ArrayLike | None = None,
) -> dict[str, float]:
    """The variable's row, without percentiles and what depends on a layout."""
    x = np.asarray(value, np.float64).reshape(-1)
    row: dict[str, float] = {
        "size": x.size,
        "norm": _over(np.linalg.norm, x),
        "mean": _over(np.mean, x),
        "std": _over(np.std, x),
        "min": _over(np.min, x),
        "max": _over(np.max, x),
        "zeros": float(np.mean(x == 0)),
        "nan": int(np.isnan(x).sum()),
        "pos_inf": int((x == np.inf).sum()),
        "neg_inf": int((x == -np.inf).sum()),
    }
    update = None
    if previous is not None:
        before = np.asarray(previous, np.float64).reshape(-1)
        update = x - before
        row |= {
            "update_norm": float(np.linalg.norm(update)),
            "update_ratio": float(np.linalg.norm(update) / np.linalg.norm(before)) if before.any() else math.nan,
            "update_max": float(np.abs(update).max()),
            "changed": float(np.mean((x != before) & ~(np.isnan(x) & np.isnan(before)))),
            "radial": _cosine(update, before),
        }
        if previous_update is not None:
            row["cosine"] = _cosine(update, np.asarray(previous_update, np.float64).reshape(-1))
    if initial is not None:
        first = np.asarray(initial, np.float64).reshape(-1)
        row |= {
            "displacement": float(np.linalg.norm(x - first)),
            "initial_norm": float(np.linalg.norm(first)),
            "initial_std": float(first.std()),
        }
    if gradient is not None:
        slope = np.asarray(gradient, np.float64).reshape(-1)
        row |= {
            "gradient_norm": _over(np.linalg.norm, slope),
            "gradient_mean_abs": _over(lambda kept: np.abs(kept).mean(), slope),
            "gradient_zeros": float(np.mean(slope == 0)),
            "gradient_nonfinite": int((~np.isfinite(slope)).sum()),
        }
        if update is not None:
            row |= {"lost": float(np.mean((slope != 0) & (update == 0))), "gradient_cosine": _cosine(-slope, update)}
    return row


def units(filters: npt.ArrayLike) -> dict[str, float]:
    """Unit spread and duplicates of [filters, weights], over all of them."""
    x = np.asarray(filters, np.float64)
    scale = np.abs(x).mean()
    copies = [any(_cosine(x[i], x[j]) > 0.99 for j in range(i)) for i in range(len(x))]
    spread = math.sqrt(np.mean((x - x.mean(0)) ** 2)) / scale if scale else 0.0
    return {"unit_spread": spread, "duplicates": float(np.mean(copies))}
