"""A zip of a logdir, read where it lies. It may be a stranger's: names of members never become paths, and their sizes are bounded."""

from __future__ import annotations

import errno
import io
import re
import struct
import tempfile
import threading
import weakref
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from tb_featuremap_plugin.format.remote import PartReader
from tb_featuremap_plugin.reading.stored_files import ALLOWED, RunFiles, StoredFile, in_order, is_event_file
from tb_featuremap_plugin.schema import limits

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LOCAL_MARK = b"PK\x03\x04"
_DRIVE = re.compile(r"[A-Za-z]:")
_IN_MEMORY = 8 * 2**20
"""Inflated bytes that are held before the temporary folder is used."""

_PART_BYTES = 2**20
_UNPACK = "unpack it, and give the folder"


class ZippedFolder:
    """A zip in place of a folder, as it is when it is first asked.

    Args:
        file: the zip.
    """

    def __init__(self, file: StoredFile) -> None:
        self.file = file
        self._members: list[zipfile.ZipInfo] | None = None
        self._inflated: _Inflated | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[ZippedFolder], tuple[StoredFile]]:
        return ZippedFolder, (self.file,)

    def __str__(self) -> str:
        return str(self.file)

    def runs(self) -> list[RunFiles]:
        """Every folder with event files.

        Raises:
            NotADirectoryError: it is not a zip.
            OSError: it cannot be read, or is not one that is read; `strerror` says why.
        """
        events = _event_files(self._all(), self.file.size())
        return in_order((path.rpartition("/")[0], ZippedFile(self, info)) for path, info in events)

    def has_files(self) -> bool:
        """Whether it holds any file."""
        return any(not _is_folder(info) for info in self._all())

    def open(self, info: zipfile.ZipInfo) -> io.RawIOBase:
        """Opens a member: a part of the zip itself, if it is stored as it is, and of what was inflated of this zip otherwise.

        Raises:
            OSError: it cannot be read; `strerror` says why.
        """
        if info.compress_type == zipfile.ZIP_STORED:
            return self._stored(info)
        with self._lock:
            if self._inflated is None:
                self._inflated = _Inflated()
            held = self._inflated
        return held.open(info, lambda: self._stored(info))

    def _all(self) -> list[zipfile.ZipInfo]:
        if self._members is None:
            with self.file.open() as raw:
                self._members = _read_directory(raw)
        return self._members

    def _stored(self, info: zipfile.ZipInfo) -> _Part:
        """A member's bytes as they lie in the zip."""
        file = self.file.open()
        try:
            file.seek(info.header_offset)
            header = file.read(_LOCAL_HEADER.size) or b""
            mark, name, extra = _LOCAL_HEADER.unpack(header) if len(header) == _LOCAL_HEADER.size else (b"", 0, 0)
            if mark != _LOCAL_MARK:
                _refuse(f"the zip's member {info.filename!r:.200} is not where its list says")
            return _Part(file, info.header_offset + _LOCAL_HEADER.size + name + extra, info.compress_size)
        except BaseException:
            file.close()
            raise


@dataclass(frozen=True)
class ZippedFile:
    """A member of a zip."""

    folder: ZippedFolder
    info: zipfile.ZipInfo

    @property
    def name(self) -> str:
        """Its name without folders."""
        return self.info.filename.rpartition("/")[2]

    @property
    def block_bytes(self) -> int:
        """How much of it is best read at once."""
        return self.folder.file.block_bytes

    @property
    def is_local(self) -> bool:
        """Whether the zip lies on this machine."""
        return self.folder.file.is_local

    def open(self) -> io.RawIOBase:
        """Opens it."""
        return self.folder.open(self.info)

    def size(self) -> int:
        """Its bytes once it is inflated."""
        return self.info.file_size


class _Part(PartReader):
    """A part of another file, which is closed with it.

    Args:
        file: the other.
        begin, size: where the part lies.
    """

    def __init__(self, file: io.RawIOBase, begin: int, size: int) -> None:
        super().__init__(size)
        self._file = file
        self._begin = begin

    def part(self, at: int, size: int) -> bytes:
        self._file.seek(self._begin + at)
        return self._file.read(size) or b""

    def close(self) -> None:
        self._file.close()
        super().close()


