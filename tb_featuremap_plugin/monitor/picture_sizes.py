"""How many bytes a picture may take, from shapes alone: before compression, so that it is never more."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.layouts import canonical_kernel
from tb_featuremap_plugin.images import kernels, tiles
from tb_featuremap_plugin.images.options import FilterOptions, MapOptions
from tb_featuremap_plugin.monitor.layer_layouts import ungrouped
from tb_featuremap_plugin.monitor.picture_budget import Demand, NormsDemand, TiledDemand
from tb_featuremap_plugin.schema.columns import CHANNEL_COLUMNS, FILTER_COLUMNS, RANGE_COLUMNS
from tb_featuremap_plugin.schema.network import Layer

_FRAME_BYTES = 1024
"""Header of a picture, its tag and metadata, and what gzip adds to bytes that it cannot make fewer."""

_NAMED_BYTES = 8
"""Of a channel's or a filter's number in the header."""

_FLOAT = 4

_ROW_BYTES = 120
"""Of a layer or variable in the run record, beside its name."""


def maps_demand(key: str, shape: tuple[int, ...], options: MapOptions, *, first: bool) -> TiledDemand:
    """Of feature maps or inputs.

    Args:
        key: kind and name.
        shape: [samples, channels, *space].
        options: how they are logged.
        first: whether it is the first of its series, which is written twice.
    """
    samples, channels, *space = shape
    side = tiles.reduction(tuple(space))
    tile = math.prod(-(-size // side) for size in space) * np.dtype(options.precision).itemsize
    rows = len(CHANNEL_COLUMNS) + len(RANGE_COLUMNS)
    fixed = _FRAME_BYTES + channels * _FLOAT * rows + min(channels, options.max_channels) * _NAMED_BYTES
    units, images = min(channels, options.max_channels), max(1, min(samples, options.max_images))
    return TiledDemand(key, units, images, tile, fixed, 0, 1 + first)


def filters_demand(key: str, shape: tuple[int, ...], layout: str, layer: Layer | None, differences: int, *, first: bool) -> Demand:
    """Of a kernel.

    Args:
        key: kind and name.
        shape: as it is kept.
        layout: of its axes.
        layer: that it belongs to; None if unknown.
        differences: earlier values that it is compared with.
        first: as of `maps_demand`.
    """
    filters, inputs, *space = canonical_shape(shape, layout, (layer.groups if layer is not None else None) or 1)
    units = min(filters, FilterOptions.max_filters)
    fixed = _FRAME_BYTES + units * (_FLOAT * (len(FILTER_COLUMNS) + 1) + _NAMED_BYTES)
    if not kernels.is_large((units, inputs, *space)):
        return TiledDemand(key, units, 1, _FLOAT * inputs * math.prod(space), fixed, 0, 1 + first)
    fixed += _FLOAT * units * (1 + math.prod(space))
    return NormsDemand(key, units, inputs, 1 + differences, kernels.LARGEST_NORM_SIDE, fixed, 0, 1 + first)


@lru_cache(maxsize=4096)
def canonical_shape(shape: tuple[int, ...], layout: str, groups: int) -> tuple[int, ...]:
    """[filters, inputs, *space] of a kernel of this shape, layout and number of groups."""
    nothing: npt.NDArray[Any] = np.broadcast_to(np.zeros((), np.int8), shape)
    arranged, layout = ungrouped(nothing, layout, Layer("any", groups=groups))
    return canonical_kernel(arranged, layout).shape


def numbers_bytes(layers: int, variables: int, columns: tuple[int, int]) -> int:
    """About the bytes of the tables and of the run record.

    Args:
        layers, variables: rows.
        columns: of both tables.
    """
    return 2 * _FRAME_BYTES + _FLOAT * (layers * columns[0] + variables * columns[1]) + _ROW_BYTES * (layers + variables)
