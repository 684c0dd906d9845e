"""Zips as somebody unpacks them who got one."""

from __future__ import annotations

import zipfile
from pathlib import Path


def unpacked(archive: Path, folder: Path) -> Path:
    """Unpacks a zip whose members are all sound; returns the folder."""
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        file.extractall(folder)
    return folder
