"""Writes logdirs event by event, byte by byte: what a writer does, and what no writer would do."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
from tensorboard.util import tensor_util

from tb_featuremap_plugin.format import record, run_record, values
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.columns import TABLES
from tb_featuremap_plugin.schema.network import Layer, RunRecord

START_TIME = 1_700_000_000.0


def masked_crc(data: bytes) -> bytes:
    """The checksum of the record framing."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def framed(payload: bytes) -> bytes:
    """One record of an event file."""
    length = struct.pack("<Q", len(payload))
    return length + masked_crc(length) + payload + masked_crc(payload)


class EventLog:
    """An event file that is written step by step. Wall times grow by a second an event unless they are given.

    Args:
        folder: the run's folder.
        start: first wall time.
        name: of the file; files of a run are read in the order of their names.
    """

    def __init__(self, folder: Path, *, start: float = START_TIME, name: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / (name or f"events.out.tfevents.{int(start)}.host")
        self.wall_time = start
        self.event(Event(file_version="brain.Event:2"))

    def event(self, event: Event, *, wall_time: float | None = None) -> None:
        """Appends an event, and hands it to the operating system."""
        event.wall_time = self.wall_time if wall_time is None else wall_time
        self.wall_time += 1
        self.raw(framed(event.SerializeToString()))

    def raw(self, data: bytes) -> None:
        """Appends bytes as they are."""
        with open(self.path, "ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def start(self, step: int, *, marker: bool = True) -> None:
        """A session's start, with its marker."""
        self.event(Event(step=step, session_log=SessionLog(status=SessionLog.START)))
        if marker:
            self.tensor(tags.START_TAG, step, np.empty(0, np.float32))

    def value(self, tag: str, step: int, tensor: Any, meta: SummaryMetadata | None, *, wall_time: float | None = None) -> None:
        """A summary value with any tensor proto and any metadata."""
        event = Event(step=step)
        value = event.summary.value.add(tag=tag, tensor=tensor)
        if meta is not None:
            value.metadata.CopyFrom(meta)
        self.event(event, wall_time=wall_time)

    def tensor(self, tag: str, step: int, array: Any, *, wall_time: float | None = None) -> None:
        """Numbers of ours."""
        proto = tensor_util.make_tensor_proto(np.asarray(array))
        self.value(tag, step, proto, values.tensor_metadata(), wall_time=wall_time)

    def blob(self, tag: str, step: int, data: bytes, *, wall_time: float | None = None) -> None:
        """A picture or a run record of ours."""
        self.value(tag, step, tensor_util.make_tensor_proto([data]), values.blob_metadata(), wall_time=wall_time)

    def scalar(self, tag: str, step: int, number: float) -> None:
        """An ordinary scalar, as tf.summary.scalar writes it."""
        meta = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"), data_class=1)
        self.value(tag, step, tensor_util.make_tensor_proto(np.float32(number)), meta)

    def legacy_scalar(self, tag: str, step: int, number: float) -> None:
        """An ordinary scalar, as torch and TensorFlow 1 write it."""
        event = Event(step=step)
        event.summary.value.add(tag=tag, simple_value=number)
        self.event(event)

    def run(self, run: RunRecord, step: int = 0) -> None:
        """A run record."""
        self.blob(tags.RUN_TAG, step, run_record.encode(run))

    def maps(self, name: str, step: int, values: Any = None, *, first: bool = False) -> bytes:
        """A picture of a layer; returns its bytes."""
        blob = maps_blob(name, maps_values(step) if values is None else values)
        self.blob(tags.picture_tag("maps", name, first=first), step, blob)
        return blob


def maps_values(seed: int, channels: int = 3, side: int = 4) -> np.ndarray:
    """Values of feature maps [1, channels, side, side] that differ from step to step."""
    return np.random.default_rng(abs(seed)).normal(size=(1, channels, side, side)).astype(np.float32)


def maps_blob(name: str, values: np.ndarray) -> bytes:
    """A picture of kind maps with float32 pixels."""
    samples, channels = values.shape[:2]
    flat = values.transpose(1, 0, *range(2, values.ndim)).reshape(channels, -1)
    stats = np.stack([flat.min(1), flat.max(1), flat.mean(1)]).astype(np.float32)
    header = {
        "kind": "maps",
        "name": name,
        "layout": "NCHW",
        "shape": list(values.shape),
        "images": list(range(samples)),
        "channels": list(range(channels)),
        "reduced": 1,
        "stats": ["min", "max", "mean"],
    }
    return record.encode(header, {"stats": stats, "pixels": values})


def small_record(layers: Sequence[str] = ("conv1", "conv2"), **fields: Any) -> RunRecord:
    """A run record of a few layers with one kernel each."""
    known = [Layer(name, kind="conv2d", activation="relu", weights=(f"{name}/kernel",)) for name in layers]
    return RunRecord(layers=tuple(known), layer_rows=tuple(layers), variable_rows=tuple(f"{name}/kernel" for name in layers), **fields)


def could_be(table: str, values: np.ndarray) -> np.ndarray:
    """Any numbers [rows, columns], made such that a logger could have written them: counts are whole, shares lie in 0..1."""
    values = values.copy()
    for at, column in enumerate(TABLES[table][: values.shape[1]]):
        if column.unit == "count":
            values[:, at] = np.abs(np.rint(values[:, at]))
        elif column.ends is not None:
            values[:, at] = np.modf(np.abs(values[:, at]))[0]
    return values


def write_many_steps(folder: Path, steps: int) -> None:
    """A run of one layer whose mean is the step, with a picture at each."""
    log = EventLog(folder)
    log.start(0)
    log.run(small_record(["conv1"]))
    for step in range(steps):
        log.tensor(tags.LAYERS_TAG, step, could_be("layers", np.full((1, 30), step, np.float32)))
        if step == 0:
            log.maps("conv1", 0, first=True)
        log.maps("conv1", step)


def write_monitored(
    folder: Path,
    steps: Sequence[int],
    *,
    layers: Sequence[str] = ("conv1", "conv2"),
    start: float = START_TIME,
    columns: Mapping[str, int] | None = None,
    marker: bool = True,
) -> EventLog:
    """A run as a Monitor writes it: start, run record, tables, losses, progress and pictures at each step."""
    width = {"layers": 30, "variables": 40, "progress": 17, **(columns or {})}
    log = EventLog(folder, start=start)
    log.start(steps[0], marker=marker)
    log.run(small_record(layers), steps[0])
    for count, step in enumerate(steps):
        rng = np.random.default_rng([abs(step), int(start)])
        for table, tag in (("layers", tags.LAYERS_TAG), ("variables", tags.VARIABLES_TAG)):
            log.tensor(tag, step, could_be(table, rng.normal(size=(len(layers), width[table])).astype(np.float32)))
        log.tensor(tags.LOSSES_TAG, step, np.array([[1, step], [0, step + 0.5]], np.float32))
        progress = np.full((1, width["progress"]), np.nan, np.float32)
        progress[0, 0] = count + 1
        log.tensor(tags.PROGRESS_TAG, step, progress)
        for name in layers:
            if count == 0:
                log.maps(name, step, first=True)
            log.maps(name, step)
    return log
