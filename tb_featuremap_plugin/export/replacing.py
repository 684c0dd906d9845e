"""A file written beside the one that it replaces, so that the old one stays whole until the new one is complete."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replaced(output: Path) -> Iterator[Path]:
    """Where to write what is to stand at `output`, and does once the block has ended without an exception.

    What cannot be replaced (a device, a pipe) is written to directly; through a link, what it points to is replaced.

    Raises:
        OSError: the new file cannot take its place; it is removed.
    """
    target = output.resolve()
    if target.exists() and not target.is_file():
        yield target
        return
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        yield partial
        if target.exists():
            shutil.copymode(target, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
