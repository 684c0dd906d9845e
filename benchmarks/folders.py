"""Scratch folders of a benchmark and what was written into them."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

_ROOT = Path(tempfile.mkdtemp(prefix="featuremaps-bench-"))
atexit.register(shutil.rmtree, _ROOT, ignore_errors=True)


def fresh(name: str) -> Path:
    """A new, empty folder that goes with the process."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=_ROOT))


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Growth:
    """How many bytes a folder has gained since the last time it was asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before = size(folder)

    def __call__(self) -> int:
        """Bytes gained."""
        now = size(self._folder)
        gained, self._before = now - self._before, now
        return gained
