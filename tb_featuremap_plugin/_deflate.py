"""Fast gzip members with a fixed header, so that the same bytes in give the same bytes out."""

from __future__ import annotations

import struct
import zlib

from isal import igzip_lib

_LEVEL = 1
"""Slower levels save few bytes on codes of pixels, and a sixth on statistics, a small part of most records, for twice the time."""

_WINDOW_BITS = 12
"""How far back repetitions are looked for: pixels are like those near by, and short distances take fewer bits and less time."""

_LARGEST_STORED = 512
"""Up to this size a member is stored, not compressed: setting a compressor up takes longer than all else that a tiny map needs."""

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def gzip_member(data: bytes | memoryview) -> bytes:
    """One complete gzip member with mtime 0 and no file name.

    Args:
        data: bytes, or a view of bytes.
    """
    if len(data) <= _LARGEST_STORED:
        block = struct.pack("<BHH", 1, len(data), len(data) ^ 0xFFFF)
        return b"".join([_HEADER, block, data, struct.pack("<II", zlib.crc32(data), len(data))])
    return igzip_lib.compress(data, level=_LEVEL, flag=igzip_lib.COMP_GZIP, hist_bits=_WINDOW_BITS)
