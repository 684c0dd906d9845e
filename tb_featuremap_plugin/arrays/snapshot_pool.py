"""Copies of arrays in memory that is used again: to be given fresh pages takes as long as to copy into them."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays import tensors

Array = npt.NDArray[Any]

MOST_KEPT_BYTES = 32 << 20
"""What lies ready at most; the arrays of a step come in the same sizes again and again."""

_LEAST_BYTES = 1 << 16


class SnapshotPool:
    """Takes snapshots as `tensors.snapshot` does, and takes their memory back.

    May be used from several threads, and from a signal handler within a call of itself: there is no lock, each step is one operation of
    a dictionary or a list.
    """

    def __init__(self) -> None:
        self._ready: dict[int, list[Array]] = {}
        self._lent: weakref.WeakValueDictionary[int, Array] = weakref.WeakValueDictionary()

    def take(self, tensor: object, name: str) -> Array:
        """A tensor's values in memory that nobody will write to.

        Raises:
            TypeError: as `tensors.to_numpy`.
        """
        array, owned = tensors.to_own(tensor, name)
        if owned:
            return array
        if array.nbytes < _LEAST_BYTES or not array.flags.c_contiguous:
            plain: Array = array.copy(order="K")
            return plain
        copy: Array = self._lend(array.nbytes).view(array.dtype).reshape(array.shape)
        np.copyto(copy, array)
        return copy

    def give_back(self, array: Array | None) -> None:
        """Says that a snapshot is done with; arrays from elsewhere are left alone."""
        memory = None if array is None else array.base
        if memory is None:
            return
        lent = self._lent.pop(id(memory), None)
        if lent is not None and lent is memory and self._kept + lent.nbytes <= MOST_KEPT_BYTES:
            self._ready.setdefault(lent.nbytes, []).append(lent)

    def clear(self) -> None:
        """Keeps nothing ready any more."""
        self._ready = {}
        self._lent = weakref.WeakValueDictionary()

    @property
    def _kept(self) -> int:
        """Bytes that lie ready."""
        return sum(size * len(ready) for size, ready in self._ready.copy().items())

    def _lend(self, size: int) -> Array:
        try:
            memory = self._ready[size].pop()
        except LookupError:  # none of this size lies ready
            memory = np.empty(size, np.uint8)
        self._lent[id(memory)] = memory
        return memory
