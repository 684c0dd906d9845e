"""How far two kernels, and the channels of two outputs, lie apart: from the stored pictures, which are exact where tables are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.reading.run import MissingError, Run, Source
from tb_featuremap_plugin.schema.errors import FormatError

Array = npt.NDArray[Any]

_OF_CHANNELS = ("mean", "std", "min", "max")
_OF_FILTERS = ("norm", "mean", "std", "min", "max")
_OUTLIERS = 0.01
_TINY = 1e-30


@dataclass(frozen=True)
class Apart:
    """How far two pictures lie apart.

    Attributes:
        channel: the filter or channel that differs most.
        column: "value", or the statistic that differs.
        a, b: both numbers there.
        largest: the largest difference of an entry over the root mean square of all.
        body: the root mean square of differences without the largest hundredth, over the same.
        cosine: between both, as vectors; NaN where it is not known.
        entries: how many entries differ at all; None where that is not known.
    """

    channel: int
    column: str
    a: float
    b: float
    largest: float
    body: float
    cosine: float = np.nan
    entries: int | None = None


class Pictures:
    """The pictures of both runs.

    Args:
        a, b: the runs.
        source_a, source_b: where their pictures are; None leaves pictures out.

    Attributes:
        unseen: variables that were asked for, of which not every entry could be compared at every step.
    """

    def __init__(self, a: Run, b: Run, source_a: Source | None, source_b: Source | None) -> None:
        self.unseen: set[str] = set()
        self._sides = ((a, source_a), (b, source_b))
        self._steps: list[dict[tuple[str, str], frozenset[int]]] = [
            {(one.kind, one.name): frozenset(one.steps.tolist()) for one in run.pictures} for run in (a, b)
        ]

    def kernels(self, variable: str, step: int) -> Apart | None:
        """Of one variable at one step; None where it is not stored by both, or not alike."""
        blobs = self._blobs("filters", variable, step)
        found, is_whole = _kernels_of(*blobs) if blobs is not None else (None, False)
        if not is_whole and all(source is not None for _, source in self._sides):
            self.unseen.add(variable)
        return found

    def channels(self, layer: str, step: int, size: float) -> Apart | None:
        """Of the output of one layer at one step, by the statistics of its channels over `size`."""
        blobs = self._blobs("maps", layer, step)
        if blobs is None:
            return None
        try:
            return _statistics(record.decode(blobs[0]), record.decode(blobs[1]), _OF_CHANNELS, "channels", size)
        except (FormatError, KeyError, TypeError, ValueError):
            return None

    def _blobs(self, kind: str, name: str, step: int) -> tuple[bytes, bytes] | None:
        found = []
        for (run, source), steps in zip(self._sides, self._steps, strict=True):
            if source is None or step not in steps.get((kind, name), ()):
                return None
            try:
                found.append(source.picture(run.name, kind, name, step))
            except MissingError:
                return None
        return found[0], found[1]


def _kernels_of(first: bytes, second: bytes) -> tuple[Apart | None, bool]:
    """How far two kernels lie apart, and whether every entry of them was compared."""
    try:
        a = record.decode(first)
        is_whole = "values" in a.sections and len(a.header["filters"]) == a.header["shape"][0]
        if first == second:
            return Apart(0, "value", 0.0, 0.0, 0.0, 0.0, 1.0, 0), is_whole
        return _kernels(a, record.decode(second)), is_whole
    except (FormatError, KeyError, TypeError, ValueError):
        return None, False


def _kernels(first: record.Record, second: record.Record) -> Apart | None:
    if "values" not in first.sections or "values" not in second.sections:
        stats = _rows(first, "norm")
        size = float(np.sqrt(np.mean(np.square(stats)) / max(np.prod(first.header["shape"][1:]), 1)))
        return _statistics(first, second, _OF_FILTERS, "filters", size)
    a, b = first.array("values").astype(np.float64), second.array("values").astype(np.float64)
    if a.shape != b.shape or not a.size:
        return None
    with np.errstate(all="ignore"):
        gaps = np.abs(a - b)
        gaps[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
        gaps[np.isnan(gaps)] = np.inf
        size = max(_size(a), _size(b), _TINY)
        place = np.unravel_index(int(np.argmax(gaps)), gaps.shape)
        cosine = float(np.vdot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b) + _TINY))
    channel = int(first.header["filters"][int(place[0])])
    return Apart(
        channel,
        "value",
        float(a[place]),
        float(b[place]),
        float(gaps[place]) / size,
        _body(gaps) / size,
        cosine,
        int(np.count_nonzero(gaps)),
    )


def _statistics(first: record.Record, second: record.Record, names: tuple[str, ...], axis: str, size: float) -> Apart | None:
    """By the rows of `stats`; a norm is that of a filter, and so is measured by the square root of its entries."""
    scale = np.sqrt(max(float(np.prod(first.header["shape"][1:])), 1.0)) if axis == "filters" else 1.0
    worst: Apart | None = None
    bodies = [0.0]
    for name in names:
        a, b = _rows(first, name), _rows(second, name)
        if a.shape != b.shape or not a.size:
            return None
        with np.errstate(all="ignore"):
            gaps = np.abs(a - b) / (scale if name == "norm" else 1.0)
        gaps[(a == b) | np.isnan(gaps)] = 0.0
        place = int(np.argmax(gaps))
        bodies.append(_body(gaps) if name not in ("min", "max") else 0.0)
        if worst is None or gaps[place] / max(size, _TINY) > worst.largest:
            worst = Apart(place, name, float(a[place]), float(b[place]), float(gaps[place]) / max(size, _TINY), 0.0)
    if worst is None:
        return None
    return Apart(worst.channel, worst.column, worst.a, worst.b, worst.largest, max(bodies) / max(size, _TINY))


def _rows(picture: record.Record, name: str) -> Array:
    rows: Array = picture.array("stats")[list(picture.header["stats"]).index(name)].astype(np.float64)
    return rows


def _size(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(np.square(finite)))) if finite.size else 0.0


def _body(gaps: Array) -> float:
    """Root mean square without the largest hundredth, at least one."""
    flat = np.sort(gaps, axis=None)
    kept = flat[: len(flat) - max(1, round(_OUTLIERS * len(flat)))] if len(flat) > 1 else flat
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.mean(np.square(kept))))
