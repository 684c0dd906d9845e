"""What a user's helper module keeps, for the forwards in `outside_state`."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import torch

calls = 0
by_name: dict[str, int] = {}


class Registry:
    entries: ClassVar[list[int]] = []


@functools.lru_cache(maxsize=1)
def noise(size: int) -> Any:
    return torch.rand(size, 1)


def count() -> int:
    global calls
    calls += 1
    return calls
