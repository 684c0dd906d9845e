"""Files behind URLs: the choice between TensorFlow's gfile and fsspec, one for writing and reading; nothing else opens a URL."""

from __future__ import annotations

import contextlib
import errno
import importlib
import importlib.util
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

_SCHEME = r"[A-Za-z][A-Za-z0-9+._-]+"
_URL = re.compile(rf"(?:{_SCHEME}::)*{_SCHEME}://")
"""Schemes have two letters or more: one is a drive of Windows. fsspec takes several, joined by `::`."""

Listed = tuple[str, int | None]
"""A file's path below a folder, and its size where the listing says it."""


def is_remote(path: str) -> bool:
    """Whether a path is a URL, such as `gs://bucket/run`."""
    return _URL.match(path) is not None


class PartReader(io.RawIOBase):
    """A file to read from, made of a function that gives any part of it.

    Args:
        size: its bytes.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a place; nothing is read.

        Raises:
            OSError: it lies before the file.
        """
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if at < 0:
            raise OSError(errno.EINVAL, f"there is no byte {at} in a file")
        self._at = at
        return at

    def tell(self) -> int:
        """The place."""
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Up to that many bytes.

        Raises:
            OSError: the storage does not give them.
        """
        left = max(self._size - self._at, 0)
        wanted = left if size < 0 else min(size, left)
        data = self.part(self._at, wanted) if wanted else b""
        self._at += len(data)
        return data

    def readinto(self, buffer: Any, /) -> int:
        """The same, into a buffer."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def part(self, at: int, size: int) -> bytes:
        """Those bytes, or fewer if the file has become shorter."""
        raise NotImplementedError


class RemoteFile(PartReader):
    """A remote file: each read asks for the bytes that are wanted, and whatever goes wrong is an OSError.

    Args:
        file: an object with `seek`, `read` and `close`.
        size: its bytes.
        url: to name it by.
    """

    def __init__(self, file: Any, size: int, url: str) -> None:
        super().__init__(size)
        self._file = file
        self._url = url

    def part(self, at: int, size: int) -> bytes:
        """Those bytes, or fewer if the file has become shorter."""
        with _errors(self._url):
            self._file.seek(at)
            return bytes(self._file.read(size))

    def close(self) -> None:
        """Closes the file."""
        if not self.closed:
            with contextlib.suppress(Exception):
                self._file.close()
        super().close()


def is_folder(url: str) -> bool:
    """Whether a URL is a folder, and no file.

    Raises:
        FileNotFoundError: there is nothing.
        OSError: the storage cannot be reached, or nothing here knows its scheme.
    """
    with _errors(url):
        return file_system(url).is_folder(url)


def find(url: str) -> list[Listed]:
    """Every file below a folder.

    Raises:
        OSError: as above.
    """
    with _errors(url):
        return list(file_system(url).find(url))


def size(url: str, path: str) -> int:
    """Bytes of a file below a folder, or of the file at `url` where `path` is empty.

    Raises:
        OSError: as above.
    """
    with _errors(url):
        return file_system(url).size(url, path)


def open_file(url: str, path: str) -> RemoteFile:
    """Opens such a file.

    Raises:
        OSError: as above.
    """
    with _errors(url):
        return file_system(url).open_file(url, path)


class _Gfile:
    """TensorFlow's file systems."""

    def __init__(self, gfile: Any) -> None:
        self._gfile = gfile

    def list_names(self, folder: str) -> Sequence[str]:
        if not self._gfile.exists(folder):
            return []
        return [name.rstrip("/") for name in self._gfile.listdir(folder)]

    def open_writer(self, folder: str, name: str) -> Any:
        self._gfile.makedirs(folder)
        return self._gfile.GFile(_below(folder, name), "wb")

    def is_folder(self, url: str) -> bool:
        if not self._gfile.exists(url):
            raise FileNotFoundError
        return bool(self._gfile.isdir(url))

    def find(self, url: str) -> Iterator[Listed]:
        root, visited = url.rstrip("/"), set()
        for folder, below, names in self._gfile.walk(url):
            real = os.path.realpath(folder[len("file:") :]) if url.startswith("file:") else folder
            if real in visited:
                below.clear()
                continue
            visited.add(real)
            for name in names:
                yield f"{folder[len(root) :]}/{name}".strip("/"), None

    def size(self, url: str, path: str) -> int:
        return int(self._gfile.stat(_below(url, path)).length)

    def open_file(self, url: str, path: str) -> RemoteFile:
        return RemoteFile(self._gfile.GFile(_below(url, path), "rb"), self.size(url, path), _below(url, path))


