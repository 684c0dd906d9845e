"""How records and the pictures in them are stored: their version, the types of their arrays, and what codes of pixels stand for."""

from __future__ import annotations

from typing import Literal, get_args

FORMAT_VERSION = 1
"""Of records, and of the frames of the backend; a reader refuses a later one."""

DTYPES = {"uint8": "<u1", "float16": "<f2", "float32": "<f4", "int32": "<i4", "float64": "<f8"}
"""What a section may hold, by the name in its header, as NumPy writes it: all little-endian."""

Precision = Literal["uint8", "float16", "float32"]
"""Dtypes of stored pixels."""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)

TOP_CODE = 252
"""Of pixels as uint8: the code of the highest value of a channel; 0 is that of the lowest."""

NEG_INF_CODE, POS_INF_CODE, NAN_CODE = 253, 254, 255
"""Of what is not finite. Codes from the first on stand for no number."""
