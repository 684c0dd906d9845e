"""Event files without the large payloads in them: each record that holds some is given as if they were empty.

A record's checksum covers all of it, so a record of which a part is not read is not checked either. Who asks for a picture reads its
whole record, and checks it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path
from typing import NamedTuple

from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event

from tb_featuremap_plugin.format.eventfile import is_own
from tb_featuremap_plugin.format.values import opening
from tb_featuremap_plugin.reading.event_records import (
    FRAME_BYTES,
    HEAD_BYTES,
    Block,
    OnDamage,
    Walk,
    as_stored,
    ignore,
    read_blocks,
    read_bytes,
    too_long,
)
from tb_featuremap_plugin.reading.event_values import OURS, is_read, known_metadata
from tb_featuremap_plugin.reading.plain_events import read_number
from tb_featuremap_plugin.reading.stored_files import RunFiles, StoredFile
from tb_featuremap_plugin.schema import limits, tags


class Pace(NamedTuple):
    """What is worth a call.

    Attributes:
        skipped: a payload of so many bytes is skipped; to find what follows a shorter one would take longer than to read on. Records up
            to twice this size are read as they are.
        ahead: bytes read at once behind a skipped payload.
        most_ahead: the same where nothing is skipped.
    """

    skipped: int
    ahead: int
    most_ahead: int


LOCAL = Pace(1 << 15, 1 << 12, 1 << 20)
REMOTE = Pace(1 << 21, 1 << 18, 1 << 23)
"""Where each call is a request to another machine, which takes as long as to send megabytes."""

_LONGEST_OPENING = 20
"""Bytes of a field's key and length, or key and number."""

_NUMBER, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
"""How a field is stored: the last three bits of its key."""

_TAG, _STRING = 0x0A, 0x42  # of a Summary.Value, of a TensorProto
_EVENT, _SUMMARY, _VALUE, _TENSOR = range(4)
_WITHIN = {(_EVENT, 0x2A): _SUMMARY, (_SUMMARY, 0x0A): _VALUE, (_VALUE, 0x42): _TENSOR}
"""The message that a field holds, of those that lead to payloads."""

_PREFIX, _MARK = tags.TAG_PREFIX.encode(), tags.PLUGIN_NAME.encode()


def skim_blocks(file: StoredFile | Path, on_damage: OnDamage = ignore, *, checked: int = 0) -> Iterator[Block]:
    """As `read_blocks`, without large payloads: pictures of ours, and anything of others.

    What is read whole is checked as usual. Of a record with something left out, all else is given, unchecked, as a record of its own;
    `record_at` says where it lies in the file.

    Args:
        file: the event file, or the path of a local one.
        on_damage: called with a sentence for each thing that could not be read.
        checked: a local file of up to so many bytes is read whole, and all of it checked.
    """
    stored = as_stored(file)
    try:
        if stored.is_local and stored.size() <= checked:
            yield from read_blocks(stored, on_damage)
            return
        with stored.open() as opened:
            yield from _blocks(_Window(opened, LOCAL if stored.is_local else REMOTE), on_damage)
    except OSError as error:
        on_damage(f"{stored.name} could not be read: {error.strerror or error}")


def skim_record(file: StoredFile | Path, offset: int) -> bytes | None:
    """One record without its large payloads; None where nothing would be left out, or it is not there any more.

    Raises:
        OSError: the file cannot be read (any more).
    """
    stored = as_stored(file)
    with stored.open() as opened:
        window = _Window(opened, LOCAL if stored.is_local else REMOTE)
        found = Walk(offset, window.bytes(offset, window.pace.ahead), ignore)
        is_whole = bool(found.payloads) or found.is_damaged or offset + found.cut > window.size
        block = None if is_whole else _skimmed(window, offset, found.cut)
        return block.data[HEAD_BYTES:] if block else None


def holds_ours(run: RunFiles, on_damage: OnDamage = ignore) -> bool:
    """Whether anything of this plugin is in a run: reads no further than to the first value that is."""
    known: dict[str, bool] = {}
    files = sorted(run.files, key=lambda file: not is_own(file.name))
    return any(_is_ours(block, known) for file in files for block in skim_blocks(file, on_damage))


class _Window:
    """The bytes of a file around the place that is looked at."""

    def __init__(self, file: RawIOBase, pace: Pace) -> None:
        self.pace = pace
        self._file = file
        self._start, self._held = 0, b""
        self.size = file.seek(0, os.SEEK_END)

    def bytes(self, at: int, count: int) -> bytes:
        """`count` bytes; fewer at the end of the file."""
        begin = at - self._start
        if begin < 0 or begin + count > len(self._held):
            self._held, self._start, begin = read_bytes(self._file, at, max(count, self.pace.ahead)), at, 0
        return self._held[begin : begin + count]


