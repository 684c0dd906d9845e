"""Where event files are written: local paths through the standard library alone, `scheme://` paths through gfile or fsspec."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from tb_featuremap_plugin.format import remote
from tb_featuremap_plugin.recording import locks


class Appender(Protocol):
    """A file that grows.

    Attributes:
        intact: whether the file holds whole events only, so that more can be appended after a failure.
    """

    intact: bool

    def append(self, data: bytes) -> None:
        """Writes all of `data` behind what is there.

        Raises:
            OSError: the storage refuses.
        """

    def flush(self) -> None:
        """Hands everything to the storage."""

    def close(self) -> None:
        """Flushes and closes."""

    def discard(self) -> None:
        """Closes and removes the file, as far as that is possible."""

    def abandon(self) -> None:
        """In the child of a fork: leaves the file to the parent."""


class LocalAppender:
    """A local file, written without a buffer: what `append` wrote belongs to the operating system.

    While it is open the file is locked, which tells `is_written` that its writer lives; the lock goes with the process.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        self._size = os.fstat(self._descriptor).st_size
        self.intact = True
        locks.is_free(self._descriptor)

    def append(self, data: bytes) -> None:
        """Writes all of `data`; what a full disk cut off is taken back, so that the file stays readable.

        Raises:
            OSError: the disk is full or gone, or the file was removed by somebody else.
        """
        if os.name == "posix" and os.fstat(self._descriptor).st_nlink == 0:
            self.intact = False
            raise FileNotFoundError(errno.ENOENT, "the event file was removed while it was written", self._path)
        try:
            self._write(data)
        except OSError:
            self._cut_back()
            raise
        self._size += len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)

    def discard(self) -> None:
        """Closes and removes the file."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        with contextlib.suppress(OSError):
            Path(self._path).unlink()

    def abandon(self) -> None:
        """Closes this process's copy; the parent's stays open, and locked."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            self.intact = False


class RemoteAppender:
    """A remote file, through an object with the methods of a Python file."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.intact = True

    def append(self, data: bytes) -> None:
        """Writes `data`; after a failure nobody knows what arrived."""
        try:
            self._file.write(data)
        except BaseException:  # an interrupt too leaves half of it there
            self.intact = False
            raise

    def flush(self) -> None:
        """Hands everything to the storage, as far as that storage can before the file is closed."""
        self._file.flush()

    def close(self) -> None:
        """Flushes and closes."""
        self._file.close()

    def discard(self) -> None:
        """Closes the file; a remote storage may have kept nothing of it."""
        with contextlib.suppress(Exception):
            self._file.close()

    def abandon(self) -> None:
        """Connections cannot be shared: nothing is done with it."""


def resolved(folder: str | os.PathLike[str]) -> str:
    """A folder's path, whatever the working directory is later: `~` is the home folder. URLs stay as they are."""
    path = os.fspath(folder)
    if remote.is_remote(path):
        return path
    with contextlib.suppress(RuntimeError):  # nobody knows where home is
        return str(Path(path).expanduser().absolute())
    return str(Path(path).absolute())


def join(folder: str, name: str) -> str:
    """The path of something in a folder, local or remote."""
    return f"{folder.rstrip('/')}/{name}" if remote.is_remote(folder) else str(Path(folder) / name)


def list_names(folder: str) -> Sequence[str]:
    """Names of what stands in a folder; none if there is no such folder."""
    if remote.is_remote(folder):
        return remote.file_system(folder).list_names(folder)
    try:
        return os.listdir(folder)  # noqa: PTH208 - names, for thousands of files too
    except FileNotFoundError:
        return []


def open_appender(folder: str, name: str) -> Appender:
    """Opens a file for appending, and makes its folder.

    Raises:
        OSError: the storage refuses.
    """
    if remote.is_remote(folder):
        return RemoteAppender(remote.file_system(folder).open_writer(folder, name))
    Path(folder).mkdir(parents=True, exist_ok=True)
    return LocalAppender(join(folder, name))


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """While this lasts, no other writer of this machine looks into a local folder to begin a file: of two, one finds the other's.

    Raises:
        OSError: the storage refuses to make the folder.
    """
    if remote.is_remote(folder):
        yield
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    with locks.held(folder):
        yield


def is_written(folder: str, name: str) -> bool | None:
    """Whether a living writer has a file open; None where that cannot be told: at a URL, or where files cannot be locked."""
    if remote.is_remote(folder):
        return None
    try:
        descriptor = _open_to_lock(join(folder, name))
    except OSError:
        return False
    try:
        free = locks.is_free(descriptor)
    finally:
        os.close(descriptor)
    return None if free is None else not free


def _open_to_lock(path: str) -> int:
    """Opens a file for writing, because NFS locks no other; a file of somebody else, which may not be written, for reading."""
    try:
        return os.open(path, os.O_RDWR)
    except PermissionError:
        return os.open(path, os.O_RDONLY)


def sizes(folder: str) -> dict[str, int]:
    """Bytes of the files in a local folder, by name; nothing for a URL, and for a folder that cannot be read."""
    if remote.is_remote(folder):
        return {}
    try:
        with os.scandir(folder) as found:
            return {entry.name: entry.stat().st_size for entry in found}
    except OSError:
        return {}
