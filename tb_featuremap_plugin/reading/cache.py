"""A bounded, thread-safe memory of answers, whose keys and versions say everything that they depend on."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True)
class _Kept(Generic[V]):
    value: V
    version: Hashable
    weight: int


class Cache(Generic[V]):
    """Keeps the values used last, up to a total size, and of each key one version: what has changed is never asked for again.

    Args:
        capacity: most that all kept values may weigh together.
        weigh: what one value weighs, in the unit of `capacity`.
    """

    def __init__(self, capacity: int, weigh: Callable[[V], int]) -> None:
        self._capacity = capacity
        self._weigh = weigh
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, _Kept[V]] = OrderedDict()
        self._coming: dict[Hashable, Future[V]] = {}
        self._total = 0

    def get(self, key: Hashable, compute: Callable[[], V], version: Hashable = None) -> V:
        """The value of a version of `key`; where it is not kept, computed once however many threads ask, without holding the lock.

        A failure is raised in all of them, and the next who asks computes again.
        """
        with self._lock:
            if key in self._values and self._values[key].version == version:
                self._values.move_to_end(key)
                return self._values[key].value
            coming = self._coming.get((key, version))
            if coming is None:
                mine = self._coming[key, version] = Future()
        return coming.result() if coming is not None else self._compute(key, compute, version, mine)

    def __len__(self) -> int:
        """How many values are kept."""
        with self._lock:
            return len(self._values)

    def peek(self, key: Hashable) -> V | None:
        """The value under `key`, of whatever version, if it is kept."""
        with self._lock:
            return self._values[key].value if key in self._values else None

    def put(self, key: Hashable, value: V, version: Hashable = None) -> None:
        """Keeps a value instead of any other version of it, unless it alone is too heavy."""
        weight = self._weigh(value)
        with self._lock:
            if key in self._values:
                self._total -= self._values.pop(key).weight
            if weight > self._capacity:
                return
            self._total += weight
            self._values[key] = _Kept(value, version, weight)
            while self._total > self._capacity:
                self._total -= self._values.popitem(last=False)[1].weight

    def _compute(self, key: Hashable, compute: Callable[[], V], version: Hashable, waited_for: Future[V]) -> V:
        try:
            value = compute()
            self.put(key, value, version)
            waited_for.set_result(value)
            return value
        except BaseException as error:
            waited_for.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._coming[key, version]
