"""A stored picture as the tab draws it by default: which tiles, which limits, which colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tb_featuremap_plugin.drawing.colours import Bytes, ColourMap, Float64, natural, shaded, signed, table
from tb_featuremap_plugin.drawing.limits import Limits, extents, hull, symmetric, widened
from tb_featuremap_plugin.drawing.mosaic import Size, lay_out, mosaic
from tb_featuremap_plugin.format.record import Array
from tb_featuremap_plugin.logs.stored import Stored
from tb_featuremap_plugin.schema.answers import PictureKind
from tb_featuremap_plugin.schema.pictures import NAN_CODE, NEG_INF_CODE, POS_INF_CODE, TOP_CODE

_WIDTH, _GOOD_HEIGHT, _MOST_LINES = 800, 640, 2048
_MOST_PIXELS = 1 << 25
"""What `Monitor` and `Writer` store stays far below; other records need not."""

_LONGEST_SIDE = 1024
"""Of a picture of in by out; of a larger one blocks are averaged."""


@dataclass(frozen=True)
class Scale:
    """What the colours of all tiles mean."""

    colours: Bytes
    low: float
    high: float


@dataclass(frozen=True)
class Drawn:
    """A drawing.

    Attributes:
        pixels: [height, width, 4], see-through in the gaps.
        left_out: tiles that had no room.
        scale: None where each tile has its own, or three numbers make a colour.
    """

    pixels: Bytes
    left_out: int
    scale: Scale | None


@dataclass(frozen=True)
class _View:
    """`paint(count)` has the colours of the first tiles, [count, slices, rows, columns, 3]."""

    size: Size
    paint: Callable[[int], Bytes]
    scale: Scale | None = None


def draw(stored: Stored, kind: PictureKind, image: int) -> Drawn:
    """Draws the tiles in the order in which they are stored, as far as there is room.

    Args:
        stored: the picture.
        kind: of it.
        image: which stored sample of maps and inputs.

    Raises:
        IndexError: there are not so many samples.
        ValueError: the stored bytes are damaged; or there is nothing to draw, or too much.
    """
    if 0 in stored.shape:
        raise ValueError(f"there is nothing to draw in an array of shape {list(stored.shape)}")
    view = _filters(stored) if kind == "filters" else _maps(stored, image) if kind == "maps" else _inputs(stored, image)
    layout = lay_out(view.size, _WIDTH, _GOOD_HEIGHT)
    shown = layout.fitting(_MOST_LINES)
    if math.prod(layout.extent(shown)) > _MOST_PIXELS:
        raise ValueError(f"tiles of {layout.tile_width:,} x {layout.tile_height:,} pixels are too large to draw")
    return Drawn(mosaic(layout, view.paint(shown)), view.size.count - shown, view.scale)


def _maps(stored: Stored, image: int) -> _View:
    pixels = _tiles(stored.pixels[image])
    single = pixels[:1].size == 1  # which has no range of its own
    limits = widened(hull(_stored_extents(stored)) if single else _stored_extents(stored))
    return _view(pixels, limits, "viridis", shared=single, span=_span(stored))


def _inputs(stored: Stored, image: int) -> _View:
    pixels = _tiles(stored.pixels[image])
    limits = widened(hull(_stored_extents(stored)))
    span = _span(stored)
    if len(pixels) != 3:
        return _view(pixels[:1], limits, "grey", shared=True, span=span)
    values = _decoded(span)[np.arange(3)[:, None, None, None], pixels] if span else pixels.astype(np.float64)
    triples = np.moveaxis(values, 0, -1)[None]
    return _View(Size(1, *pixels.shape[1:]), lambda _: natural(triples, limits.low[0], limits.high[0]))


def _filters(stored: Stored) -> _View:
    if stored.has_norms:
        return _matrix(stored.norms()["norms"].astype(np.float64), is_signed=False)
    values = stored.pixels.astype(np.float64)
    _, inputs, *space = values.shape
    if not space:
        return _matrix(values, is_signed=True)
    if inputs == 1 or len(space) == 1:
        tiles = _tiles(values[:, 0]) if inputs == 1 else values[:, None]
        return _view(tiles, widened(symmetric(hull(extents(tiles)))), "diverging", shared=True)
    if inputs == 3 and len(space) == 2:
        return _colours(values)
    norms = np.sqrt((values**2).sum(axis=tuple(range(2, values.ndim))))
    return _matrix(norms.astype(np.float32).astype(np.float64), is_signed=False)


def _colours(kernel: Float64) -> _View:
    """Three inputs as red, green and blue."""
    bound = float(widened(symmetric(hull(extents(kernel)))).high[0]) if len(kernel) else 0.0
    triples = np.moveaxis(kernel, 1, -1)[:, None]
    return _View(Size(len(kernel), *triples.shape[1:-1]), lambda count: signed(triples[:count], bound))


def _matrix(values: Float64, *, is_signed: bool) -> _View:
    """[filters, inputs] as one tile: the longer side lies down where it is much longer."""
    filters, inputs = values.shape
    picture = values.T if inputs <= 2 * filters else values
    for axis in (0, 1):
        picture = _block_means(picture, math.ceil(picture.shape[axis] / _LONGEST_SIDE), axis)
    tile = picture.astype(np.float32).astype(np.float64)[None, None]
    reached = extents(tile)
    limits = symmetric(reached) if is_signed else Limits(np.zeros(1), reached.high)
    return _view(tile, widened(limits), "diverging" if is_signed else "cividis", shared=True)


def _block_means(values: Float64, side: int, axis: int) -> Float64:
    if side <= 1:
        return values
    starts = np.arange(0, values.shape[axis], side)
    counts = np.diff([*starts, values.shape[axis]])
    result: Float64 = np.add.reduceat(values, starts, axis) / (counts[:, None] if axis == 0 else counts)
    return result


def _view(tiles: Array, limits: Limits, colours: ColourMap, *, shared: bool, span: Limits | None = None) -> _View:
    """Tiles between limits of their own; codes where there is a `span`."""
    colour_map = table(colours)

    def paint(count: int) -> Bytes:
        low, high = limits.low[:count], limits.high[:count]
        if span is None:
            column = (-1, 1, 1, 1)
            return shaded(tiles[:count].astype(np.float64), low.reshape(column), high.reshape(column), colour_map)
        of_code = shaded(_decoded(span)[:count], low[:, None], high[:, None], colour_map)
        result: Bytes = of_code[np.arange(count)[:, None, None, None], tiles[:count]]
        return result

    scale = Scale(colour_map, float(limits.low[0]), float(limits.high[0])) if shared and len(limits.low) else None
    return _View(Size(len(tiles), *tiles.shape[1:]), paint, scale)


def _tiles(values: Array) -> Array:
    """[tiles, *space] as [tiles, slices, rows, columns]."""
    rows, columns = _rows_and_columns(values.shape[1:])
    slices = math.prod(values.shape[1:-2])
    return values.reshape(len(values), slices, rows, columns)


def _rows_and_columns(space: Sequence[int]) -> tuple[int, int]:
    rows, columns = (1, 1, *space)[-2:]
    return rows, columns


def _stored_extents(stored: Stored) -> Limits:
    """Of each stored channel over all stored images, so that all of them have one scale."""
    if {"low", "high"} <= set(stored.statistic_names):
        low, high = (bound.astype(np.float64) for bound in stored.span)
        known = low <= high
        return Limits(np.where(known, low, np.nan), np.where(known, high, np.nan))
    pixels: Any = np.moveaxis(stored.pixels, 1, 0)
    return extents(pixels.astype(np.float64))


def _span(stored: Stored) -> Limits | None:
    """What codes span, of each stored channel; None where values are stored as they are."""
    if stored.precision != "uint8":
        return None
    low, high = stored.span
    return Limits(low.astype(np.float64), high.astype(np.float64))


def _decoded(span: Limits) -> Float64:
    """What each code of each channel stands for, [channels, 256], in float64 as in the tab: float32 would round some to the next colour."""
    low, high = span.low[:, None], span.high[:, None]
    with np.errstate(all="ignore"):
        values: Float64 = low + (high - low) * np.arange(256.0) / TOP_CODE
    values[:, TOP_CODE] = np.where(high == low, low, high)[:, 0]
    values[:, [NEG_INF_CODE, POS_INF_CODE, NAN_CODE]] = -np.inf, np.inf, np.nan
    return values