class _Inflated:
    """Members of one zip that were inflated, one behind the other in a file without a name; it goes with this object or the process."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed by the finalizer
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()
        self._end = 0
        self._begins: dict[str, int] = {}

    def open(self, info: zipfile.ZipInfo, deflated: Callable[[], io.RawIOBase]) -> io.RawIOBase:
        """Opens a member, which is inflated when it is first opened."""
        with self._lock:
            begin = self._begins.get(info.filename)
            if begin is None:
                with deflated() as source:
                    self._append(info, source)
                begin = self._begins[info.filename] = self._end
                self._end += info.file_size
        return _InflatedPart(self, begin, info.file_size)

    def read(self, at: int, size: int) -> bytes:
        """Bytes of what was inflated."""
        with self._lock:
            self._file.seek(at)
            return self._file.read(size)

    def _append(self, info: zipfile.ZipInfo, source: io.RawIOBase) -> None:
        """Never more than the list of members says, to which the bounds were applied; the checksum is compared at the end."""
        self._file.seek(self._end)
        written = 0
        try:
            with zipfile.ZipExtFile(source, "r", info) as member:
                while data := member.read(_PART_BYTES):
                    written += self._file.write(data)
        except OSError:
            raise
        except Exception as error:  # zipfile and zlib raise errors of their own for damaged bytes
            _refuse(f"the zip's member {info.filename!r:.200} is damaged ({error!s:.100})", error)
        if written != info.file_size:
            _refuse(f"the zip's member {info.filename!r:.200} is damaged (it has {written:,} bytes of {info.file_size:,})")


class _InflatedPart(PartReader):
    """A member that was inflated, which stays there as long as somebody reads it."""

    def __init__(self, held: _Inflated, begin: int, size: int) -> None:
        super().__init__(size)
        self._held = held
        self._begin = begin

    def part(self, at: int, size: int) -> bytes:
        return self._held.read(self._begin + at, size)


class _Bounded:
    """A file from which only so much is read at once: zipfile reads a zip's whole list of members with one call."""

    def __init__(self, file: io.RawIOBase) -> None:
        self.seek = file.seek
        self.tell = file.tell
        self._file = file

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size > limits.MAX_ZIP_DIRECTORY_BYTES:
            most = limits.MAX_ZIP_DIRECTORY_BYTES
            _refuse(f"the zip's list of members has {size:,} bytes, and at most {most:,} are read: {_UNPACK}")
        return self._file.read(size if size >= 0 else limits.MAX_ZIP_DIRECTORY_BYTES) or b""


def _read_directory(file: io.RawIOBase) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(_Bounded(file)) as opened:
            return opened.infolist()
    except OSError:
        raise
    except Exception as error:  # of bytes that anyone may have written, zipfile raises more than BadZipFile
        raise NotADirectoryError(errno.ENOTDIR, f"it is a file, but not a zip ({error!s:.100}); allowed is {ALLOWED}") from error


def _event_files(members: Sequence[zipfile.ZipInfo], zip_bytes: int) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    """Members whose names are those of event files, with their paths; everything else in the zip is left alone.

    Raises:
        OSError: the zip is not read.
    """
    found: dict[str, zipfile.ZipInfo] = {}
    for info in members:
        if _is_folder(info) or not is_event_file(info.filename.rpartition("/")[2]):
            continue
        path = _path(info.filename)
        if path in found:
            _refuse(f"the zip has two members named {info.filename!r:.200}")
        _check(info)
        found[path] = info
    _check_sizes(found.values(), zip_bytes)
    yield from found.items()


def _is_folder(info: zipfile.ZipInfo) -> bool:
    """Whether a member is a folder; `ZipInfo.is_dir` raises for one whose name is empty, as a name is that begins with a NUL."""
    return info.filename.endswith("/")


def _path(name: str) -> str:
    """A member's path below the zip."""
    parts = name.split("/")
    path = "/".join(part for part in parts if part not in ("", "."))
    if ".." in parts or not parts[0] or "\\" in name or _DRIVE.match(path):
        _refuse(f"the zip's member {name!r:.200} is not named by a path below the zip with / between folders")
    return path


def _check(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & _ENCRYPTED:
        _refuse(f"the zip's member {info.filename!r:.200} is encrypted: {_UNPACK}")
    if info.compress_type not in _METHODS:
        _refuse(f"the zip's member {info.filename!r:.200} is compressed by method {info.compress_type}; deflated and stored ones are read")
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        _refuse(f"the zip's member {info.filename!r:.200} is stored as it is, and claims to have two sizes")


def _check_sizes(events: Collection[zipfile.ZipInfo], zip_bytes: int) -> None:
    total = sum(info.file_size for info in events)
    inflated = sum(info.file_size for info in events if info.compress_type != zipfile.ZIP_STORED)
    allowed = max(limits.MAX_ZIP_SMALL_BYTES, limits.MAX_ZIP_RATIO * zip_bytes)
    if total > allowed:
        _refuse(f"the zip of {zip_bytes:,} bytes claims event files of {total:,} bytes; of one so small, at most {allowed:,} are read")
    if inflated > limits.MAX_ZIP_INFLATED_BYTES:
        most = limits.MAX_ZIP_INFLATED_BYTES
        _refuse(f"the zip's event files have {inflated:,} bytes, and at most {most:,} are inflated: {_UNPACK}")


def _refuse(sentence: str, cause: BaseException | None = None) -> NoReturn:
    raise OSError(errno.EINVAL, sentence) from cause
