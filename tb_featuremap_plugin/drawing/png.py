"""Pixels to a PNG file."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from tb_featuremap_plugin.drawing.colours import Bytes

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS, _WITH_ALPHA = 8, 6


def encode(pixels: Bytes) -> bytes:
    """A PNG of [height, width, 4], of which there is no side of 0."""
    height, width, _ = pixels.shape
    lines = np.zeros((height, 1 + 4 * width), np.uint8)  # each line begins with its filter: 0 is none
    lines[:, 1:] = pixels.reshape(height, 4 * width)
    header = struct.pack(">IIBBBBB", width, height, _BITS, _WITH_ALPHA, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b"")]
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
