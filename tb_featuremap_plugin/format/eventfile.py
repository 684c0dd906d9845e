"""Framing of an event file (TFRecord with masked CRC32C), its events, and its name."""

from __future__ import annotations

import itertools
import os
import re
import socket
import struct
import time
from collections.abc import Iterable, Sequence

import google_crc32c
import numpy as np
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from tb_featuremap_plugin.format.values import Value, number, opening, table_value
from tb_featuremap_plugin.schema.tags import START_TAG

SUFFIX = ".featuremaps"
"""Ends the names of files that this package writes."""

FILE_VERSION = "brain.Event:2"

# Keys of fields, see `wire`.
_WALL_TIME, _STEP, _SUMMARY = b"\x09", b"\x10", 0x2A  # of an Event
_VALUE = 0x0A  # of a Summary

_MASK_DELTA = 0xA282EAD8
_DOUBLE, _LENGTH, _CHECKSUM = struct.Struct("<d"), struct.Struct("<Q"), struct.Struct("<I")
_SMALL_BYTES = 1 << 14
_STAMP = re.compile(r"events\.out\.tfevents\.(\d{10})\.(?:(\d{6})\.)?")
_WRITTEN_BY = re.compile(r"(?P<time>events\.out\.tfevents\.\d+(?:\.\d{6})?)\..+\.\d+\.\d+(?P<rest>(?:\.[a-z0-9-]*[a-z][a-z0-9-]*)*)")
"""TensorFlow's names, torch's and our own."""

_counter = itertools.count()


def frame(data: bytes) -> bytes:
    """One record: length, its checksum, the data, their checksum."""
    return b"".join(_framed([data], len(data)))


def masked_crc(data: bytes) -> int:
    """TFRecord's checksum of some bytes."""
    return _masked(google_crc32c.value(data))


def version_event(wall_time: float) -> bytes:
    """The event that every event file begins with."""
    return frame(Event(wall_time=wall_time, file_version=FILE_VERSION).SerializeToString())


def start_events(wall_time: float, step: int) -> bytes:
    """What tells readers to drop all that earlier files hold from `step` on: TensorBoard's Python loader, and by the marker our own."""
    start = Event(wall_time=wall_time, step=step, session_log=SessionLog(status=SessionLog.START))
    marker = table_value(START_TAG, np.empty(0, np.float32))
    return frame(start.SerializeToString()) + summary_event(wall_time, step, [marker])


def summary_event(wall_time: float, step: int, values: Iterable[Value]) -> bytes:
    """An event of some values, in the bytes that protobuf makes of it; `wall_time` is not 0."""
    parts, size = [b""], 0
    for _, head, payload, tail in values:
        nbytes = len(head) + len(payload) + len(tail)
        key = opening(_VALUE, nbytes)
        size += len(key) + nbytes
        parts += (key, head, payload, tail)
    place = _STEP + number(step) if step else b""
    parts[0] = before = b"".join((_WALL_TIME, _DOUBLE.pack(wall_time), place, opening(_SUMMARY, size)))
    size += len(before)
    return b"".join(_framed(parts if size > _SMALL_BYTES else [b"".join(parts)], size))


def is_foreign(name: str) -> bool:
    """Whether a file name is that of somebody else's event file."""
    return "tfevents" in name and not is_own(name)


def is_own(name: str) -> bool:
    """Whether a file name is that of an event file of this package."""
    return "tfevents" in name and name.endswith(SUFFIX)


def new_name(existing: Sequence[str]) -> str:
    """A file name that readers sort behind those of `existing`, even where the clock went back."""
    now = int(time.time() * 1e6)
    for match in filter(None, map(_STAMP.match, existing)):
        now = max(now, int(match[1] + (match[2] or "999999")) + 1)
    seconds, micros = divmod(now, 1_000_000)
    return f"events.out.tfevents.{seconds:010d}.{micros:06d}.{socket.gethostname()}.{os.getpid()}.{next(_counter)}{SUFFIX}"


def anonymous_name(name: str, number: int) -> str:
    """The name of an event file that is sent to somebody, without the host and the process that wrote it.

    Args:
        name: its own: host, process and a counter stand behind its time. One that is not built so, and does not name this host, stays.
        number: of the file in its folder, by which files of one time stay in order.
    """
    found = _WRITTEN_BY.fullmatch(name)
    if found:
        return f"{found['time']}.packed.{number:05d}{found['rest']}"
    return f"{name.partition(socket.gethostname())[0]}packed.{number:05d}" if socket.gethostname() in name else name


def _framed(parts: list[bytes], size: int) -> Sequence[bytes]:
    """The record of data in parts of `size` bytes together: what is large is copied once only."""
    crc, length = 0, _LENGTH.pack(size)
    for part in parts:
        crc = google_crc32c.extend(crc, part)
    return length, _CHECKSUM.pack(masked_crc(length)), *parts, _CHECKSUM.pack(_masked(crc))


def _masked(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF
