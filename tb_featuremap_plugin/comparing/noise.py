"""How much two runs may differ without having parted: estimated from what agrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_EPSILON = float(np.finfo(np.float32).eps)

QUIET = 4 * _EPSILON
"""Where two runs repeat exactly and only some variables differ, those that differ by more than this have parted: 4.8e-7."""

FRESH = 256 * _EPSILON
"""Noise that was not there before: another order of summation changes float32 results by 1e-7 to 1e-6 of their size. 3.1e-5."""

ULPS = 4
"""The same for a narrower dtype, in spacings of it: 3.9e-3 for float16, 3.1e-2 for bfloat16."""

GROWTH = 10
"""Noise may grow tenfold from one step to the next; training amplifies it, mostly by less than 2."""

UPDATES = 3
"""Adam and its like divide by the size of a gradient: where that is noise, the sign of an entry's update is too, so that it may
differ by twice the largest update. A single entry has parted where it differs by more than this many."""

_PROPORTIONAL = ("sgd", "momentum", "nesterov", "gradientdescent")


def divides(optimizer: str | None) -> bool:
    """Whether an optimizer may make whole updates of noise; those that are not known may."""
    name = "".join(character for character in (optimizer or "").lower() if character.isalpha())
    return not any(known in name for known in _PROPORTIONAL)


@dataclass
class Noise:
    """The largest difference so far of what agreed.

    Attributes:
        level: that difference; 0 while everything agrees bit for bit.
        step: the step at which it was found.
        row: what it was found in.
        seen: the latest step that was compared.
    """

    level: float = 0.0
    step: int = 0
    row: str = ""
    seen: int | None = None

    def threshold(self, step: int, epsilon: float = 0.0, *, quiet: bool = False) -> float:
        """Differences up to this one are noise.

        Args:
            step: at which the difference was found.
            epsilon: spacing of the widest-spaced dtype involved, at 1.
            quiet: whether the runs repeat exactly, and most variables agree bit for bit at this step too.
        """
        if quiet:
            return QUIET
        fresh = max(FRESH, ULPS * epsilon if epsilon > _EPSILON else 0.0)
        return max(fresh, GROWTH * max(1, step - (step if self.seen is None else self.seen)) * self.level)

    def accept(self, difference: float, step: int, row: str) -> None:
        """Takes note of a difference that is noise."""
        if difference > 0 and difference >= self.level:
            self.level, self.step, self.row = difference, step, row
