"""A zip that is the same for the same contents, and whose names stay inside the folder it is unpacked into, on any system."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterable
from pathlib import PurePosixPath

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold: contents alone decide about its bytes."""

_LONGEST_PART = 200
"""Bytes of a file's or folder's name. File systems take 255; the rest is for a number that tells clashes apart."""

_UNSAFE = frozenset('<>:"|?*\\/')
"""What separates folders, or is forbidden on some system."""

_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\..*)?", re.IGNORECASE)
"""Devices: Windows opens them in whatever folder the name stands."""


class Archive:
    """Writes members of a zip, one after the other."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file
        self._taken: dict[str, str] = {}

    def write(self, parts: Iterable[str], chunks: Iterable[bytes]) -> str:
        """Adds a member from folders and a file name, made safe first.

        Returns:
            The name it got.
        """
        name = self._free_name(PurePosixPath(*map(safe_part, parts)))
        info = zipfile.ZipInfo(name, _EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED
        with self._file.open(info, "w", force_zip64=True) as member:
            for chunk in chunks:
                member.write(chunk)
        return name

    def _free_name(self, path: PurePosixPath) -> str:
        number, free = 1, path
        while free.as_posix().casefold() in self._taken:
            number += 1
            free = path.with_name(f"{path.name}-{number}")
        self._taken[free.as_posix().casefold()] = free.as_posix()
        return free.as_posix()


def safe_part(part: str) -> str:
    """One folder's or file's name that means the same on every system: no separators, no devices, no `..`, not too long.

    Marks that turn the direction of writing go too, since they hide how a name ends.
    """
    clean = "".join(letter if letter.isprintable() and letter not in _UNSAFE else "_" for letter in part).rstrip(". ")
    if not clean or _RESERVED.fullmatch(clean):
        clean = f"_{clean}"
    encoded = clean.encode()
    if len(encoded) <= _LONGEST_PART:
        return clean
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return f"{encoded[: _LONGEST_PART - 17].decode(errors='ignore')}-{digest}"
