"""Event files, wherever they lie: on this machine or at a URL (those in a zip are in `zips`). Whoever reads them need not know which."""

from __future__ import annotations

import io
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tb_featuremap_plugin.format import remote

ALLOWED = "a folder, a zip file that `tb-featuremap pack` made, or a URL such as s3://bucket/logs"
"""What stands for a logdir, in words."""

_MARK = "tfevents"
_BLOCK_BYTES = 2**20
"""Read at once: enough for the calls to cost nothing, and little enough to stay in a core's cache until it has been looked at."""

_REMOTE_BLOCK_BYTES = 8 * 2**20
"""The same where each call is a request to another machine."""


class StoredFile(Protocol):
    """An event file, wherever it lies. One of this machine can be sent to another process."""

    @property
    def name(self) -> str:
        """Its name without folders, by which the files of a run are sorted."""

    @property
    def block_bytes(self) -> int:
        """How much of it is best read at once."""

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine."""

    def open(self) -> io.RawIOBase:
        """Opens it: a binary file that can be read from any place.

        Raises:
            OSError: it cannot be read (any more); `strerror` says why.
        """

    def size(self) -> int:
        """Its bytes; as it was listed, if it is remote.

        Raises:
            OSError: it cannot be read (any more).
        """


@dataclass(frozen=True)
class RunFiles:
    """A run: the folder below the logdir, as TensorBoard names it, and its event files in the order in which they are read."""

    name: str
    files: Sequence[StoredFile]


def is_event_file(name: str) -> bool:
    """Whether a file's name is one by which TensorBoard knows event files."""
    return _MARK in name


def in_order(files: Iterable[tuple[str, StoredFile]]) -> list[RunFiles]:
    """Runs from files and the folders that they lie in ("" is the place itself), in the order of a walk through those folders."""
    found: dict[str, list[StoredFile]] = defaultdict(list)
    for folder, file in files:
        found[folder].append(file)
    by_path = sorted(found, key=lambda folder: folder.split("/") if folder else [])
    return [RunFiles(run_name(folder), sorted(found[folder], key=lambda file: file.name)) for folder in by_path]


def run_name(folder: str) -> str:
    """The name of the run in a folder, given by its path below the logdir. Bytes that are not UTF-8 are escaped: every page can hold it."""
    name = folder or "."
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("utf-8", "backslashreplace") if os.name == "posix" else name.encode(errors="replace").decode()
    return name


@dataclass(frozen=True)
class LocalFile:
    """A file of this machine."""

    path: Path

    @property
    def name(self) -> str:
        """Its name without folders."""
        return self.path.name

    @property
    def block_bytes(self) -> int:
        """How much of it is best read at once."""
        return _BLOCK_BYTES

    @property
    def is_local(self) -> bool:
        """True."""
        return True

    def open(self) -> io.RawIOBase:
        """Opens it."""
        return self.path.open("rb", buffering=0)

    def size(self) -> int:
        """Its bytes by now."""
        return self.path.stat().st_size

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class RemoteFile:
    """A file at a URL.

    Attributes:
        url: of a folder, or of the file itself.
        path: of the file below it; "" for the file itself.
        listed: its bytes, as far as that is known.
    """

    url: str
    path: str = ""
    listed: int | None = None

    @property
    def name(self) -> str:
        """Its name without folders."""
        return (self.path or self.url).rpartition("/")[2]

    @property
    def block_bytes(self) -> int:
        """How much of it is best read at once."""
        return _REMOTE_BLOCK_BYTES

    @property
    def is_local(self) -> bool:
        """False."""
        return False

    def open(self) -> io.RawIOBase:
        """Opens it."""
        return remote.open_file(self.url, self.path)

    def size(self) -> int:
        """Its bytes when it was listed."""
        return remote.size(self.url, self.path) if self.listed is None else self.listed

    def __str__(self) -> str:
        return f"{self.url.rstrip('/')}/{self.path}" if self.path else self.url