def _blocks(window: _Window, on_damage: OnDamage) -> Iterator[Block]:
    at, ahead = 0, window.pace.ahead
    while True:
        found = Walk(at, window.bytes(at, ahead), on_damage)
        if found.payloads:
            yield Block(at, found.data, found.payloads)
        at += found.used
        if found.is_damaged or not (found.used or found.cut) or at + found.cut > window.size:
            return
        if found.cut > 2 * window.pace.skipped:
            yield from _large(window, at, found.cut, on_damage)
            at, ahead = at + found.cut, window.pace.ahead
        else:
            ahead = max(found.cut, min(2 * ahead, window.pace.most_ahead))


def _large(window: _Window, at: int, size: int, on_damage: OnDamage) -> Iterator[Block]:
    """One record: without its payloads if it has any, or else whole if it is sound."""
    if size > FRAME_BYTES + limits.MAX_EVENT_BYTES:
        on_damage(too_long(at, size - FRAME_BYTES))
        return
    block = _skimmed(window, at, size)
    if block is None:
        whole = Walk(at, window.bytes(at, size), on_damage)
        block = Block(at, whole.data, whole.payloads)
    if block.payloads:
        yield block


def _skimmed(window: _Window, at: int, size: int) -> Block | None:
    """The record at `at` without large payloads; None if it has none, or is not built as an event is."""
    skeleton = _Skeleton(window)
    try:
        event = skeleton.message(_EVENT, at + HEAD_BYTES, at + size - FRAME_BYTES + HEAD_BYTES)
    except (IndexError, ValueError):
        return None
    return Block(at, bytes(HEAD_BYTES) + event, [(HEAD_BYTES, HEAD_BYTES + len(event))]) if skeleton.skipped else None


class _Skeleton:
    """Encodes an event again without its large payloads.

    Attributes:
        skipped: bytes that were left out.
    """

    def __init__(self, window: _Window) -> None:
        self.skipped = 0
        self._window = window
        self._is_ours = False

    def message(self, kind: int, at: int, end: int) -> bytes:
        """The message of this kind between two places of the file.

        Raises:
            IndexError, ValueError: there is none.
        """
        parts = []
        while at < end:
            key, start, stop = self._field(at, end)
            if key & 7 != _BYTES:
                parts.append(self._window.bytes(at, stop - at))
            elif (within := _WITHIN.get((kind, key))) is not None:
                content = self.message(within, start, stop)
                parts += opening(key, len(content)), content
            else:
                parts.append(self._leaf(kind, key, at, start, stop))
            at = stop
        return b"".join(parts)

    def _field(self, at: int, end: int) -> tuple[int, int, int]:
        """Key of the field at `at`, and where its content begins and ends."""
        head = self._window.bytes(at, min(_LONGEST_OPENING, end - at))
        key, begin = read_number(head, 0)
        size = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4, _NUMBER: 0}.get(key & 7)
        if key & 7 == _NUMBER:
            _, begin = read_number(head, begin)
        elif key & 7 == _BYTES:
            size, begin = read_number(head, begin)
        if size is None or at + begin + size > end:
            raise ValueError("no field begins here")
        return key, at + begin, at + begin + size

    def _leaf(self, kind: int, key: int, at: int, start: int, stop: int) -> bytes:
        """A field as it is, or what is left of it."""
        if kind == _VALUE and key == _TAG:
            self._is_ours = self._window.bytes(start, min(len(_PREFIX), stop - start)) == _PREFIX
        elif stop - start >= self._window.pace.skipped and (key == _STRING or kind != _TENSOR or not self._is_ours):
            self.skipped += stop - start
            return opening(key, 0) if kind == _TENSOR else b""
        return self._window.bytes(at, stop - at)


def _is_ours(block: Block, known: dict[str, bool]) -> bool:
    """Whether a value of ours is in a block. `known` says of each tag that was seen whether its first value was one."""
    if _MARK not in block.data:
        return False
    for begin, end in block.payloads:
        if block.data.find(_MARK, begin, end) >= 0:
            try:
                event = Event.FromString(block.data[begin:end])
            except DecodeError:
                continue
            for value in event.summary.value:
                metadata = known_metadata(value)
                known.setdefault(value.tag, metadata.plugin_data.plugin_name in OURS and is_read(metadata))
    return any(known.values())
