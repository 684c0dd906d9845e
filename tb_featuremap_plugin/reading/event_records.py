"""The records in an event file. Nothing here knows what an event means."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path

from tb_featuremap_plugin.format import eventfile
from tb_featuremap_plugin.reading.stored_files import LocalFile, StoredFile
from tb_featuremap_plugin.schema import limits

_HEAD = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
HEAD_BYTES = _HEAD.size
FRAME_BYTES = _HEAD.size + _CHECKSUM.size

OnDamage = Callable[[str], None]
"""Called with a sentence for each thing that could not be read."""


def ignore(message: str) -> None:
    """Takes what could not be read, where nobody asks."""


@dataclass(frozen=True)
class StoredRecord:
    """A whole record: where it begins in its file, and its bytes."""

    offset: int
    payload: bytes


@dataclass(frozen=True)
class Block:
    """A piece of a file.

    Attributes:
        offset: of the first byte in the file.
        data: the bytes.
        payloads: where the payloads of whole records with right checksums begin and end in `data`.
    """

    offset: int
    data: bytes
    payloads: Sequence[tuple[int, int]]

    def record_at(self, begin: int) -> int:
        """Where the record with the payload that begins here starts in the file."""
        return self.offset + begin - _HEAD.size


def read_blocks(file: StoredFile | Path, on_damage: OnDamage = ignore) -> Iterator[Block]:
    """The records of a file whose checksums are right, many at a time. A record that is cut off ends the file: it may be being written.

    Args:
        file: the event file, or the path of a local one.
        on_damage: called with a sentence for each thing that could not be read.
    """
    stored = as_stored(file)
    try:
        with stored.open() as opened:
            yield from _blocks(opened, 0, stored.block_bytes, on_damage)
    except OSError as error:
        on_damage(f"{stored.name} could not be read: {error.strerror or error}")


def check(file: StoredFile | Path, at: int, on_damage: OnDamage, most: int) -> int:
    """Checks the records of a file from the one at `at` on, `most` bytes or a little more.

    Args:
        file: the event file, or the path of a local one.
        at: where a record begins.
        on_damage: called with a sentence for each thing that could not be read; what is damaged last is said again by the next call.
        most: bytes after which to stop.

    Returns:
        Where to go on: behind the last record that is sound.

    Raises:
        OSError: the file cannot be read.
    """
    stored, end = as_stored(file), at
    with stored.open() as opened:
        for block in _blocks(opened, at, stored.block_bytes, on_damage):
            end = block.offset + block.payloads[-1][1] + _CHECKSUM.size
            if end - at >= most:
                break
    return end


def read_records(file: StoredFile | Path, on_damage: OnDamage = ignore) -> Iterator[StoredRecord]:
    """The same, one by one."""
    for block in read_blocks(file, on_damage):
        for begin, end in block.payloads:
            yield StoredRecord(block.record_at(begin), block.data[begin:end])


def read_record(file: StoredFile | Path, offset: int) -> bytes:
    """One record's bytes.

    Raises:
        OSError: the file cannot be read (any more).
        LookupError: no whole record begins there (any more).
    """
    stored = as_stored(file)
    with stored.open() as opened:
        for block in _blocks(opened, offset, _HEAD.size, ignore):
            begin, end = block.payloads[0]
            if block.record_at(begin) == offset:
                return block.data[begin:end]
            break
    raise LookupError(f"{stored.name} has no record at {offset}")


def as_stored(file: StoredFile | Path) -> StoredFile:
    """The file of a path; any other as it is."""
    return LocalFile(file) if isinstance(file, Path) else file


def _blocks(file: RawIOBase, at: int, block_bytes: int, on_damage: OnDamage) -> Iterator[Block]:
    """Blocks of at least one sound record each, from the record at `at` on."""
    needed = 0
    while True:
        found = Walk(at, read_bytes(file, at, max(block_bytes, needed)), on_damage)
        if found.payloads:
            yield Block(at, found.data, found.payloads)
        at += found.used
        if found.is_damaged or (found.used == 0 and found.cut <= needed) or at + found.cut > file.seek(0, os.SEEK_END):
            return
        needed = found.cut
        if needed > FRAME_BYTES + limits.MAX_EVENT_BYTES:
            on_damage(too_long(at, needed - FRAME_BYTES))
            at, needed = at + needed, 0


def read_bytes(file: RawIOBase, at: int, size: int) -> bytes:
    """Up to that many of the bytes that the file holds by now."""
    missing = min(size, file.seek(0, os.SEEK_END) - at)
    parts = []
    file.seek(at)
    while missing > 0 and (part := file.read(missing)):
        parts.append(part)
        missing -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class Walk:
    """Goes from record to record through a piece of a file, at whose first byte a record begins.

    Attributes:
        payloads: where those of whole and sound records begin and end.
        used: bytes of all records that are whole.
        cut: bytes of the record that follows and is not whole; 0 if there is none, or not even the whole of its length.
        is_damaged: whether that record's length is damaged.
    """

    def __init__(self, offset: int, data: bytes, on_damage: OnDamage) -> None:
        self.data = data
        self.payloads: list[tuple[int, int]] = []
        self.used = self.cut = 0
        self.is_damaged = False
        self._offset = offset
        self._on_damage = on_damage
        while self._next():
            pass

    def _next(self) -> bool:
        """Takes one record more; False where there is no whole one."""
        data, at = self.data, self.used
        begin = at + _HEAD.size
        if begin > len(data):
            return False
        length, checksum = _HEAD.unpack_from(data, at)
        if eventfile.masked_crc(data[at : at + 8]) != checksum:
            self._on_damage(f"the length of the record at byte {self._offset + at} is damaged; what follows in this file cannot be found")
            self.is_damaged = True
            return False
        end = begin + length
        if end + _CHECKSUM.size > len(data):
            self.cut = length + FRAME_BYTES
            return False
        if self._is_sound(at, begin, end):
            self.payloads.append((begin, end))
        self.used = end + _CHECKSUM.size
        return True

    def _is_sound(self, at: int, begin: int, end: int) -> bool:
        if end - begin > limits.MAX_EVENT_BYTES:
            self._on_damage(too_long(self._offset + at, end - begin))
            return False
        if eventfile.masked_crc(self.data[begin:end]) != _CHECKSUM.unpack_from(self.data, end)[0]:
            self._on_damage(f"the checksum of the record at byte {self._offset + at} is wrong, so its {end - begin} bytes are left out")
            return False
        return True


def too_long(offset: int, length: int) -> str:
    """What is said of a record that is skipped for its length."""
    return f"the record at byte {offset} has {length} bytes; at most {limits.MAX_EVENT_BYTES} are read"
