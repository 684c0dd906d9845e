"""Event files as they lie on disk: which there are, and the records in them. Nothing here knows what an event means."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tb_featuremap_plugin import eventfile, limits

_HEAD = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_MARK = "tfevents"


@dataclass(frozen=True)
class RunFiles:
    """A run: the folder below the logdir, as TensorBoard names it, and its event files in the order in which they are read."""

    name: str
    files: Sequence[Path]


@dataclass(frozen=True)
class StoredRecord:
    """A whole record: where it begins in its file, and its bytes."""

    offset: int
    payload: bytes


def find_runs(logdir: Path) -> list[RunFiles]:
    """Every folder with event files; each folder once, even if links lead to it in circles.

    Raises:
        FileNotFoundError: there is no such folder.
        NotADirectoryError: it is a file.
    """
    os.scandir(logdir).close()
    runs = []
    visited: set[Path] = set()
    for folder, below, files in os.walk(logdir, followlinks=True):
        real = Path(folder).resolve()
        if real in visited:
            below.clear()
            continue
        visited.add(real)
        below.sort()
        found = sorted(Path(folder) / name for name in files if _MARK in name)
        if found:
            runs.append(RunFiles(Path(folder).relative_to(logdir).as_posix(), found))
    return runs


def read_records(path: Path, on_damage: Callable[[str], None] = lambda message: None) -> Iterator[StoredRecord]:
    """The records of a file whose checksums are right. A record that is cut off ends the file: it may be being written.

    Args:
        path: the event file.
        on_damage: called with a sentence for each thing that could not be read.
    """
    try:
        with path.open("rb") as file:
            yield from _records(file, os.fstat(file.fileno()).st_size, on_damage)
    except OSError as error:
        on_damage(f"{path.name} could not be read: {error.strerror or error}")


def read_record(path: Path, offset: int) -> bytes:
    """One record's bytes.

    Raises:
        OSError: the file cannot be read (any more).
        LookupError: no whole record begins there (any more).
    """
    with path.open("rb") as file:
        file.seek(offset)
        for record in _records(file, os.fstat(file.fileno()).st_size, lambda message: None):
            if record.offset == offset:
                return record.payload
            break
    raise LookupError(f"{path.name} has no record at {offset}")


def _records(file: BinaryIO, size: int, on_damage: Callable[[str], None]) -> Iterator[StoredRecord]:
    while True:
        offset = file.tell()
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        length, checksum = _HEAD.unpack(head)
        if eventfile.masked_crc(head[:8]) != checksum:
            on_damage(f"the length of the record at byte {offset} is damaged; what follows in this file cannot be found")
            return
        if offset + _HEAD.size + length + _CHECKSUM.size > max(size, os.fstat(file.fileno()).st_size):
            return
        if length > limits.MAX_EVENT_BYTES:
            on_damage(f"the record at byte {offset} has {length} bytes; at most {limits.MAX_EVENT_BYTES} are read")
            file.seek(length + _CHECKSUM.size, os.SEEK_CUR)
            continue
        payload, tail = file.read(length), file.read(_CHECKSUM.size)
        if len(tail) < _CHECKSUM.size:
            return
        if eventfile.masked_crc(payload) != _CHECKSUM.unpack(tail)[0]:
            on_damage(f"the checksum of the record at byte {offset} is wrong, so its {length} bytes are left out")
            continue
        yield StoredRecord(offset, payload)
