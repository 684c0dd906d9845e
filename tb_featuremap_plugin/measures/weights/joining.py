"""Sums over a variable of which each process holds a part, joined as if one had measured the whole; no part leaves its process.

Three calls for all variables: sums, extremes and sampled entries; then squared deviations about the common means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.measures.activations.joining import AllReduce
from tb_featuremap_plugin.measures.weights.accumulator import Sums
from tb_featuremap_plugin.measures.weights.variable import SAMPLED_VALUES, add_up_wide, percentiles_of

Array = npt.NDArray[Any]
Float64 = npt.NDArray[np.float64]

_SUMS = (
    *("finite", "squares", "zeros", "nan", "pos_inf", "neg_inf"),
    *("previous_squares", "update_squares", "changed", "update_dot_previous", "update_dot_update", "previous_update_squares"),
    *("displacement_squares", "initial_squares"),
    *("gradient_finite", "gradient_squares", "gradient_absolute", "gradient_zeros", "lost", "update_dot_gradient"),
)
_ROWS = 1 << 20
"""Entries of a kernel that travel at once: 8 MB of float64."""


@dataclass(frozen=True)
class Part:
    """What this process holds of a variable, and of what that is compared with: arrays of one shape.

    Attributes:
        shape: of the whole.
        offset: of the part; None where it is not one block.
        speaks: whether this process counts for the part.
        value: the part, which may be empty.
        others: "previous", "initial", "previous_update" and "gradient", as far as known.
    """

    shape: tuple[int, ...]
    offset: tuple[int, ...] | None
    speaks: bool
    value: Array
    others: dict[str, Array]


def joined_numbers(parts: Sequence[Part], all_reduce: AllReduce) -> list[dict[str, float]]:
    """The columns of each variable's row that follow from its entries, over all processes; every process calls it.

    Args:
        parts: of the same variables, in the same order, with the same comparisons on each process.
        all_reduce: the engine's collective.

    Returns:
        Numbers by column; empty for a variable whose parts do not make up the whole.
    """
    local = [_local_sums(part) for part in parts]
    samples = [_sampled(part) for part in parts]
    firsts = _split(all_reduce(np.concatenate([_firsts(*pair) for pair in zip(parts, local, strict=True)]), "sum"), len(parts))
    extremes = _split(all_reduce(np.concatenate([_extremes(sums) for sums in local]), "max"), len(parts))
    wholes = [_whole(*found) for found in zip(parts, firsts, extremes, strict=True)]
    seconds = np.concatenate([_deviations(*pair) for pair in zip(local, wholes, strict=True)])
    joined = all_reduce(np.concatenate([seconds, *samples]), "sum")
    stops = len(seconds) + np.cumsum([len(sample) for sample in samples])
    for whole, found in zip(wholes, _split(joined[: len(seconds)], len(parts)), strict=True):
        whole.shifted_squares, whole.initial_shifted_squares = float(found[0]), float(found[1])
    drawn = np.split(joined, [len(seconds), *stops[:-1]])[1:]
    return [_numbers(*found) for found in zip(parts, firsts, wholes, drawn, strict=True)]


def gathered(part: Part, all_reduce: AllReduce, *, keep: bool) -> Array | None:
    """All entries of a variable, piece by piece; every process calls it.

    Args:
        part: of this process, in one block.
        all_reduce: the engine's collective.
        keep: whether this process wants the whole; None is returned where not.
    """
    assert part.offset is not None
    rows = max(1, _ROWS // max(1, math.prod(part.shape[1:])))
    whole = np.empty(part.shape, part.value.dtype) if keep else None
    for start in range(0, part.shape[0], rows):
        stop = min(start + rows, part.shape[0])
        piece = np.zeros((stop - start, *part.shape[1:]))
        first, last = max(start, part.offset[0]), min(stop, part.offset[0] + part.value.shape[0])
        if part.speaks and first < last:
            sides = (slice(at, at + size) for at, size in zip(part.offset[1:], part.value.shape[1:], strict=True))
            where: tuple[Any, ...] = (slice(first - start, last - start), *sides)
            piece[where] = part.value[first - part.offset[0] : last - part.offset[0]]
        joined = all_reduce(piece.reshape(-1), "sum")
        if whole is not None:
            whole[start:stop] = joined.reshape(piece.shape)
    return whole


def _local_sums(part: Part) -> Sums:
    if part.speaks and part.value.size:
        with np.errstate(all="ignore"):
            return add_up_wide(part.value, part.others)
    return Sums(0, 0.0, set(part.others))


def _firsts(part: Part, sums: Sums) -> Float64:
    total = sums.finite * sums.shift + sums.shifted_total
    initial = sums.size * (sums.initial_shift or 0.0) + sums.initial_shifted_total
    return np.asarray([sums.size, total, initial, *(getattr(sums, name) for name in _SUMS)], np.float64)


def _extremes(sums: Sums) -> Float64:
    unknown = math.isnan(sums.update_max)
    return np.asarray([-sums.low, sums.high, -math.inf if unknown else sums.update_max, float(unknown)], np.float64)


def _whole(part: Part, firsts: Float64, extremes: Float64) -> Sums:
    """The sums of all parts, but for squared deviations."""
    size, total, initial = firsts[:3].tolist()
    sums = Sums(size, 0.0, set(part.others))
    for name, number in zip(_SUMS, firsts[3:].tolist(), strict=True):
        setattr(sums, name, number)
    sums.shift = total / sums.finite if sums.finite else 0.0
    sums.initial_shift = initial / size if size else 0.0
    sums.low, sums.high, sums.update_max = -float(extremes[0]), float(extremes[1]), math.nan if extremes[3] else float(extremes[2])
    return sums


def _deviations(local: Sums, whole: Sums) -> Float64:
    """Squared deviations of this part about the means of the whole."""
    return np.asarray(
        [
            _about(local.finite, local.shift, local.shifted_total, local.shifted_squares, whole.shift),
            _about(local.size, local.initial_shift or 0.0, local.initial_shifted_total, local.initial_shifted_squares, whole.initial_shift),
        ]
    )


def _about(count: float, shift: float, total: float, squares: float, mean: float) -> float:
    gap = mean - shift
    return squares - 2 * gap * total + count * gap * gap if count else 0.0


def _sampled(part: Part) -> Float64:
    """The entries that percentiles come from: the same ones as of the whole, each from who holds it, and 0 from all others."""
    size = math.prod(part.shape)
    if part.offset is None or not size:
        return np.empty(0)
    positions = np.arange(0, size, -(-size // SAMPLED_VALUES))
    sample = np.zeros(len(positions))
    if part.speaks and part.value.size:
        places = [axis - at for axis, at in zip(np.unravel_index(positions, part.shape), part.offset, strict=True)]
        mine = np.all([(axis >= 0) & (axis < side) for axis, side in zip(places, part.value.shape, strict=True)], axis=0)
        sample[mine] = part.value[tuple(axis[mine] for axis in places)]
    return sample


def _numbers(part: Part, firsts: Float64, whole: Sums, sample: Float64) -> dict[str, float]:
    if firsts[0] != math.prod(part.shape) or not firsts[0]:
        return {}
    with np.errstate(all="ignore"):
        return {name: float(number) for name, number in whole.numbers().items()} | percentiles_of(sample)


def _split(vector: Float64, count: int) -> Float64:
    return vector.reshape(count, -1)
