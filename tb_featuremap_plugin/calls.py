"""The three logging calls: arguments checked and data taken while the caller waits, Summary values built whenever it suits.

`summary` (TensorFlow's default writer, the pure builders) and `writer` (our own) share them, so that all take the same arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin import arrays, layouts, metadata, pictures, values
from tb_featuremap_plugin.pictures import FilterOptions, MapOptions
from tb_featuremap_plugin.stats import activation as activations
from tb_featuremap_plugin.stats.variable import Change, variable_row

Array = npt.NDArray[Any]
Take = Callable[[object, str], Array]


@dataclass(frozen=True)
class FeatureMapsCall:
    """A call of `feature_maps` with its data at hand."""

    name: str
    data: Array
    inputs: Array | None
    options: MapOptions

    @classmethod
    def check(cls, name: str, data: object, inputs: object | None, options: MapOptions, take: Take) -> FeatureMapsCall:
        """Checks the arguments and takes the data.

        Raises:
            TypeError: `data` or `inputs` is no array.
            ValueError: an argument is not allowed.
        """
        check_name(name)
        array = take(data, "data")
        layouts.feature_map_axes(options.layout, array.ndim)
        call = cls(name, array, None if inputs is None else take(inputs, "inputs"), options)
        if call.inputs is not None:
            inputs_layout(options.layout, call.inputs.ndim)
        return call

    @property
    def nbytes(self) -> int:
        """Bytes that wait while the call is queued."""
        return self.data.nbytes + (0 if self.inputs is None else self.inputs.nbytes)

    def build(self, ordinal: int | None = None, inputs_ordinal: int | None = None) -> list[values.Value]:
        """The picture, the layer's row, and the inputs' picture if there are inputs."""
        options = self.options
        statistics = activations.measure(layouts.canonical_maps(self.data, options.layout), options.activation)
        inputs = None if self.inputs is None else self.name
        blob = pictures.maps_record(self.name, self.data, options, statistics=statistics, ordinal=ordinal, inputs=inputs)
        built = values.picture_values("maps", self.name, blob, ordinal=ordinal, description=options.description)
        row = activations.layer_row(statistics, np.nan if ordinal is None else ordinal)
        built.append(values.table_value(metadata.row_tag(metadata.LAYERS_TAG, self.name), row[None, :], options.description))
        if self.inputs is not None:
            layout = inputs_layout(options.layout, self.inputs.ndim)
            shown = MapOptions(layout=layout, max_images=options.max_images, max_channels=options.max_channels, precision=options.precision)
            blob = pictures.inputs_record(self.name, self.inputs, shown, ordinal=inputs_ordinal)
            built += values.picture_values("inputs", self.name, blob, ordinal=inputs_ordinal)
        return built


@dataclass(frozen=True)
class FiltersCall:
    """A call of `filters` with its data at hand."""

    name: str
    kernel: Array
    bias: Array | None
    options: FilterOptions

    @classmethod
    def check(cls, name: str, kernel: object, bias: object | None, options: FilterOptions, take: Take) -> FiltersCall:
        """Checks the arguments and takes the data.

        Raises:
            TypeError: `kernel` or `bias` is no array.
            ValueError: an argument is not allowed.
        """
        check_name(name)
        array = take(kernel, "kernel")
        layouts.kernel_axes(options.layout, array.ndim)
        return cls(name, array, None if bias is None else take(bias, "bias"), options)

    @property
    def nbytes(self) -> int:
        """Bytes that wait while the call is queued."""
        return self.kernel.nbytes + (0 if self.bias is None else self.bias.nbytes)

    def build(self, ordinal: int | None = None) -> list[values.Value]:
        """The picture."""
        blob = pictures.filters_record(self.name, self.kernel, self.options, bias=self.bias, ordinal=ordinal)
        return values.picture_values("filters", self.name, blob, ordinal=ordinal, description=self.options.description)


@dataclass(frozen=True)
class WeightChangeCall:
    """A call of `weight_change` with its data at hand."""

    name: str
    value: Array
    change: Change
    trainable: bool
    dtype: str
    description: str | None

    @classmethod
    def check(
        cls, name: str, value: object, others: dict[str, object | None], gap: float, trainable: bool, description: str | None, take: Take
    ) -> WeightChangeCall:
        """Checks the arguments and takes the data.

        Args:
            others: "previous", "initial", "previous_update" and "gradient"; None where not given.

        Raises:
            TypeError: one of them is no array.
            ValueError: an argument is not allowed.
        """
        check_name(name)
        array = take(value, "value")
        taken = {key: _take_alike(other, key, array.shape, take) for key, other in others.items() if other is not None}
        return cls(name, array, Change(gap=gap, **taken), bool(trainable), arrays.dtype_name(value), description)

    @property
    def nbytes(self) -> int:
        """Bytes that wait while the call is queued."""
        change = self.change
        others = (change.previous, change.initial, change.previous_update, change.gradient)
        return self.value.nbytes + sum(other.nbytes for other in others if other is not None)

    def build(self, ordinal: int | None = None) -> list[values.Value]:
        """The variable's row."""
        row = variable_row(
            self.value, self.change, trainable=self.trainable, dtype=self.dtype, ordinal=np.nan if ordinal is None else ordinal
        )
        return [values.table_value(metadata.row_tag(metadata.VARIABLES_TAG, self.name), row[None, :], self.description)]


def inputs_layout(layout: str, ndim: int) -> str:
    """The layout of probe inputs beside maps of `layout`: the same order of channels and space, with the axes that the inputs have.

    Raises:
        LayoutError: inputs have no `ndim` axes.
    """
    channels_first = layout.startswith("NC") and layout != "NC"
    known = {
        2: "NC",
        3: "NCW" if channels_first else "NWC",
        4: "NCHW" if channels_first else "NHWC",
        5: "NCDHW" if channels_first else "NDHWC",
    }
    if ndim not in known:
        raise layouts.LayoutError(f"inputs have {ndim} axes; allowed are {sorted(known)}")
    return known[ndim]


def check_name(name: object) -> None:
    """Refuses what cannot be part of a tag.

    Raises:
        TypeError: it is no string.
        ValueError: it is empty.
    """
    if not isinstance(name, str):
        raise TypeError(f"name is a {type(name).__name__}; allowed are strings")
    if not name:
        raise ValueError("name is empty; allowed are strings of at least one character")


def _take_alike(tensor: object, name: str, shape: tuple[int, ...], take: Take) -> Array:
    array = take(tensor, name)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; value has {shape}, and they must be equal")
    return array
