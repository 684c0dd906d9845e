"""A picture's record: what its header says, checked before an array is made of it."""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.format.record import Array, Record
from tb_featuremap_plugin.images import tiles
from tb_featuremap_plugin.reading.run import Float32, Int64
from tb_featuremap_plugin.schema.errors import FormatError

_FLOAT16_ROUNDING, _FLOAT16_SMALLEST = 2.0**-11, 2.0**-25
"""Half the spacing of float16, relative to a number and near 0."""

_FLOAT16_OVERFLOW = 65520.0
"""Numbers from here on become Inf."""


class Stored:
    """One record of kind "maps", "inputs" or "filters".

    Attributes:
        has_norms: whether it is a kernel whose weights are not stored.
        logged_shape: of the whole array as logged.
        shape: of what is stored; of a kernel without weights, the one that they would have.
        images, channels: indices of what is stored; the channels of a kernel are its filters.
        reduced: side of the squares that values are means of.
        layout: axes of the array as logged.
        precision: dtype of the stored numbers.
        statistic_names: rows of `statistics`.

    Raises:
        FormatError: the record does not hold a picture of this kind.
    """

    def __init__(self, record: Record, kind: str) -> None:
        self._record = record
        is_kernel = kind == "filters"
        self.has_norms = is_kernel and "values" not in record.sections
        self._main = "norms" if self.has_norms else "values" if is_kernel else "pixels"
        logged = record.header.get("shape")
        if record.header.get("kind") != kind or self._main not in record.sections or not _are_sizes(logged) or len(logged) < 2:
            raise FormatError(f"the record does not hold a picture of kind {kind!r}")
        self.logged_shape = tuple(logged)
        self.precision = record.sections[self._main].dtype
        self.shape = self._stored_shape(record.sections[self._main].shape)
        self.images = np.empty(0, np.int64) if is_kernel else self._indices("images", self.shape[0], logged[0])
        axis = 0 if is_kernel else 1
        self.channels = self._indices("filters" if is_kernel else "channels", self.shape[axis], logged[axis])
        reduced = record.header.get("reduced", 1)
        self.reduced = reduced if type(reduced) is int and reduced > 0 else 1
        self.layout = self.text("layout") or "unknown"
        names = record.header.get("stats", [])
        self.statistic_names: list[str] = [str(name) for name in names] if isinstance(names, list) else []
        self._described = logged[axis]

    @property
    def pixels(self) -> Array:
        """The stored numbers, as they are."""
        return self._record.array(self._main)

    @cached_property
    def statistics(self) -> Float32:
        """[statistics, channels of the whole array]; of a kernel, [statistics, stored filters]."""
        columns = len(self.channels) if self._main in ("values", "norms") else self._described
        if "stats" not in self._record.sections:
            return np.full((len(self.statistic_names), columns), np.nan, np.float32)
        return self._floats("stats", (len(self.statistic_names), columns))

    @property
    def span(self) -> tuple[Float32, Float32]:
        """The range that the codes of each stored channel span."""
        names = self.statistic_names
        if "low" not in names or "high" not in names:
            raise FormatError("the record has codes, but not the range that they span")
        return self.statistics[names.index("low"), self.channels], self.statistics[names.index("high"), self.channels]

    def error(self) -> Float32:
        """Bound of the error of each stored channel or filter."""
        if self.precision == "uint8":
            return tiles.quantisation_error(*self.span)
        if self.precision == "float16":
            return self._float16_error()
        return np.zeros(len(self.channels), np.float32)

    def norms(self) -> dict[str, Any]:
        """The fields of `Norms`."""
        filters, inputs = self.shape[:2]
        blocks = self._record.header.get("norms_reduced", [1, 1])
        if not _are_sizes(blocks) or len(blocks) != 2 or 0 in blocks:
            raise FormatError(f"norms_reduced is {blocks!r:.100}, not two whole numbers from 1")
        shape = -(-filters // blocks[0]), -(-inputs // blocks[1])
        first_step = self._record.header.get("first_step")
        sections = ("norms", "first_difference", "previous_difference")
        return {
            **{name: self._floats(name, shape) for name in sections if name in self._record.sections},
            "blocks": (blocks[0], blocks[1]),
            "slices": self._floats("slices", (filters, *self.shape[2:])),
            "slice_inputs": self._array("slice_inputs", np.dtype(np.int32), (filters,)),
            "first_step": first_step if type(first_step) is int else None,
        }

    def bias(self) -> Float32 | None:
        """[filters]; None if there is none."""
        return self._floats("bias", (len(self.channels),)) if "bias" in self._record.sections else None

    def text(self, key: str) -> str | None:
        """A text of the header; None if it has none of that key."""
        value = self._record.header.get(key)
        return value if isinstance(value, str) else None

    def _stored_shape(self, main: tuple[int, ...]) -> tuple[int, ...]:
        if self.has_norms:
            slices = self._record.sections.get("slices")
            filters = slices.shape[0] if slices is not None and slices.shape else 0
            return filters, *self.logged_shape[1:]
        if len(main) != len(self.logged_shape):
            raise FormatError(f"an array of shape {list(main)} is stored of one of shape {list(self.logged_shape)}")
        return main

    def _indices(self, key: str, count: int, below: int) -> Int64:
        """Indices of what is stored; the first ones where the header has none."""
        given = self._record.header.get(key)
        if given is None and count <= below:
            return np.arange(count, dtype=np.int64)
        if not _are_sizes(given) or len(given) != count or any(index >= below for index in given):
            raise FormatError(f"{key} are not {count} numbers below {below}")
        return np.array(given, np.int64)

    def _float16_error(self) -> Float32:
        finite = np.where(np.isfinite(self.pixels), abs(self.pixels), 0)
        largest = finite.max(axis=(0, *range(2, finite.ndim)), initial=0).astype(np.float64)
        bound = np.nextafter((largest * _FLOAT16_ROUNDING + _FLOAT16_SMALLEST).astype(np.float32), np.float32(np.inf))
        names = self.statistic_names
        extremes = [abs(self.statistics[names.index(name), self.channels]) for name in ("min", "max") if name in names]
        overflown = np.any([extreme >= _FLOAT16_OVERFLOW for extreme in extremes], axis=0)
        result: Float32 = np.where(overflown, np.float32(np.inf), bound)
        return result

    def _floats(self, name: str, shape: tuple[int, ...]) -> Float32:
        array: Float32 = self._array(name, np.dtype(np.float32), shape)
        return array

    def _array(self, name: str, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> Array:
        array = self._record.array(name)
        if array.shape != shape or array.dtype != dtype:
            raise FormatError(f"section {name!r} is {array.dtype} {list(array.shape)}, not {np.dtype(dtype)} {list(shape)}")
        return array


def _are_sizes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(size) is int and size >= 0 for size in value)
