"""Where event files lie: a folder of this machine, a zip file, or a URL. Whoever reads them need not know which."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Protocol

from tb_featuremap_plugin.format import remote
from tb_featuremap_plugin.reading.stored_files import LocalFile, RemoteFile, RunFiles, StoredFile, in_order, is_event_file, run_name

_LOOKED_AT = 1000


class Place(Protocol):
    """What stands for a logdir. Its text is what a user calls it."""

    def runs(self) -> list[RunFiles]:
        """Every folder with event files; each folder once.

        Raises:
            OSError: it is not there or cannot be read; `strerror` says why.
        """

    def has_files(self) -> bool:
        """Whether any file lies there, of whatever kind.

        Raises:
            OSError: the same.
        """


Where = str | Path | Place
"""A path, a URL (a string: a Path is always local), or a place that is open already."""


def is_url(text: str) -> bool:
    """Whether a text is a URL; drives of Windows are not."""
    return remote.is_remote(text)


def as_text(logdir: object) -> str:
    """What a user gave as a logdir, as a path or a URL.

    Raises:
        TypeError: it is neither a string nor a path.
        ValueError: it is empty.
    """
    text = os.fspath(logdir) if isinstance(logdir, str | os.PathLike) else logdir
    if not isinstance(text, str):
        raise TypeError(f"logdir is {text!r:.100}; allowed are strings and paths")
    if not text:
        raise ValueError("logdir is empty; '.' is the folder in which this program runs")
    return text


def open_place(where: Where, *, follow_links: bool = True) -> Place:
    """The place that a path or a URL means.

    Args:
        where: a path, a URL, or a place that is open already.
        follow_links: whether links of a folder lead to what lies outside of it.

    Raises:
        OSError: it is a URL at which nothing can be found; `strerror` says why.
    """
    if isinstance(where, str) and is_url(where):
        return RemoteFolder(where) if remote.is_folder(where) else _zip(RemoteFile(where))
    if not isinstance(where, str | Path):
        return where
    path = Path(where)
    return _zip(LocalFile(path)) if path.is_file() else LocalFolder(path, follow_links)


def find_runs(where: Where) -> list[RunFiles]:
    """Every folder with event files below a place.

    Raises:
        FileNotFoundError: there is no such place.
        NotADirectoryError: it is a file, and no zip.
        OSError: it cannot be read; `strerror` says why.
    """
    return open_place(where).runs()


def _hangs(path: Path) -> bool:
    """Whether to open something might take for ever: a pipe, a socket or a device, which anybody can put into a folder."""
    try:
        return path.exists() and not (path.is_file() or path.is_dir())
    except OSError:
        return False  # it may not be read: whoever opens it says so


def _event_files(folder: Path, names: Iterable[str]) -> list[LocalFile]:
    """Those of the files in a folder that are event files, in order."""
    return [LocalFile(path) for path in sorted(folder / name for name in names if is_event_file(name)) if not _hangs(path)]


@dataclass(frozen=True)
class LocalFolder:
    """A folder of this machine, as it is whenever it is asked.

    Attributes:
        path: of the folder.
        follow_links: whether links lead to what lies outside of it.
    """

    path: Path
    follow_links: bool = True

    def runs(self) -> list[RunFiles]:
        """Every folder with event files; each folder once, even if links lead to it in circles.

        Raises:
            FileNotFoundError: there is no such folder.
            NotADirectoryError: it is neither a folder nor an ordinary file.
        """
        os.scandir(self.path).close()
        runs = []
        visited: set[Path] = set()
        for folder, below, files in os.walk(self.path, followlinks=True):
            real = Path(folder).resolve()
            if real in visited or not self._is_read(real):
                below.clear()
                continue
            visited.add(real)
            below.sort()
            found = [file for file in _event_files(Path(folder), files) if self._is_read(file.path)]
            if found:
                runs.append(RunFiles(run_name(Path(folder).relative_to(self.path).as_posix()), found))
        return runs

    def links_outside(self) -> list[str]:
        """Names, below the folder, of links that lead out of it."""
        root = self.path.resolve()
        found = []
        for folder, below, files in os.walk(self.path):
            links = [path for name in (*below, *files) if (path := Path(folder) / name).is_symlink()]
            found += [link.relative_to(self.path).as_posix() for link in links if not link.resolve().is_relative_to(root)]
        return sorted(found)

    def _is_read(self, path: Path) -> bool:
        return self.follow_links or path.resolve().is_relative_to(self.path.resolve())

    def files_of(self, run: str) -> list[LocalFile]:
        """The event files of one run; none where no folder of this one has its name.

        Raises:
            OSError: its folder cannot be read.
        """
        folder = self.path / run
        inside = not PurePosixPath(run).is_absolute() and ".." not in PurePosixPath(run).parts
        return _event_files(folder, [path.name for path in folder.iterdir() if not path.is_dir()]) if inside and folder.is_dir() else []

    def has_files(self) -> bool:
        """Whether there is a file among the first thousand things."""
        return any(path.is_file() for path in islice(self.path.rglob("*"), _LOOKED_AT))

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class RemoteFolder:
    """A folder at a URL, as it is whenever it is asked."""

    url: str

    def runs(self) -> list[RunFiles]:
        """Every folder with event files."""
        found = (RemoteFile(self.url, path, size) for path, size in remote.find(self.url))
        return in_order((file.path.rpartition("/")[0], file) for file in found if is_event_file(file.name))

    def has_files(self) -> bool:
        """Whether there is a file anywhere."""
        return bool(remote.find(self.url))

    def __str__(self) -> str:
        return self.url


def _zip(file: StoredFile) -> Place:
    from tb_featuremap_plugin.reading.zips import ZippedFolder

    return ZippedFolder(file)
