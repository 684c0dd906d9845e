"""A layer's output, its inputs or a kernel in, the bytes of a picture out: joins statistics, pixels and the record format."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.layouts import (
    canonical_kernel,
    canonical_maps,
    effective_layout,
)
from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.format.record import Packed
from tb_featuremap_plugin.images import kernels, tiles
from tb_featuremap_plugin.images.few_pictures import few_sections
from tb_featuremap_plugin.images.options import FilterOptions, MapOptions
from tb_featuremap_plugin.measures.activations import measured as measuring
from tb_featuremap_plugin.measures.activations.measured import FewValues, Measured
from tb_featuremap_plugin.schema.columns import CHANNEL_COLUMNS, FILTER_COLUMNS, RANGE_COLUMNS

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

_WITH_RANGE = (CHANNEL_COLUMNS[0], RANGE_COLUMNS[0], CHANNEL_COLUMNS[1], RANGE_COLUMNS[1], *CHANNEL_COLUMNS[2:])
"""Rows that are mostly alike stand side by side, where deflate finds them."""


def maps_record(
    name: str,
    data: Array,
    options: MapOptions | None = None,
    *,
    statistics: Measured | None = None,
    ordinal: int | None = None,
    inputs: str | None = None,
) -> bytes:
    """The picture of what a layer puts out.

    Args:
        name: of the layer.
        data: in the layout of `options`.
        options: how to log it.
        statistics: of the whole batch; measured from `data` where not given.
        ordinal: counts the pictures of this series from 1.
        inputs: name of the `inputs` series that the maps were computed from.

    Raises:
        LayoutError: the layout does not fit `data`.
    """
    options = options or MapOptions()
    view = canonical_maps(data, options.layout)
    statistics = statistics or measuring.describe(view, options.activation)
    return view_record("maps", name, view, options, statistics, ordinal, inputs)


def inputs_record(name: str, data: Array, options: MapOptions | None = None, *, ordinal: int | None = None) -> bytes:
    """The picture of probe inputs; arguments as of `maps_record`.

    Raises:
        LayoutError: the layout does not fit `data`.
    """
    options = options or MapOptions()
    view = canonical_maps(data, options.layout)
    return view_record("inputs", name, view, options, measuring.describe(view), ordinal)


def filters_record(
    name: str,
    kernel: Array,
    options: FilterOptions | None = None,
    *,
    bias: Array | None = None,
    initial: Array | None = None,
    initial_step: float | None = None,
    previous: Array | None = None,
    ordinal: int | None = None,
    norm_side: int = kernels.LARGEST_NORM_SIDE,
) -> bytes:
    """The picture of a kernel.

    Args:
        name: of the variable.
        kernel: in the layout of `options`.
        options: how to log it.
        bias: [filters].
        initial, previous: the kernel's first value and the one before, of the same shape: a large kernel's differences are
            computed from them before anything is rounded.
        initial_step: training steps that were done when the first value was taken.
        ordinal: counts the pictures of this series from 1.
        norm_side: entries a side at most of the picture of norms of a large kernel.

    Raises:
        LayoutError: the layout does not fit `kernel`.
    """
    options = options or FilterOptions()
    whole = canonical_kernel(kernel, options.layout)
    view = whole[: options.max_filters]
    sections: dict[str, Array] = {"stats": kernels.filter_stats(view)}
    blocks: tuple[int, ...] | None = None
    if kernels.is_large(view.shape):
        others = {"first_difference": initial, "previous_difference": previous}
        differences = {
            key: canonical_kernel(other, options.layout)[: options.max_filters] for key, other in others.items() if other is not None
        }
        blocks, pictures = kernels.large_kernel(view, differences, norm_side)
        sections |= pictures
    else:
        sections["values"] = np.ascontiguousarray(view, np.float64 if tiles.needs_double(view) else np.float32)
    if bias is not None:
        sections["bias"] = np.ascontiguousarray(bias, np.float32).reshape(-1)[: len(view)]
    layout = effective_layout(options.layout, kernel.ndim)
    first_step = int(initial_step) if blocks is not None and initial is not None and initial_step is not None else None
    header = _filters_header(name, layout, whole.shape, options.description, options.layer, len(view), blocks, first_step)
    return record.encode(header, sections, ordinal)


@lru_cache(maxsize=512)
def _filters_header(
    name: str,
    layout: str,
    shape: tuple[int, ...],
    description: str | None,
    layer: str | None,
    filters: int,
    blocks: tuple[int, ...] | None,
    first_step: int | None,
) -> record.Header:
    optional = {"description": description or None, "layer": layer, "norms_reduced": blocks, "first_step": first_step}
    header: dict[str, Any] = {"kind": "filters", "name": name, "layout": layout, "shape": shape}
    header |= {key: value for key, value in optional.items() if value is not None}
    return record.shared_header(header | {"filters": list(range(filters)), "stats": FILTER_COLUMNS})


def view_record(
    kind: str,
    name: str,
    view: Array,
    options: MapOptions,
    statistics: Measured,
    ordinal: int | None = None,
    inputs: str | None = None,
    stored: tuple[int, ...] | None = None,
) -> bytes:
    """The picture of what a layer puts out, or of inputs, whose axes are in order.

    Args:
        kind: "maps" or "inputs".
        name: of the layer or input.
        view: [samples, channels, *space].
        options: how to log it; its layout is the one that the array had.
        statistics: of the whole batch.
        ordinal: counts the pictures of this series from 1.
        inputs: name of the `inputs` series that the maps were computed from.
        stored: channels whose pixels are stored, ascending; None for the first `max_channels`.
    """
    side = tiles.reduction(view.shape[2:])
    images, channels = min(len(view), int(options.max_images)), min(view.shape[1], int(options.max_channels))
    places = np.arange(channels) if stored is None else np.array(stored)
    if isinstance(statistics, FewValues) and options.precision == "uint8" and stored is None:
        names: tuple[str, ...] = _WITH_RANGE
        sections: Mapping[str, Array | Packed] = few_sections(statistics, channels, view.shape[2:])
    else:
        chosen = view[:images, :channels] if stored is None else view[:images][:, places]
        names, sections = _sections(tiles.average(chosen, side), view, options, statistics, places)
    shape = (statistics.samples, *view.shape[1:])
    layout = effective_layout(options.layout, view.ndim)
    header = _tiled_header(kind, name, layout, shape, options.description, options.activation, inputs, images, side, names, stored)
    return record.encode(header, sections, ordinal)


def _sections(
    chosen: Array, view: Array, options: MapOptions, statistics: Measured, places: Array
) -> tuple[tuple[str, ...], dict[str, Array]]:
    """Names of the statistics, and the sections of statistics and of the chosen pixels."""
    stats = measuring.channel_stats(statistics)
    if tiles.needs_double(chosen):
        return CHANNEL_COLUMNS, {"stats": stats, "pixels": np.ascontiguousarray(chosen, np.float64)}
    if options.precision == "uint8":
        span = _known_range(view, chosen, statistics, places) or tiles.measure_range(chosen)
        return _WITH_RANGE, {"stats": _with_range(stats, span, places), "pixels": tiles.quantise(chosen, span)}
    with np.errstate(over="ignore"):
        return CHANNEL_COLUMNS, {"stats": stats, "pixels": np.ascontiguousarray(chosen, options.precision)}


@lru_cache(maxsize=512)
def _tiled_header(
    kind: str,
    name: str,
    layout: str,
    shape: tuple[int, ...],
    description: str | None,
    activation: str | None,
    inputs: str | None,
    images: int,
    side: int,
    names: tuple[str, ...],
    stored: tuple[int, ...] | None,
) -> record.Header:
    optional = {"description": description or None, "activation": activation, "inputs": inputs, "channels": stored}
    header: dict[str, Any] = {"kind": kind, "name": name, "layout": layout, "shape": shape}
    header |= {key: value for key, value in optional.items() if value is not None}
    return record.shared_header(header | {"images": list(range(images)), "reduced": side, "stats": names})


def _known_range(view: Array, chosen: Array, statistics: Measured, places: Array) -> tiles.Range | None:
    """The range of the stored pixels, where they are all that was measured and float32 holds them; None where that is not so."""
    whole = tiles.is_narrow(view.dtype) and statistics.samples == len(chosen) and chosen.shape[2:] == view.shape[2:]
    extremes = measuring.extremes(statistics) if whole else None
    if extremes is None:
        return None
    low, high = extremes
    return tiles.Range(low[places], high[places], True)


def _with_range(stats: Float32, span: tiles.Range, places: Array) -> Float32:
    """The rows named `_WITH_RANGE`; channels that are not stored have no range."""
    table = np.empty((len(_WITH_RANGE), stats.shape[1]), np.float32)
    table[0], table[2], table[4:] = stats[0], stats[1], stats[2:]
    table[1:4:2] = np.nan
    table[1, places], table[3, places] = span.low, span.high
    return table
