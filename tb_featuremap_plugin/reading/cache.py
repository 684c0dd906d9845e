"""A bounded, thread-safe memory of answers whose keys say everything that they depend on."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

V = TypeVar("V")


class Cache(Generic[V]):
    """Keeps the values used last, up to a total size.

    Args:
        capacity: most that all kept values may weigh together.
        weigh: what one value weighs, in the unit of `capacity`.
    """

    def __init__(self, capacity: int, weigh: Callable[[V], int]) -> None:
        self._capacity = capacity
        self._weigh = weigh
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._coming: dict[Hashable, Future[V]] = {}
        self._total = 0

    def get(self, key: Hashable, compute: Callable[[], V]) -> V:
        """The value under `key`; where it is not kept, computed once however many threads ask, without holding the lock.

        A failure is raised in all of them, and the next who asks computes again.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
            coming = self._coming.get(key)
            if coming is None:
                mine = self._coming[key] = Future()
        return coming.result() if coming is not None else self._compute(key, compute, mine)

    def peek(self, key: Hashable) -> V | None:
        """The value under `key`, if it is kept."""
        with self._lock:
            return self._values[key][0] if key in self._values else None

    def put(self, key: Hashable, value: V) -> None:
        """Keeps a value, unless it alone is too heavy."""
        weight = self._weigh(value)
        if weight > self._capacity:
            return
        with self._lock:
            self._total += weight - self._values.pop(key, (value, 0))[1]
            self._values[key] = (value, weight)
            while self._total > self._capacity:
                self._total -= self._values.popitem(last=False)[1][1]

    def _compute(self, key: Hashable, compute: Callable[[], V], waited_for: Future[V]) -> V:
        try:
            value = compute()
            self.put(key, value)
            waited_for.set_result(value)
            return value
        except BaseException as error:
            waited_for.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._coming[key]
