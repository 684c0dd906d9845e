"""Where tiles stand: a grid with see-through gaps of one pixel, every value a square of a whole number of pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.drawing.colours import MARKS, Bytes

_MAX_ZOOM = 64
_MAX_DOT = 32
_MAX_TILE_SIDE = 168
_MIN_STRIP_HEIGHT = 14
_GAP = 1
_SIGN_ZOOM = 6
"""From this many pixels a value on, marks carry a sign as well as a colour."""

_SIGNS: dict[str, Callable[[npt.NDArray[np.intp], npt.NDArray[np.intp], int], npt.NDArray[np.bool_]]] = {
    "nan": lambda x, y, side: (x == y) | (x + y == side - 1),
    "posInf": lambda x, y, side: (x == side >> 1) | (y == side >> 1),
    "negInf": lambda x, y, side: (y == side >> 1) & (x >= 0),
    "high": lambda x, y, side: (y == 1) & (x >= 0),
    "low": lambda x, y, side: (y == side - 2) & (x >= 0),
}


@dataclass(frozen=True)
class Size:
    """So many tiles, each of slices (which stand side by side within it), rows and columns of values."""

    count: int
    slices: int
    rows: int
    columns: int


@dataclass(frozen=True)
class Layout:
    """A grid of tiles; sizes are in pixels where they are not counts."""

    size: Size
    zoom_x: int
    zoom_y: int
    slice_columns: int
    tile_width: int
    tile_height: int
    tile_columns: int

    def origin(self, place: int, part: int) -> tuple[int, int]:
        """Line and column of pixels at which a slice of a tile begins."""
        row, column = divmod(place, self.tile_columns)
        slice_row, slice_column = divmod(part, self.slice_columns)
        top = row * (self.tile_height + _GAP) + slice_row * (self.size.rows * self.zoom_y + _GAP)
        return top, column * (self.tile_width + _GAP) + slice_column * (self.size.columns * self.zoom_x + _GAP)

    def fitting(self, lines: int) -> int:
        """How many of the tiles stand in the rows that so many lines of pixels hold, at least those of one row."""
        return min(self.size.count, self.tile_columns * max(1, (lines + _GAP) // (self.tile_height + _GAP)))

    def extent(self, tiles: int) -> tuple[int, int]:
        """Height and width in pixels of the first tiles."""
        height = math.ceil(tiles / self.tile_columns) * (self.tile_height + _GAP) - _GAP
        return max(0, height), max(0, self.tile_columns * (self.tile_width + _GAP) - _GAP)


def lay_out(size: Size, width: int, height: int) -> Layout:
    """The layout with the largest squares that fit into so many pixels, as far as any do."""
    longest = max(size.rows, size.columns * _slice_columns(size), 1)
    side = _MAX_DOT if longest == 1 else width if size.count == 1 else _MAX_TILE_SIDE
    largest = min(_MAX_ZOOM, side // longest, width // (max(1, size.columns) * _slice_columns(size)))
    for zoom in range(largest, 1, -1):
        layout = _arrange(size, width, zoom)
        if layout.extent(size.count)[0] <= height:
            return layout
    return _arrange(size, width, 1)


def mosaic(layout: Layout, tiles: Bytes) -> Bytes:
    """The picture, [height, width, 4], see-through in the gaps.

    Args:
        layout: of these tiles, or of more.
        tiles: colours, [tiles, slices, rows, columns, 3].
    """
    target = np.zeros((*layout.extent(len(tiles)), 4), np.uint8)
    height, width = layout.size.rows * layout.zoom_y, layout.size.columns * layout.zoom_x
    for place, tile in enumerate(tiles):
        for part, colours in enumerate(tile):
            top, left = layout.origin(place, part)
            block = target[top : top + height, left : left + width]
            block[..., :3] = colours.repeat(layout.zoom_y, axis=0).repeat(layout.zoom_x, axis=1)
            block[..., 3] = 255
            _stamp_signs(block, colours, layout.zoom_y, layout.zoom_x)
    return target


def _stamp_signs(block: Bytes, colours: Bytes, zoom_y: int, zoom_x: int) -> None:
    """NaN is crossed out, infinities carry a plus or a minus, values outside of limits a line at the end that they exceed."""
    side = min(zoom_y, zoom_x)
    if side < _SIGN_ZOOM:
        return
    y, x = np.ogrid[1 : side - 1, 1 : side - 1]
    for name, sign in _SIGNS.items():
        marked = (colours == MARKS[name]).all(axis=-1)
        if marked.any():
            square = np.zeros((zoom_y, zoom_x), np.bool_)
            square[1 : side - 1, 1 : side - 1] = sign(x, y, side)
            block[np.kron(marked, square), :3] = 0


def _slice_columns(size: Size) -> int:
    return math.ceil(math.sqrt(size.slices))


def _arrange(size: Size, width: int, zoom_x: int) -> Layout:
    zoom_y = max(zoom_x, _MIN_STRIP_HEIGHT) if size.rows == 1 and size.columns > 1 else zoom_x
    across = _slice_columns(size)
    tile_width = across * (size.columns * zoom_x + _GAP) - _GAP
    tile_height = math.ceil(size.slices / across) * (size.rows * zoom_y + _GAP) - _GAP
    tile_columns = max(1, min(size.count, (width + _GAP) // (tile_width + _GAP)))
    return Layout(size, zoom_x, zoom_y, across, tile_width, tile_height, tile_columns)
