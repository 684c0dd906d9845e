"""Fast gzip members with a fixed header, so that the same bytes in give the same bytes out."""

from __future__ import annotations

import struct
import zlib

from isal import igzip_lib

_FAST, _THOROUGH = 1, 3

_LARGEST_THOROUGH = 1 << 17
"""Statistics up to this size are worth a slower level, which saves a sixth of them; codes of pixels do not get smaller by it."""

_NEARBY, _ANYWHERE = 12, 15
"""Bits of how far back repetitions are looked for: pixels are like those near by, and short distances take fewer bits and less time."""

_LARGEST_STORED = 512
"""Up to this size a member is stored, not compressed: setting a compressor up takes longer than all else that a tiny map needs."""

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def gzip_member(data: bytes | memoryview, *, of_numbers: bool = False) -> bytes:
    """One complete gzip member with mtime 0 and no file name.

    Args:
        data: bytes, or a view of bytes.
        of_numbers: whether they are numbers of several bytes each.
    """
    if len(data) <= _LARGEST_STORED:
        block = struct.pack("<BHH", 1, len(data), len(data) ^ 0xFFFF)
        return b"".join([_HEADER, block, data, struct.pack("<II", zlib.crc32(data), len(data))])
    level = _THOROUGH if of_numbers and len(data) <= _LARGEST_THOROUGH else _FAST
    return igzip_lib.compress(data, level=level, flag=igzip_lib.COMP_GZIP, hist_bits=_ANYWHERE if of_numbers else _NEARBY)
