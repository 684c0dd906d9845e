"""How the bytes of a step are shared out among its pictures: decided from shapes and statistics, before any picture is made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tb_featuremap_plugin.schema.log_sizes import LEAST_UNITS, MOST_REMARKABLE

_LEVELS = 24
"""Halvings of the range in which the size of a picture is looked for: 16 MB down to single bytes."""

_LEAST_SIDE = 16
"""Entries a side of the smallest picture of norms."""

_FEWEST_BLOCKS = 8
"""Fewer blocks than this tell too little of a network; it is then cut evenly instead."""


@dataclass(frozen=True)
class Share:
    """What a picture may hold.

    Attributes:
        size: bytes at most, before compression.
        images: samples.
        units: channels or filters.
        norm_side: of the picture of norms of a large kernel, entries a side at most; 0 for other pictures.
    """

    size: int
    images: int
    units: int
    norm_side: int = 0


class Demand(Protocol):
    """A picture that could be made."""

    @property
    def key(self) -> str:
        """Its kind and name."""

    @property
    def wanted(self) -> int:
        """How many of its units are remarkable."""

    def most(self) -> Share:
        """Without any limit."""

    def least(self, units: int = LEAST_UNITS) -> Share:
        """The smallest that is worth making, with so many units at most."""

    def entry(self) -> int:
        """Bytes of the smallest when it is the first of its series.

        Whether there is room is judged by this, at its later ones too: so the same pictures are chosen at every step.
        """

    def within(self, nbytes: int) -> Share:
        """The best of at most so many bytes; the least where that is more."""


@dataclass(frozen=True)
class TiledDemand:
    """Maps, inputs, or a kernel that is stored as it is.

    Attributes:
        units, images: at most.
        unit_bytes: of one unit of one image.
        fixed: of header and statistics.
        copies: how often the picture is written: the first of a series twice.
    """

    key: str
    units: int
    images: int
    unit_bytes: int
    fixed: int
    wanted: int = 0
    copies: int = 1

    def most(self) -> Share:
        """All units of all images."""
        return self._share(self.images, self.units)

    def least(self, units: int = LEAST_UNITS) -> Share:
        """A few units of one image."""
        return self._share(1, min(units, self.units))

    def entry(self) -> int:
        """Of a few units of one image, twice."""
        return 2 * self.least().size // self.copies

    def within(self, nbytes: int) -> Share:
        """As many units as fit, of more images only where many units fit too."""
        room = max(0, nbytes // self.copies - self.fixed) // max(1, self.unit_bytes)
        for images in range(self.images, 1, -1):
            if room // images >= min(self.units, 2 * LEAST_UNITS):
                return self._share(images, min(self.units, room // images))
        return self._share(1, min(self.units, max(room, LEAST_UNITS)))

    def _share(self, images: int, units: int) -> Share:
        return Share(self.copies * (self.fixed + images * units * self.unit_bytes), images, units)


@dataclass(frozen=True)
class NormsDemand:
    """A kernel that is stored as pictures of norms.

    Attributes:
        units, inputs: filters that are stored, and their inputs.
        pictures: norms, and differences to the first and the previous value.
        side: entries a side of the largest picture.
        fixed: of everything else.
        copies: as of `TiledDemand`.
    """

    key: str
    units: int
    inputs: int
    pictures: int
    side: int
    fixed: int
    wanted: int = 0
    copies: int = 1

    def most(self) -> Share:
        """In full size."""
        return self._share(self.side)

    def least(self, units: int = LEAST_UNITS) -> Share:
        """Reduced to a thumbnail."""
        return self._share(_LEAST_SIDE)

    def entry(self) -> int:
        """Of a thumbnail, twice."""
        return 2 * self.least().size // self.copies

    def within(self, nbytes: int) -> Share:
        """Halved until it fits."""
        side = self.side
        while side > _LEAST_SIDE and self._share(side).size > nbytes:
            side //= 2
        return self._share(max(side, _LEAST_SIDE))

    def _share(self, side: int) -> Share:
        entries = _reduced(self.units, side) * _reduced(self.inputs, side)
        return Share(self.copies * (self.fixed + 4 * self.pictures * entries), 1, self.units, side)


def share_out(demands: Sequence[Demand], budget: float) -> dict[str, Share]:
    """What each picture may hold, by its key, so that all stay within the budget; what is not there is left out.

    Remarkable units come first, in whatever layer they are. Then come pictures spread over the depth of the network, one of each block
    where not all layers have room. What is left lets all of these grow alike.

    Args:
        demands: in order of depth.
        budget: bytes for all of them; infinite is no limit.
    """
    everything = {demand.key: demand.most() for demand in demands}
    if sum(share.size for share in everything.values()) <= budget:
        return everything
    limit = int(budget)
    floors = _remarkable_first(demands, limit // 2)
    chosen = _spread(demands, floors, limit - sum(share.size for share in floors.values()))
    floors |= {demand.key: _larger(demand.least(), floors.get(demand.key)) for demand in chosen}
    growing = [demand for demand in demands if demand.key in {one.key for one in chosen}]
    return _grown(growing, floors, limit)


def _remarkable_first(demands: Sequence[Demand], budget: int) -> dict[str, Share]:
    """Of each layer with remarkable units the least picture that shows them; fewer of each where there are many such layers."""
    remarkable = [demand for demand in demands if demand.wanted]
    limit = MOST_REMARKABLE
    while limit:
        floors = {demand.key: demand.least(min(demand.wanted, limit)) for demand in remarkable}
        if sum(share.size for share in floors.values()) <= budget:
            return floors
        limit //= 2
    kept = _evenly(remarkable, {demand.key: demand.least(1).size for demand in remarkable}, budget)
    return {demand.key: demand.least(1) for demand in kept}


def _spread(demands: Sequence[Demand], floors: Mapping[str, Share], budget: int) -> list[Demand]:
    """All of them if they fit, else one of each block, of larger and larger blocks, else so many at even distances."""
    costs = {demand.key: max(0, demand.entry() - (floors[demand.key].size if demand.key in floors else 0)) for demand in demands}
    finest: Sequence[Demand] = demands
    for parts in range(max((len(_parts(demand.key)) for demand in demands), default=0), 0, -1):
        blocks = _block_outputs(demands, parts)
        if len(blocks) < _FEWEST_BLOCKS:
            break
        if sum(costs[demand.key] for demand in blocks) <= budget:
            return blocks
        finest = blocks
    return _evenly(finest, costs, budget)


def _block_outputs(demands: Sequence[Demand], parts: int) -> list[Demand]:
    """The last picture of each block: of those whose names begin with the same parts."""
    last = {tuple(_parts(demand.key)[:parts]): demand for demand in demands}
    kept = {demand.key for demand in last.values()}
    return [demand for demand in demands if demand.key in kept]


def _parts(key: str) -> list[str]:
    return re.split(r"[./_:]", key)


def _evenly(demands: Sequence[Demand], costs: Mapping[str, int], budget: int) -> list[Demand]:
    """As many as fit, at even distances, the last one always among them."""
    least, most = 0, len(demands)
    while least < most:
        middle = (least + most + 1) // 2
        fits = sum(costs[demand.key] for demand in _every(demands, middle)) <= budget
        least, most = (middle, most) if fits else (least, middle - 1)
    return _every(demands, least)


def _every(demands: Sequence[Demand], count: int) -> list[Demand]:
    return [demands[len(demands) - 1 - index * len(demands) // count] for index in range(count)][::-1]


def _grown(demands: Sequence[Demand], floors: dict[str, Share], budget: int) -> dict[str, Share]:
    """The floors, with each of these pictures as large as all can be."""
    best, low, high = dict(floors), 0, budget
    for _ in range(_LEVELS):
        level = (low + high) // 2
        shares = floors | {demand.key: _larger(demand.within(level), floors[demand.key]) for demand in demands}
        if sum(share.size for share in shares.values()) <= budget:
            best, low = shares, level
        else:
            high = level
    return best


def _larger(share: Share, other: Share | None) -> Share:
    return share if other is None or share.size >= other.size else other


def _reduced(size: int, side: int) -> int:
    """Entries that are left of an axis when blocks of it are joined so that at most `side` are."""
    block = -(-size // side)
    return -(-size // block) if block else 0
