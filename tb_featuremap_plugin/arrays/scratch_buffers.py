"""Memory for intermediate results that is kept for the next block: fresh memory takes longer to get than most of what is computed in it."""

from __future__ import annotations

import math
import threading
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class _Buffers(threading.local):
    """Each thread's own, by purpose."""

    def __init__(self) -> None:
        self.by_purpose: dict[tuple[str, type[np.generic]], Array] = {}


_buffers = _Buffers()


def scratch_buffer(purpose: str, dtype: type[np.generic], shape: tuple[int, ...]) -> Array:
    """An array to write into; it is good until the same thread asks for the same purpose and dtype again."""
    size, key = math.prod(shape), (purpose, dtype)
    buffer = _buffers.by_purpose.get(key)
    if buffer is None or len(buffer) < size:
        buffer = _buffers.by_purpose[key] = np.empty(size, dtype)
    return buffer[:size].reshape(shape)


@lru_cache(maxsize=64)
def ones(size: int, dtype: str) -> Array:
    """Ones to multiply by: BLAS adds up faster than NumPy's own sums, along either axis."""
    result = np.ones(size, dtype)
    result.flags.writeable = False
    return result
