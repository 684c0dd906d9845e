"""A reader of PNG files that takes nothing from the package: eight bits with alpha, lines without a filter."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np


def decode(data: bytes) -> np.ndarray:
    """Pixels, [height, width, 4]."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks = dict(_chunks(data[8:]))
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert form == [8, 6, 0, 0, 0]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + 4 * width)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 4)


def _chunks(rest: bytes) -> Iterator[tuple[bytes, bytes]]:
    while rest:
        size = int.from_bytes(rest[:4], "big")
        kind, content, check = rest[4:8], rest[8 : 8 + size], rest[8 + size : 12 + size]
        assert int.from_bytes(check, "big") == zlib.crc32(kind + content)
        yield kind, content
        rest = rest[12 + size :]


def tiles_of(pixels: np.ndarray, count: int, rows: int, columns: int) -> np.ndarray:
    """Colours of a mosaic, [count, rows, columns, 3]: of each value's square the upper left pixel, where no sign is.

    The gaps are found where the picture is see-through, and all else is checked not to be.
    """
    height, width = (_until_gap(pixels[:, 0, 3]), _until_gap(pixels[0, :, 3]))
    zoom_y, zoom_x = height // rows, width // columns
    assert (zoom_y * rows, zoom_x * columns) == (height, width)
    across = (pixels.shape[1] + 1) // (width + 1)
    tiles = []
    seen = np.zeros(pixels.shape[:2], np.bool_)
    for place in range(count):
        top, left = place // across * (height + 1), place % across * (width + 1)
        tiles.append(pixels[top : top + height : zoom_y, left : left + width : zoom_x, :3])
        seen[top : top + height, left : left + width] = True
    assert (pixels[..., 3] == np.where(seen, 255, 0)).all()
    return np.stack(tiles)


def _until_gap(alpha: np.ndarray) -> int:
    gaps = np.flatnonzero(alpha == 0)
    return int(gaps[0]) if len(gaps) else len(alpha)
