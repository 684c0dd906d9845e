"""Where event files are written: local paths through the standard library alone, `scheme://` paths through gfile or fsspec."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol


class Appender(Protocol):
    """A file that grows."""

    def append(self, data: bytes) -> None:
        """Writes all of `data` behind what is there, or leaves the file as it was and raises OSError."""

    def flush(self) -> None:
        """Hands everything to the storage."""

    def close(self) -> None:
        """Flushes and closes."""


class LocalAppender:
    """A local file, written without a buffer: what `append` wrote belongs to the operating system."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        self._size = os.fstat(self._descriptor).st_size

    def append(self, data: bytes) -> None:
        """Writes all of `data`; what a full disk cut off is taken back, so that the file stays readable."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)


class RemoteAppender:
    """A remote file, through an object with the methods of a Python file."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def append(self, data: bytes) -> None:
        """Writes `data`."""
        self._file.write(data)

    def flush(self) -> None:
        """Hands everything to the storage, as far as that storage can before the file is closed."""
        self._file.flush()

    def close(self) -> None:
        """Flushes and closes."""
        self._file.close()


def is_remote(path: str) -> bool:
    """Whether a path names a scheme, such as `gs://bucket/run`."""
    return "://" in path


def list_names(folder: str) -> Sequence[str]:
    """Names of what stands in a folder; none if there is no such folder."""
    if is_remote(folder):
        return _remote(folder).list_names(folder)
    try:
        return [entry.name for entry in Path(folder).iterdir()]
    except FileNotFoundError:
        return []


def open_appender(folder: str, name: str) -> Appender:
    """Opens a file for appending, and makes its folder.

    Raises:
        OSError: the storage refuses.
    """
    if is_remote(folder):
        return _remote(folder).open_appender(folder, name)
    Path(folder).mkdir(parents=True, exist_ok=True)
    return LocalAppender(str(Path(folder) / name))


class _Gfile:
    """TensorFlow's file systems."""

    def __init__(self, gfile: Any) -> None:
        self._gfile = gfile

    def list_names(self, folder: str) -> Sequence[str]:
        if not self._gfile.exists(folder):
            return []
        return [name.rstrip("/") for name in self._gfile.listdir(folder)]

    def open_appender(self, folder: str, name: str) -> Appender:
        self._gfile.makedirs(folder)
        return RemoteAppender(self._gfile.GFile(f"{folder.rstrip('/')}/{name}", "wb"))


class _Fsspec:
    """Any file system that fsspec knows."""

    def __init__(self, fsspec: Any) -> None:
        self._fsspec = fsspec

    def list_names(self, folder: str) -> Sequence[str]:
        system, path = self._fsspec.core.url_to_fs(folder)
        if not system.exists(path):
            return []
        return [entry.rstrip("/").rsplit("/", 1)[-1] for entry in system.ls(path, detail=False)]

    def open_appender(self, folder: str, name: str) -> Appender:
        system, path = self._fsspec.core.url_to_fs(folder)
        system.makedirs(path, exist_ok=True)
        return RemoteAppender(system.open(f"{path.rstrip('/')}/{name}", "wb"))


def _remote(path: str) -> _Gfile | _Fsspec:
    scheme = path.partition("://")[0]
    gfile = _gfile(scheme)
    if gfile is not None:
        return _Gfile(gfile)
    if importlib.util.find_spec("fsspec") is not None:
        return _Fsspec(importlib.import_module("fsspec"))
    raise ValueError(f"logdir {path!r} is remote: install fsspec with its {scheme} support, or TensorFlow where it knows {scheme}://")


def _gfile(scheme: str) -> Any:
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return None
    known = {entry.decode() if isinstance(entry, bytes) else entry for entry in tensorflow.io.gfile.get_registered_schemes()}
    return tensorflow.io.gfile if scheme in known else None
