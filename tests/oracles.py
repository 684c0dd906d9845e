"""The statistics again, slow and obvious: float64, one definition a line, no blocks, no shifts, no sharing of work."""

from __future__ import annotations

import math

import numpy as np

LIMITS = {"sigmoid": (0, 1), "hard_sigmoid": (0, 1), "tanh": (-1, 1), "hard_tanh": (-1, 1), "softsign": (-1, 1)}


def _finite(values):
    values = np.asarray(values, np.float64).reshape(-1)
    return values[np.isfinite(values)]


def _over(function, values):
    kept = _finite(values)
    return float(function(kept)) if len(kept) else math.nan


def deviations_over_samples(data):
    """Of each channel and position the standard deviation of the finite values over the samples; NaN below two of them."""
    samples = np.asarray(data, np.float64).reshape(len(data), -1)
    result = np.full(samples.shape[1], np.nan)
    for site in range(samples.shape[1]):
        kept = _finite(samples[:, site])
        if len(kept) > 1:
            result[site] = kept.std()
    return result.reshape(data.shape[1:])


def channel(data, index):
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


def saturated(values, activation):
    """Which values are within 2.5 % of the activation's limits; None for an activation without limits."""
    if activation == "relu6":
        return values > 5.85
    if activation not in LIMITS:
        return None
    low, high = LIMITS[activation]
    margin = 0.025 * (high - low)
    return (values < low + margin) | (values > high - margin)


def layer(data, activation=None):
    """The layer's row of [samples, channels, *space], without percentiles."""
    values = np.asarray(data, np.float64)
    channels = [values[:, index] for index in range(values.shape[1])]
    rms = _over(lambda kept: math.sqrt(np.mean(kept**2)), values)
    row = {
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
    silent = [np.all(one <= 0) if activation in ("relu", "relu6") else np.all(one == 0) for one in channels]
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
            "channel_sum_min": sums.min(),
            "channel_sum_max": sums.max(),
            "top_share": float(np.mean((largest > 0.999 * sums) & (sums > 0))),
        }
    return row
