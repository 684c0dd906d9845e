"""Says when a browser must forget a series' pictures: when what stands under a step has been written again."""

from __future__ import annotations

import itertools
import threading

from tb_featuremap_plugin.reading.run import PictureSeries
from tb_featuremap_plugin.schema import limits


class PictureVersions:
    """Remembers the wall time of each step's picture. New steps leave the version as it is; a step's new wall time changes it.

    Args:
        session: told apart from every other server's, because this one has not seen what happened before it.
    """

    def __init__(self, session: str) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._generations = itertools.count()
        self._seen: dict[tuple[str, str, str, str], tuple[int, dict[int, float]]] = {}

    def version(self, experiment: str, run: str, picture: PictureSeries) -> str:
        """The version of a series as it is now."""
        key = (experiment, run, picture.kind, picture.name)
        now = dict(zip(picture.steps.tolist(), picture.wall_times.tolist(), strict=True))
        with self._lock:
            if len(self._seen) >= limits.MAX_REMEMBERED_SERIES:
                self._seen.clear()
            generation, before = self._seen.get(key, (None, {}))
            changed = any(before.get(step, at) != at for step, at in now.items())
            if generation is None or changed or len(before) > limits.MAX_REMEMBERED_STEPS:
                generation, before = next(self._generations), {}
            self._seen[key] = generation, {**before, **now}
        return f"{self._session}{generation:x}"
