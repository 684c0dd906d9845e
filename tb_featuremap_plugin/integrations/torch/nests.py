"""The tensors of whatever modules take and return."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

_DEEPEST = 20
"""Nests are followed so far: one that holds itself must come to an end."""


def tensors(value: Any) -> list[torch.Tensor]:
    """The tensors in tuples, lists, mappings, dataclasses and whatever else is registered with torch as a nest, in order."""
    return list(_tensors(value, 0))


def _tensors(value: Any, depth: int) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
        return
    if depth < _DEEPEST:
        for part in _parts(value):
            yield from _tensors(part, depth + 1)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple)):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name, None) for field in dataclasses.fields(value)]
    if value is None or isinstance(value, (str, bytes, int, float, bool)):
        return []
    leaves = tree_leaves(value)
    return [] if len(leaves) == 1 and leaves[0] is value else leaves
