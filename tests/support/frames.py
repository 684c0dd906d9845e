"""Reads frames the way the browser does: straight from the specification, without the package's reader."""

from __future__ import annotations

import gzip
import json
from typing import Any

import numpy as np

DTYPES = {"uint8": "<u1", "float16": "<f2", "float32": "<f4", "int32": "<i4", "float64": "<f8"}


def read_frame(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and sections of a frame."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    arrays = {}
    for name, section in header["sections"].items():
        start, stop = section["offsets"]
        arrays[name] = np.frombuffer(gzip.decompress(body[start:stop]), DTYPES[section["dtype"]]).reshape(section["shape"])
    return header, arrays
