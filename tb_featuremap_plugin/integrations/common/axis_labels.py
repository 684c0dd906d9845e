"""What each axis of an array is.

An axis is a product of factors, the outermost first: [N*H/4*W/4, 16, C] of windows has three, one and one. A factor names digits of an
*origin*, the axis that it was cut from: that of the samples, the channels of a convolution, a height. So windows that are put
together again are the height again, and a batch that time was merged into can be taken apart. What is learnt on the way, what an origin
means, is kept in `Origins`.

Nothing here knows a framework: shapes are tuples of whole numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

Shape = Sequence[int]


class Role(IntEnum):
    """What an axis means. Time, height, windows and tokens are all positions: what is neither a sample nor a channel."""

    UNKNOWN = 0
    SAMPLE = 1
    CHANNEL = 2
    POSITION = 3


class Trust(IntEnum):
    """How sure a source is; the surer one wins."""

    NOTHING = 0
    JOINED = 1
    INPUT = 2
    DENSE = 3
    NORMALISATION = 4
    CONVOLUTION = 5


class Factor(NamedTuple):
    """Digits of an origin: of its index `i` it is `i // stride % size`.

    Attributes:
        origin: number of the axis that it was cut from.
        whole: size of that axis.
        size: how many values it has.
        stride: product of the sizes of the digits within it.
    """

    origin: int
    whole: int
    size: int
    stride: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its origin."""
        return self.size == self.whole


Axis = tuple[Factor, ...]


@dataclass(frozen=True)
class Labels:
    """The axes of one array.

    Attributes:
        axes: each a product of factors, the outermost first; () where nothing is known of an axis of size 1.
        channel: origins of what are its channels, by the last layer that said so; empty if none did.
    """

    axes: tuple[Axis, ...]
    channel: frozenset[int] = frozenset()

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each axis."""
        return tuple(size_of(axis) for axis in self.axes)


class Origins:
    """The axes that others were cut from, and what was learnt of them."""

    def __init__(self) -> None:
        self._families: list[int] = []
        self._aside: set[int] = set()
        self._claims: dict[tuple[int, int, int], tuple[Trust, Role]] = {}
        self.sample: Factor | None = None

    def new(
        self, size: int, role: Role = Role.UNKNOWN, trust: Trust = Trust.NOTHING, like: Factor | None = None, *, aside: bool = False
    ) -> Factor:
        """A new axis.

        Args:
            size: of it.
            role: what it means.
            trust: how sure that is.
            like: what it is another size of: what is learnt of one holds for both, but for being all samples.
            aside: whether it is no axis of the data, but of a parameter, or of numbers that are repeated along it: where it meets the
                data's, that one stays.
        """
        number = len(self._families)
        self._families.append(number if like is None else self._families[like.origin])
        if aside:
            self._aside.add(number)
        factor = Factor(number, size, size)
        if role:
            self.claim(factor, role, trust)
        return factor

    def samples(self, size: int) -> Factor:
        """The axis of the samples; the same one at each call."""
        if self.sample is None:
            self.sample = self.new(size)
        return self.sample

    def claim(self, factor: Factor, role: Role, trust: Trust) -> None:
        """Learns what a factor means, unless a surer source said something else."""
        key = self._key(factor)
        if trust > self._claims.get(key, (Trust.NOTHING, Role.UNKNOWN))[0]:
            self._claims[key] = (trust, role)

    def claim_axis(self, axis: Axis, role: Role, trust: Trust) -> None:
        """The same of an axis that is one factor; of a product it is not known which factor it holds for."""
        if len(axis) == 1:
            self.claim(axis[0], role, trust)

    def meaning(self, factor: Factor) -> tuple[Trust, Role]:
        """How surely a factor means what: what was said of these digits, or else of all."""
        if self.is_sample(factor):
            return Trust.INPUT, Role.SAMPLE
        own = self._claims.get(self._key(factor))
        return own or self._claims.get((self._families[factor.origin], 0, 0), (Trust.NOTHING, Role.UNKNOWN))

    def own_meaning(self, factor: Factor) -> tuple[Trust, Role]:
        """What was said of these very digits."""
        return self._claims.get(self._key(factor), (Trust.NOTHING, Role.UNKNOWN))

    def role(self, factor: Factor) -> Role:
        """What a factor means."""
        return self.meaning(factor)[1]

    def is_sample(self, factor: Factor) -> bool:
        """Whether a factor is digits of the samples, or goes along with all of them."""
        if self.sample is None:
            return False
        return factor.origin == self.sample.origin or (factor.size == self.sample.size and self.own_meaning(factor)[1] == Role.SAMPLE)

    def is_aside(self, factor: Factor) -> bool:
        """Whether a factor is of no axis of the data."""
        return factor.origin in self._aside

    def _key(self, factor: Factor) -> tuple[int, int, int]:
        family = self._families[factor.origin]
        return (family, 0, 0) if factor.is_whole else (family, factor.stride, factor.size)


def size_of(axis: Iterable[Factor]) -> int:
    """Size of a product of factors."""
    return math.prod(factor.size for factor in axis)


def merged(factors: Iterable[Factor]) -> Axis:
    """A product with neighbouring digits of one origin put together: height in windows, and within windows, is the height."""
    found: list[Factor] = []
    for factor in factors:
        last = found[-1] if found else None
        if last is not None and last.origin == factor.origin and last.stride == factor.stride * factor.size:
            found[-1] = replace_size(last, last.size * factor.size, factor.stride)
        else:
            found.append(factor)
    return tuple(found)


def replace_size(factor: Factor, size: int, stride: int) -> Factor:
    """Other digits of the same origin."""
    return Factor(factor.origin, factor.whole, size, stride)
