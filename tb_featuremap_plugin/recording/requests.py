"""The three logging calls: arguments checked and data taken while the caller waits, Summary values built whenever it suits.

`summary` (TensorFlow's default writer, the pure builders) and `writer` (our own) share them, so that all take the same arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays import layouts, tensors
from tb_featuremap_plugin.format.values import Value, picture_values, row_value, table_value
from tb_featuremap_plugin.images import pictures
from tb_featuremap_plugin.images.options import FilterOptions, MapOptions, check_text
from tb_featuremap_plugin.measures.activations.measured import describe, layer_numbers
from tb_featuremap_plugin.measures.weights.variable import Change, variable_row
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.errors import LayoutError

Array = npt.NDArray[Any]
_CALL_BYTES = 2048
"""What a call that waits takes beside its arrays' numbers: measured, 1.6 KB of objects for a map and 2.1 KB for a variable."""

Take = Callable[[object, str], Array]
"""`tensors.to_numpy` where values are built at once, `tensors.snapshot` where the caller goes on in the meantime."""


@dataclass(frozen=True)
class FeatureMapsRequest:
    """A call of `feature_maps` with its data at hand."""

    name: str
    data: Array
    inputs: Array | None
    options: MapOptions

    @classmethod
    def check(cls, name: str, data: object, inputs: object | None, options: MapOptions, take: Take) -> FeatureMapsRequest:
        """Checks the arguments and takes the data.

        Raises:
            TypeError: `data` or `inputs` is no array.
            ValueError: an argument is not allowed.
        """
        _check_name(name)
        array = take(data, "data")
        _check_layout("data", array, options.layout, layouts.feature_map_axes)
        taken = None if inputs is None else take(inputs, "inputs")
        if taken is not None:
            _check_layout("inputs", taken, options.layout, layouts.inputs_layout)
            if len(taken) != len(array):
                raise ValueError(f"inputs has {len(taken)} samples, data has {len(array)}; they must be of the same samples")
        return cls(name, array, taken, options)

    @property
    def nbytes(self) -> int:
        """Bytes that wait while the call is queued."""
        return _CALL_BYTES + self.data.nbytes + (0 if self.inputs is None else self.inputs.nbytes)

    def build(self, ordinal: int | None = None, inputs_ordinal: int | None = None) -> list[Value]:
        """The picture, the layer's row, and the inputs' picture if there are inputs."""
        options = self.options
        view = layouts.canonical_maps(self.data, options.layout)
        shown_for = None if self.inputs is None else self.name
        with np.errstate(all="ignore"):
            statistics = describe(view, options.activation)
            row = layer_numbers(statistics, math.nan if ordinal is None else ordinal)  # first, while what it reads is in the cache
            blob = pictures.view_record("maps", self.name, view, options, statistics, ordinal, shown_for)
        return [
            *picture_values("maps", self.name, blob, ordinal=ordinal, description=options.description),
            row_value(tags.row_tag(tags.LAYERS_TAG, self.name), row, options.description),
            *self._build_inputs(inputs_ordinal),
        ]

    def _build_inputs(self, ordinal: int | None) -> list[Value]:
        if self.inputs is None:
            return []
        given = self.options
        layout = layouts.inputs_layout(given.layout, self.inputs.ndim)
        options = MapOptions(layout, max_images=given.max_images, max_channels=given.max_channels, precision=given.precision)
        with np.errstate(all="ignore"):
            blob = pictures.inputs_record(self.name, self.inputs, options, ordinal=ordinal)
        return picture_values("inputs", self.name, blob, ordinal=ordinal)


