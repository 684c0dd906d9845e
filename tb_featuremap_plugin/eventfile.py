"""Framing of an event file (TFRecord with masked CRC32C), its first events, and its name."""

from __future__ import annotations

import itertools
import os
import re
import socket
import struct
import time
from collections.abc import Iterable, Sequence

import google_crc32c
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

SUFFIX = ".featuremaps"
"""Ends the names of files that this package writes."""

FILE_VERSION = "brain.Event:2"

_MASK_DELTA = 0xA282EAD8
_STAMP = re.compile(r"events\.out\.tfevents\.(\d{10})\.(\d{6})\.")
_counter = itertools.count()


def frame(data: bytes) -> bytes:
    """One record: length, its checksum, the bytes, their checksum."""
    length = struct.pack("<Q", len(data))
    return b"".join([length, masked_crc(length), data, masked_crc(data)])


def version_event() -> bytes:
    """The event that every event file begins with."""
    return frame(Event(wall_time=time.time(), file_version=FILE_VERSION).SerializeToString())


def start_event(step: int) -> bytes:
    """The event that tells readers to drop what earlier files hold from `step` on."""
    return frame(Event(wall_time=time.time(), step=step, session_log=SessionLog(status=SessionLog.START)).SerializeToString())


def summary_event(step: int, values: Iterable[Summary.Value]) -> bytes:
    """An event of some values."""
    return frame(Event(wall_time=time.time(), step=step, summary=Summary(value=values)).SerializeToString())


def is_event_file(name: str) -> bool:
    """Whether TensorBoard reads a file of this name."""
    return "tfevents" in name


def is_foreign(name: str) -> bool:
    """Whether it is an event file of somebody else."""
    return is_event_file(name) and not name.endswith(SUFFIX)


def new_name(existing: Sequence[str]) -> str:
    """A file name that readers sort behind those of `existing`, even where the clock went back."""
    now = int(time.time() * 1e6)
    for match in filter(None, map(_STAMP.match, existing)):
        now = max(now, int(match[1] + match[2]) + 1)
    seconds, micros = divmod(now, 1_000_000)
    return f"events.out.tfevents.{seconds:010d}.{micros:06d}.{socket.gethostname()}.{os.getpid()}.{next(_counter)}{SUFFIX}"


def masked_crc(data: bytes) -> bytes:
    """The checksum of the framing: four bytes."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF)
