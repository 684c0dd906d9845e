"""How the axes of logged arrays are arranged: what the caller said, else the data format's usual way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.layouts import UNKNOWN_LAYOUT, canonical_maps
from tb_featuremap_plugin.measures.activations.accumulator import ActivationAccumulator
from tb_featuremap_plugin.measures.activations.measure import measure
from tb_featuremap_plugin.measures.activations.measured import Measured, describe
from tb_featuremap_plugin.schema.columns import INPUTS_ROW, LAYER_COLUMNS, TARGETS_ROW
from tb_featuremap_plugin.schema.layer_kinds import ATTENTION, CONVOLUTIONS, DENSE, DEPTHWISE, EMBEDDING, TRANSPOSED, family_of, leaf_of
from tb_featuremap_plugin.schema.network import Layer

Array = npt.NDArray[Any]

CHANNELS_LAST, CHANNELS_FIRST = DATA_FORMATS = ("channels_last", "channels_first")

_MAPS = {
    CHANNELS_LAST: {2: "NC", 3: "NWC", 4: "NHWC", 5: "NDHWC"},
    CHANNELS_FIRST: {2: "NC", 3: "NCW", 4: "NCHW", 5: "NCDHW"},
}
_KERNELS = {
    CHANNELS_LAST: {2: "IO", 3: "WIO", 4: "HWIO", 5: "DHWIO"},
    CHANNELS_FIRST: {2: "OI", 3: "OIW", 4: "OIHW", 5: "OIDHW"},
}
OTHERS = "*"
_SWAPPED = str.maketrans("IO", "OI")
_MOST_AXES = 5


class LayerLayouts:
    """Layouts of activations and kernels.

    Args:
        layouts: a data format, or a mapping from names to layouts, with the data format of all others under "*".
    """

    def __init__(self, layouts: str | Mapping[str, str]) -> None:
        self._format = layouts if isinstance(layouts, str) else layouts.get(OTHERS, CHANNELS_LAST)
        self._named: Mapping[str, str] = {} if isinstance(layouts, str) else layouts

    def maps(self, name: str, data: Array, layer: Layer | None = None) -> tuple[Array, str]:
        """An activation as an array that has a layout, and the layout: what the user said, or the layer says, or else the usual one.

        What is no feature map is flattened to [samples, units]; an array of unknown axes comes back with the layout "unknown".
        """
        named = self._named.get(name) or (layer.layout if layer is not None else None)
        if named is not None:
            return data, named
        if not 2 <= data.ndim <= _MOST_AXES:
            samples = data.shape[0] if data.ndim else 1
            data = data.reshape(samples, math.prod(data.shape[1:]))
        return data, _MAPS[self._format][data.ndim]

    def inputs(self, name: str, data: Array) -> tuple[Array, str]:
        """As `maps`, of probe inputs, which may be called as a layer is: under "@inputs/<name>", or else under their name."""
        row = f"{INPUTS_ROW}/{name}"
        return self.maps(row if row in self._named else name, data)

    def is_unknown(self, name: str, layer: Layer | None) -> bool:
        """Whether it is not known which of an activation's axes are samples and channels."""
        return (self._named.get(name) or (layer.layout if layer is not None else None)) == UNKNOWN_LAYOUT

    def kernel(self, name: str, ndim: int, layer: Layer | None) -> str | None:
        """The layout of a variable that is a kernel; None for biases, scales and what is neither dense nor a convolution."""
        if name in self._named:
            return self._named[name] if self._named[name] != UNKNOWN_LAYOUT else None
        kind = layer.kind if layer is not None else None
        family = family_of(kind)
        if not 2 <= ndim <= _MOST_AXES or (ndim > 2 and _is_no_picture(kind, family, ndim)):
            return None
        layout = _KERNELS[self._format][ndim]
        if self._format == CHANNELS_LAST and ndim > 2 and (family == DEPTHWISE or leaf_of(name) == "depthwise_kernel"):
            return layout.replace("O", "M")
        swapped = family == TRANSPOSED if ndim > 2 else self._format == CHANNELS_FIRST and family == EMBEDDING
        return layout.translate(_SWAPPED) if swapped else layout


