"""Bytes, numbers and random states: what holds values and no other objects, and how it is put back."""

from __future__ import annotations

import array
import io
import operator
import random
from collections.abc import Callable
from typing import Any

import numpy as np

LARGEST_ARRAY = 64 << 20
"""Bytes of a NumPy array, or of a file in memory, that are copied."""

_GENERATORS = (random.Random, np.random.Generator, np.random.BitGenerator, np.random.RandomState)

VALUES = (np.ndarray, bytearray, array.array, io.StringIO, io.BytesIO, *_GENERATORS)
"""Kinds that `restoring` takes."""

Restore = Callable[[], object]


def restoring(thing: Any) -> Restore | None:
    """Copies what a thing holds now.

    Args:
        thing: of one of the kinds in `VALUES`.

    Returns:
        What gives it back, and does not touch a thing that still has it; None where there is too much to be copied.
    """
    if isinstance(thing, np.ndarray):
        return _of_array(thing)
    if isinstance(thing, (bytearray, array.array)):
        content = thing[:]
        return lambda: None if thing == content else operator.setitem(thing, slice(None), content)
    if isinstance(thing, (io.StringIO, io.BytesIO)):
        return _of_memory_file(thing)
    return _of_generator(thing)


def _of_array(values: np.ndarray[Any, Any]) -> Restore | None:
    if not values.flags.writeable:
        return _nothing
    if values.nbytes > LARGEST_ARRAY:
        return None
    content = values.copy()

    def put_back() -> None:
        if values.shape != content.shape or values.tobytes() != content.tobytes():
            values.resize(content.shape, refcheck=False) if values.shape != content.shape else None
            values[...] = content

    return put_back


def _of_memory_file(file: Any) -> Restore | None:
    if file.closed:
        return _nothing
    place = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(place)
    if size > LARGEST_ARRAY:
        return None
    content = file.getvalue()

    def put_back() -> None:
        if not file.closed and (file.tell() != place or file.getvalue() != content):
            file.seek(0)
            file.truncate()
            file.write(content)
            file.seek(place)

    return put_back


def _of_generator(generator: Any) -> Restore:
    if isinstance(generator, np.random.Generator):
        generator = generator.bit_generator
    if isinstance(generator, np.random.BitGenerator):
        state = generator.state
        return lambda: setattr(generator, "state", state)
    if isinstance(generator, random.SystemRandom):
        return _nothing
    read, write = ("getstate", "setstate") if isinstance(generator, random.Random) else ("get_state", "set_state")
    saved = getattr(generator, read)()
    return lambda: getattr(generator, write)(saved)


def _nothing() -> None:
    """For what has no state that could be changed."""
