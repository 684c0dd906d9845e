"""Protobuf's wire format, as far as this package's events need it to be written.

A field is its key (the field's number times 8, plus 0 for a number, 1 for eight bytes, 2 for a length and as many bytes) and what follows.
"""

from __future__ import annotations

_MORE = 0x80
_SHORT = [bytes([value]) for value in range(_MORE)]
_NEGATIVE = 1 << 64
"""What is added to a negative int64, which always takes ten bytes."""


def number(value: int) -> bytes:
    """A whole number, seven bits a byte, the lowest first."""
    if 0 <= value < _MORE:
        return _SHORT[value]
    if 0 <= value < _MORE * _MORE:
        return bytes((value & _MORE - 1 | _MORE, value >> 7))
    if value < 0:
        value += _NEGATIVE
    encoded = bytearray()
    while value >= _MORE:
        encoded.append(value & _MORE - 1 | _MORE)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def opening(key: int, size: int) -> bytes:
    """A key, and the length of what follows."""
    return _SHORT[key] + number(size)


def field(key: int, data: bytes) -> bytes:
    """A key, a length, and as many bytes."""
    return opening(key, len(data)) + data