def _is_no_picture(kind: str | None, family: str, ndim: int) -> bool:
    """Attention and recurrent layers have weights of three axes that are not one-dimensional convolutions."""
    return family in (ATTENTION, DENSE) or (ndim == 3 and bool(kind) and family not in CONVOLUTIONS)


def ungrouped(kernel: Array, layout: str, layer: Layer | None) -> tuple[Array, str]:
    """A kernel with one axis for all its filters and one for their inputs, and its layout.

    A grouped transposed kernel [inputs, filters / groups, *space] becomes [filters, inputs / groups, *space], and one whose filters or
    inputs lie on several axes, such as [inputs, heads, filters of a head] ("IOO"), is put together. Others are returned as they are.
    """
    if len(set(layout)) < len(layout):
        return _put_together(kernel, layout)
    groups = (layer.groups or 1) if layer is not None else 1
    if groups == 1 or not layout.startswith("IO") or kernel.shape[0] % groups:
        return kernel, layout
    inputs, filters, *space = kernel.shape
    split = kernel.reshape(groups, inputs // groups, filters, *space)
    return np.moveaxis(split, 1, 2).reshape(groups * filters, inputs // groups, *space), layout.translate(_SWAPPED)


def _put_together(kernel: Array, layout: str) -> tuple[Array, str]:
    letters = "".join(dict.fromkeys(layout))
    axes = [[at for at, other in enumerate(layout) if other == letter] for letter in letters]
    shape = [math.prod(kernel.shape[at] for at in own) for own in axes]
    return kernel.transpose([at for own in axes for at in own]).reshape(shape), letters


Arrays = Mapping[str, npt.NDArray[Any]]


def rows_of_batch(inputs: Arrays, targets: Arrays) -> dict[str, npt.NDArray[Any]]:
    """The rows that describe the probe batch itself: of several inputs the first is "@inputs", others are "@inputs/<name>"."""
    return {**_rows(INPUTS_ROW, inputs), **_rows(TARGETS_ROW, targets)}


def measured(layouts: LayerLayouts, name: str, array: npt.NDArray[Any], layer: Layer | None) -> Measured:
    """Statistics of one row of the layers' table; those of an array of unknown axes are over all its entries.

    Args:
        layouts: says the layout.
        name: of the row.
        array: as logged.
        layer: that the row is of; None if unknown.
    """
    shaped, layout = layouts.maps(name, array, layer)
    return describe(_in_order(shaped, layout), layer.function if layer is not None else None)


def mergeable(layouts: LayerLayouts, name: str, array: npt.NDArray[Any], layer: Layer | None) -> ActivationAccumulator:
    """As `measured`, with what joining over workers needs."""
    shaped, layout = layouts.maps(name, array, layer)
    return measure(_in_order(shaped, layout), layer.function if layer is not None else None, mergeable=True)


_BY_AXIS = (
    *("samples", "units", "dead_units", "constant_units", "saturated_units", "input_share"),
    *("channel_sum_min", "channel_sum_max", "top_share"),
)
"""Columns that say something of samples or channels."""


def without_axes(row: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The row of a layer whose axes are unknown: what it says of samples and channels is not known."""
    known: npt.NDArray[np.float32] = row.copy()
    known[[LAYER_COLUMNS.index(column) for column in _BY_AXIS]] = np.nan
    return known


def _in_order(array: npt.NDArray[Any], layout: str) -> npt.NDArray[Any]:
    """[samples, channels, *space]; all entries as samples of one channel where the axes are unknown."""
    return array.reshape(-1, 1) if layout == UNKNOWN_LAYOUT else canonical_maps(array, layout)


def _rows(row: str, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    return {row if index == 0 else f"{row}/{name}": array for index, (name, array) in enumerate(arrays.items())}
