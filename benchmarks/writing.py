"""The event writer itself: 200 KB events, and the speed of a loop while a writer drains."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.folders import fresh
from benchmarks.harness import Comparison, Goal, Variant

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    import tb_featuremap_plugin as fm

OURS = "fm.Writer"
TENSORBOARD = "TensorBoard's EventFileWriter"
NATIVE = "tf.io.TFRecordWriter"
EVENTS = 5
EVENT_BYTES = 200_000


def comparisons() -> list[Comparison]:
    """Events of 200 KB of noise, each counted until it is with the operating system."""
    payload = np.random.default_rng(0).bytes(EVENT_BYTES)
    variants = [_ours(payload), _tensorboard(payload), _native(payload)]
    goals = [
        Goal("writer, 200 KB events, against TensorBoard's EventFileWriter", OURS, TENSORBOARD, "wall", 1 / 40),
        Goal("writer, 200 KB events, against TFRecordWriter", OURS, NATIVE, "wall", 2.0),
    ]
    return [Comparison("Events of 200 KB, milliseconds an event, flushed", variants, goals), _draining(payload)]


def _event(payload: bytes, step: int) -> Event:
    from tensorboard.compat.proto.event_pb2 import Event

    from tb_featuremap_plugin.format.values import summary

    return Event(step=step, wall_time=time.time(), summary=summary([_value(payload)]))


def _value(payload: bytes) -> Summary.Value:
    from tb_featuremap_plugin.format.values import blob_value

    return blob_value("featuremaps/maps/noise", payload)


def _ours(payload: bytes) -> Variant:
    import tb_featuremap_plugin as fm

    writer, step = fm.Writer(fresh("ours")), iter(range(10**9))

    def write() -> None:
        for _ in range(EVENTS):
            writer.submit(next(step), lambda: [_value(payload)])
        writer.flush()

    return Variant(OURS, write, calls=EVENTS)


def _tensorboard(payload: bytes) -> Variant:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer, step = EventFileWriter(str(fresh("tensorboard"))), iter(range(10**9))

    def write() -> None:
        for _ in range(EVENTS):
            writer.add_event(_event(payload, next(step)))
        writer.flush()

    return Variant(TENSORBOARD, write, calls=EVENTS)


def _native(payload: bytes) -> Variant:
    import tensorflow as tf

    writer, step = tf.io.TFRecordWriter(str(fresh("native") / "events")), iter(range(10**9))

    def write() -> None:
        for _ in range(EVENTS):
            writer.write(_event(payload, next(step)).SerializeToString())
        writer.flush()

    return Variant(NATIVE, write, calls=EVENTS)


def _draining(payload: bytes) -> Comparison:
    """A fixed amount of training-like work, alone and while fm.Writer is fed 10 MB a second from another thread."""
    import tb_featuremap_plugin as fm

    writer = fm.Writer(fresh("draining"))

    def loaded() -> None:
        stop = threading.Event()
        feeder = threading.Thread(target=_feed, args=(writer, payload, stop))
        feeder.start()
        _work()
        stop.set()
        feeder.join()

    alone, busy = "a loop alone", "the loop while fm.Writer drains 10 MB a second"
    goal = Goal("the loop keeps 75 % of its speed while the writer drains", busy, alone, "wall", 1 / 0.75)
    return Comparison("A loop beside a busy writer", [Variant(alone, _work), Variant(busy, loaded, finish=writer.flush)], [goal])


def _feed(writer: fm.Writer, payload: bytes, stop: threading.Event) -> None:
    step, build = 0, _builder(payload)
    while not stop.is_set():
        writer.submit(step, build)
        step += 1
        stop.wait(EVENT_BYTES / 10e6)


def _builder(payload: bytes) -> Callable[[], list[Summary.Value]]:
    return lambda: [_value(payload)]


def _work() -> None:
    total = 0.0
    matrix = np.ones((300, 300), np.float32)
    for index in range(150):
        total += float((matrix @ matrix)[0, 0])
        total += sum(number * index for number in range(3000))