class _Fsspec:
    """Any file system that fsspec knows."""

    def __init__(self, fsspec: Any) -> None:
        self._fsspec = fsspec

    def list_names(self, folder: str) -> Sequence[str]:
        system, path = self._fsspec.core.url_to_fs(folder)
        if not system.exists(path):
            return []
        return [entry.rstrip("/").rsplit("/", 1)[-1] for entry in system.ls(path, detail=False)]

    def open_writer(self, folder: str, name: str) -> Any:
        system, path = self._fsspec.core.url_to_fs(folder)
        system.makedirs(path, exist_ok=True)
        return system.open(_below(path, name), "wb")

    def is_folder(self, url: str) -> bool:
        """Web servers have no folders: there, an address that ends with a slash is one, and a list of links is what it holds."""
        system, path = self._fsspec.core.url_to_fs(url)
        system.invalidate_cache()
        return url.endswith("/") or system.info(path)["type"] == "directory"

    def find(self, url: str) -> Iterator[Listed]:
        system, root = self._fsspec.core.url_to_fs(url)
        root = root.rstrip("/")
        for path, info in system.find(root, detail=True).items():
            if path.startswith(f"{root}/") or not root:
                yield path[len(root) :].strip("/"), info.get("size")

    def size(self, url: str, path: str) -> int:
        system, root = self._fsspec.core.url_to_fs(url)
        return int(system.info(_below(root, path))["size"])

    def open_file(self, url: str, path: str) -> RemoteFile:
        """Without a cache, which would read megabytes ahead of each picture."""
        system, root = self._fsspec.core.url_to_fs(url)
        file = system.open(_below(root, path), "rb", cache_type="none")
        size = getattr(file, "size", None)
        return RemoteFile(file, int(system.info(_below(root, path))["size"] if size is None else size), _below(url, path))


def file_system(url: str) -> _Gfile | _Fsspec:
    """What opens a URL: gfile if TensorFlow is there and knows the scheme, fsspec otherwise.

    Raises:
        OSError: neither can.
    """
    scheme = url.partition("://")[0]
    gfile = _gfile(scheme)
    return _Gfile(gfile) if gfile is not None else _Fsspec(_fsspec(url, scheme))


def _below(folder: str, path: str) -> str:
    return f"{folder.rstrip('/')}/{path}" if path else folder


def _gfile(scheme: str) -> Any:
    """TensorFlow's gfile, if TensorFlow is there and knows the scheme; None otherwise."""
    if sys.modules.get("tensorflow") is None and importlib.util.find_spec("tensorflow") is None:
        return None
    gfile = importlib.import_module("tensorflow").io.gfile
    known = {entry.decode() if isinstance(entry, bytes) else entry for entry in gfile.get_registered_schemes()}
    return gfile if scheme in known else None


def _fsspec(url: str, scheme: str) -> Any:
    """Fsspec, if it is there with what it needs for the schemes."""
    if importlib.util.find_spec("fsspec") is None:
        raise _unknown(
            url, f"{scheme}:// needs fsspec (pip install 'fsspec[{scheme.rpartition('::')[2]}]') or a TensorFlow that knows {scheme}://"
        )
    fsspec = importlib.import_module("fsspec")
    for each in scheme.split("::"):
        try:
            fsspec.get_filesystem_class(each)
        except ImportError as error:
            package = getattr(error.__cause__, "name", None)
            advice = f"fsspec needs the package {package} for {each}:// (pip install {package})" if package else str(error)
            raise _unknown(url, advice) from error
        except ValueError as error:
            raise _unknown(url, f"neither fsspec nor TensorFlow knows {each}://; they know s3://, gs:// and others") from error
    return fsspec


def _unknown(url: str, sentence: str) -> OSError:
    return OSError(errno.EPROTONOSUPPORT, sentence, url)


@contextlib.contextmanager
def _errors(url: str) -> Iterator[None]:
    """Storages raise errors of their own kinds: here they become an OSError that names the URL and says in `strerror` what is wrong."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, "there is nothing at this URL", url) from error
    except Exception as error:  # each storage raises errors of its own
        if isinstance(error, OSError) and error.strerror:
            raise OSError(error.errno or errno.EIO, error.strerror, url) from error
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise OSError(errno.EIO, said[:300], url) from error
