"""Arrays of which each process holds a part: what part this one has, by duck typing, without a word to the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shard:
    """The part of an array that this process holds.

    Attributes:
        values: the part, as its framework keeps it.
        shape: of the whole.
        offset: where the part begins, along each axis; None where it does not lie in one block, or where that is not known.
        speaks: whether this process counts for the part, of all that hold the same.
    """

    values: Any
    shape: tuple[int, ...]
    offset: tuple[int, ...] | None
    speaks: bool


def shard_of(tensor: Any) -> Shard | None:
    """The part of a torch `DTensor` that this process holds; None for anything else, and where it holds all of it.

    Args:
        tensor: any array.
    """
    mesh, placements = getattr(tensor, "device_mesh", None), getattr(tensor, "placements", None)
    if mesh is None or placements is None or not hasattr(tensor, "to_local"):
        return None
    coordinate = mesh.get_coordinate()
    known = all(placement.is_replicate() or _sharded_axis(placement) is not None for placement in placements)
    if coordinate is None or not known or not any(size > 1 and not p.is_replicate() for size, p in _dims(mesh, placements)):
        return None
    local = tensor.detach().to_local()
    shape = tuple(tensor.shape)
    speaks = all(at == 0 for at, placement in zip(coordinate, placements, strict=True) if placement.is_replicate())
    first = 0 in mesh.mesh.flatten().tolist()
    offset, size = _block(shape, mesh, placements, coordinate)
    return Shard(local, shape, offset if size == tuple(local.shape) else None, speaks and first)


def _dims(mesh: Any, placements: Sequence[Any]) -> list[tuple[int, Any]]:
    return [(mesh.size(dim), placement) for dim, placement in enumerate(placements)]


def _sharded_axis(placement: Any) -> int | None:
    return getattr(placement, "dim", None)


def _block(
    shape: tuple[int, ...], mesh: Any, placements: Sequence[Any], coordinate: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Offset and size of the part. Each axis is cut as `torch.chunk` cuts it; strided placements cut what others have left."""
    offset, size = [0] * len(shape), list(shape)
    order = sorted(range(len(placements)), key=lambda dim: hasattr(placements[dim], "split_factor"))
    for dim in order:
        axis = _sharded_axis(placements[dim])
        if axis is None:
            continue
        step = -(-size[axis] // mesh.size(dim))
        start = min(step * coordinate[dim], size[axis])
        offset[axis] += start
        size[axis] = min(step, size[axis] - start)
    return tuple(offset), tuple(size)
