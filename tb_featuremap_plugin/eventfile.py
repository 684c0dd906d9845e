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

from tb_featuremap_plugin.metadata import START_TAG
from tb_featuremap_plugin.values import Value, table_value

SUFFIX = ".featuremaps"
"""Ends the names of files that this package writes."""

FILE_VERSION = "brain.Event:2"

_MASK_DELTA = 0xA282EAD8
_STAMP = re.compile(r"events\.out\.tfevents\.(\d{10})\.(?:(\d{6})\.)?")
_counter = itertools.count()


def frame(data: bytes) -> bytes:
    """One record: length, its checksum, the bytes, their checksum."""
    length = struct.pack("<Q", len(data))
    return b"".join([length, _packed_crc(length), data, _packed_crc(data)])


def masked_crc(data: bytes) -> int:
    """TFRecord's checksum of some bytes."""
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def version_event(wall_time: float) -> bytes:
    """The event that every event file begins with."""
    return frame(Event(wall_time=wall_time, file_version=FILE_VERSION).SerializeToString())


def start_events(wall_time: float, step: int) -> bytes:
    """What tells readers to drop all that earlier files hold from `step` on: TensorBoard's Python loader, and by the marker our own."""
    start = Event(wall_time=wall_time, step=step, session_log=SessionLog(status=SessionLog.START))
    marker = table_value(START_TAG, np.empty(0, np.float32))
    return frame(start.SerializeToString()) + summary_event(wall_time, step, [marker])


def summary_event(wall_time: float, step: int, values: Iterable[Value]) -> bytes:
    """An event of some values."""
    event = Event(wall_time=wall_time, step=step)
    event.summary.value.extend(values)
    return frame(event.SerializeToString())


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


def _packed_crc(data: bytes) -> bytes:
    return struct.pack("<I", masked_crc(data))
