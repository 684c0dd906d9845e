"""Pictures of a run: as many bytes as it may have, spread over a length that nobody knows before its end."""

from __future__ import annotations

import math

from tb_featuremap_plugin.schema.log_sizes import RUN_DECAY


def stride(used: int, limit: int | None) -> int:
    """At every how many logged steps pictures are written: 1 until half of the bytes are used, then 2, 4, 8 and so on.

    Each doubling leaves `RUN_DECAY` of what the one before had left of the second half, so that the bytes last for any length: intervals
    grow faster than what is left shrinks.

    Args:
        used: bytes of the pictures so far, those of earlier sessions included.
        limit: `max_run_bytes`.
    """
    if limit is None or 2 * used < limit:
        return 1
    left = 2 * (limit - used) / limit
    return 1 << min(62, 1 + math.floor(math.log(left) / math.log(RUN_DECAY))) if left > 0 else 1 << 62


class RunBudget:
    """Says at which logged steps there are pictures, and for how many bytes.

    Args:
        limit: `max_run_bytes`; None is no limit.
        used: bytes of earlier sessions.
    """

    def __init__(self, limit: int | None, used: int = 0) -> None:
        self._limit = limit
        self.used = used
        self._passed_over = 0

    @property
    def left(self) -> float:
        """Bytes that are left."""
        return math.inf if self._limit is None else max(0, self._limit - self.used)

    @property
    def stride(self) -> int:
        """At every how many logged steps pictures are written now."""
        return stride(self.used, self._limit)

    def is_due(self) -> bool:
        """Whether this logged step has pictures; to be asked once a logged step."""
        self._passed_over += 1
        if self._passed_over < self.stride:
            return False
        self._passed_over = 0
        return True