@dataclass(frozen=True)
class FiltersRequest:
    """A call of `filters` with its data at hand."""

    name: str
    kernel: Array
    bias: Array | None
    options: FilterOptions

    @classmethod
    def check(cls, name: str, kernel: object, bias: object | None, options: FilterOptions, take: Take) -> FiltersRequest:
        """Checks the arguments and takes the data.

        Raises:
            TypeError: `kernel` or `bias` is no array.
            ValueError: an argument is not allowed.
        """
        _check_name(name)
        array = take(kernel, "kernel")
        _check_layout("kernel", array, options.layout, layouts.kernel_axes)
        filters = layouts.filter_count(options.layout, array.shape)
        taken = None if bias is None else take(bias, "bias")
        if taken is not None and taken.shape != (filters,):
            raise ValueError(f"bias has shape {taken.shape}; the kernel has {filters} filters, so ({filters},) is allowed")
        return cls(name, array, taken, options)

    @property
    def nbytes(self) -> int:
        """Bytes that wait while the call is queued."""
        return _CALL_BYTES + self.kernel.nbytes + (0 if self.bias is None else self.bias.nbytes)

    def build(self, ordinal: int | None = None) -> list[Value]:
        """The picture."""
        with np.errstate(all="ignore"):
            blob = pictures.filters_record(self.name, self.kernel, self.options, bias=self.bias, ordinal=ordinal)
        return picture_values("filters", self.name, blob, ordinal=ordinal, description=self.options.description)


@dataclass(frozen=True)
class WeightOptions:
    """How the change of a variable is logged.

    Attributes:
        layer: name of the layer it belongs to.
        trainable: whether training is meant to change it.
        description: Markdown.

    Raises:
        TypeError: a text is not a string.
    """

    layer: str | None = None
    trainable: bool = True
    description: str | None = None

    def __post_init__(self) -> None:
        check_text("layer", self.layer)
        check_text("description", self.description)
        object.__setattr__(self, "trainable", bool(self.trainable))


class WeightKeywords(TypedDict, total=False):
    """The same as keyword arguments; see `WeightOptions`."""

    layer: str | None
    trainable: bool
    description: str | None


@dataclass(frozen=True)
class WeightChangeRequest:
    """A call of `weight_change` with its data at hand."""

    name: str
    value: Array
    change: Change
    options: WeightOptions
    dtype: str

    @classmethod
    def check(
        cls,
        name: str,
        value: object,
        others: Mapping[str, object | None],
        gap: int,
        options: WeightOptions,
        take: Take,
    ) -> WeightChangeRequest:
        """Checks the arguments and takes the data.

        Args:
            others: "previous", "initial", "previous_update" and "gradient"; None where not given.

        Raises:
            TypeError: one of them is not an array.
            ValueError: an argument is not allowed.
        """
        _check_name(name)
        if gap < 1:
            raise ValueError(f"the gap from the previous step is {gap}; allowed are whole numbers from 1")
        array = take(value, "value")
        taken: dict[str, Any] = {key: _take_alike(other, key, array.shape, take) for key, other in others.items() if other is not None}
        return cls(name, array, Change(gap=gap, **taken), options, tensors.dtype_name(value))

    @property
    def nbytes(self) -> int:
        """Bytes that wait while the call is queued."""
        return _CALL_BYTES + self.value.nbytes + sum(other.nbytes for other in self.change.compared().values())

    def build(self, ordinal: int | None = None) -> list[Value]:
        """The variable's row."""
        counted = math.nan if ordinal is None else ordinal
        row = variable_row(self.value, self.change, trainable=self.options.trainable, dtype=self.dtype, ordinal=counted)
        return [table_value(tags.row_tag(tags.VARIABLES_TAG, self.name), row[None, :], self.options.description, self.options.layer)]


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"name is a {type(name).__name__}; allowed are strings")
    if not name:
        raise ValueError("name is empty; allowed are strings of at least one character")


def _check_layout(name: str, array: Array, layout: str, check: Callable[[str, int], object]) -> None:
    try:
        check(layout, array.ndim)
    except LayoutError as error:
        raise LayoutError(f"{name} has shape {array.shape}: {error}") from None


def _take_alike(tensor: object, name: str, shape: tuple[int, ...], take: Take) -> Array:
    array = take(tensor, name)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; value has {shape}, and they must be equal")
    return array
