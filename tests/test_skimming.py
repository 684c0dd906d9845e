"""What is not asked for is not read, and what is read without its pictures is the same as what is read with them."""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.util import tensor_util

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.reading.event_records import read_records
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.reading.skimming import LOCAL, holds_ours, skim_blocks, skim_record
from tb_featuremap_plugin.reading.stored_files import LocalFile, RunFiles
from tests.support import logdirs
from tests.support.same import assert_same_runs

BIG = (1, 8, 128, 128)


class CountingFile(io.FileIO):
    """Counts what is read of it."""

    read_bytes: ClassVar[Counter[str]] = Counter()

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        CountingFile.read_bytes[Path(str(self.name)).parent.name] += len(data)
        return data


@pytest.fixture
def counted(monkeypatch):
    """Bytes that were read since, by the folder of the file."""

    def open_counting(path: Path, *_: object, **__: object) -> CountingFile:
        return CountingFile(str(path))

    monkeypatch.setattr(Path, "open", open_counting)
    CountingFile.read_bytes.clear()
    return CountingFile.read_bytes


def write_big(folder: Path, steps: int, size: tuple[int, ...] = BIG) -> int:
    """A run with pictures that do not get smaller by compression; returns its bytes."""
    rng = np.random.default_rng(0)
    maps = {name: rng.normal(size=size).astype(np.float32) for name in ("a", "b", "c")}
    with fm.Monitor(folder, every=1, precision="float32", run_name=".", max_bytes=None) as monitor:
        for step in range(steps):
            monitor.log(step, inputs=maps["a"], activations=maps, weights={"a/kernel": np.full(5, step + 1.0)}, loss=0.5)
    return sum(path.stat().st_size for path in folder.glob("*tfevents*"))


def test_only_what_is_asked_for_is_read(tmp_path, counted) -> None:
    sizes = {name: write_big(tmp_path / name, 20) for name in ("one", "two")}
    assert min(sizes.values()) > 20e6
    counted.clear()
    logs = fm.open(tmp_path)
    assert list(logs) == ["one", "two"]
    assert max(counted.values()) <= 8192
    counted.clear()
    run = logs["one"]
    assert run.table("layers").shape[0] == 20
    assert len(run.losses) == 20
    run.findings()
    assert counted["two"] == 0
    assert counted["one"] < sizes["one"] / 50
    counted.clear()
    run.maps("a", 3).values.mean()
    run.maps("b", 3).values.mean()
    assert counted["one"] < sizes["one"] / 19, "one event of twenty, once"


def test_two_runs_are_compared_reading_each_event_once(tmp_path, counted) -> None:
    """Their pictures are asked for in turn, and each is in one event with all others of its step."""
    kernels = {f"dense{at}/kernel": np.random.default_rng(at).normal(size=(200, 200)) for at in range(6)}
    for run in ("one", "two"):
        with fm.Monitor(tmp_path, run_name=run, every=1) as monitor:
            for step in range(4):
                monitor.log(step, weights=kernels)
    sizes = {run: sum(file.stat().st_size for file in (tmp_path / run).iterdir()) for run in ("one", "two")}
    logs = fm.open(tmp_path)
    tables = [logs[run].table("variables") for run in sizes]
    counted.clear()
    assert fm.compare(*logs.values()).same
    assert len(tables) == 2
    for run, size in sizes.items():
        assert size * 0.9 < counted[run] < size * 1.1


def test_scalars_are_read_when_asked_for(tmp_path, counted) -> None:
    logdirs.write_monitored(tmp_path / "run" / "featuremaps", [0])
    for name in ("beside", "elsewhere/beyond"):
        log = logdirs.EventLog(tmp_path / "run" / name if name == "beside" else tmp_path / name)
        for step in range(3):
            log.scalar("loss", step, 1.0)
    run = fm.open(tmp_path)["run"]
    counted.clear()
    assert run.scalars["run/beside"]["loss"].steps.tolist() == [0, 1, 2]
    assert counted["beside"] > 0
    assert counted["beyond"] == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["maps", "tables", "both", "scalar", "image", "start"]), st.integers(0, 3)), max_size=12))
def test_a_run_is_the_same_without_its_pictures(events) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = logdirs.EventLog(Path(folder))
        log.run(logdirs.small_record())
        for step, (kind, size) in enumerate(events):
            log.event(event_of(kind, step, size))
        lazy, whole = EventSource(folder, lazy=True), EventSource(folder)
        assert lazy.names() == whole.names()
        assert_same_runs(lazy.runs(), whole.runs())
        for run in whole.runs():
            for series in run.pictures:
                for step in series.steps.tolist():
                    assert lazy.picture(run.name, series.kind, series.name, step) == whole.picture(run.name, series.kind, series.name, step)
        assert lazy.scalar_names(".") == whole.scalar_names(".")


def event_of(kind: str, step: int, size: int) -> Event:
    """An event as a writer of any kind makes it; `size` 0 to 3: far below what is skipped, just below, just above, far above."""
    from tb_featuremap_plugin.format import values
    from tb_featuremap_plugin.schema import tags

    event = Event(step=step)
    blob = np.random.default_rng(step).bytes((10, LOCAL.skipped - 1, LOCAL.skipped, 5 * LOCAL.skipped)[size])
    if kind == "start":
        event.session_log.status = 1
    if kind in ("maps", "both"):
        for name in ("conv1", "conv2"):
            value = event.summary.value.add(tag=f"featuremaps/maps/{name}", metadata=values.blob_metadata())
            value.tensor.CopyFrom(tensor_util.make_tensor_proto([blob]))
    if kind in ("tables", "both"):
        value = event.summary.value.add(tag=tags.LAYERS_TAG, metadata=values.tensor_metadata())
        value.tensor.CopyFrom(tensor_util.make_tensor_proto(np.full((2, 30 if size < 3 else 9_000), step, np.float32)))
    if kind in ("scalar", "both"):
        event.summary.value.add(tag="loss", simple_value=step + 0.5)
    if kind == "image":
        event.summary.value.add(tag="picture").image.encoded_image_string = blob
        event.graph_def = blob
    return event


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_never_raises(data) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = logdirs.EventLog(Path(folder))
        log.run(logdirs.small_record())
        for step in range(3):
            log.event(event_of("both", step, 3))
        content = bytearray(log.path.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        log.path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        for run in EventSource(folder, lazy=True).runs():
            assert len(run.pictures) <= 20


def test_a_record_too_long_to_be_read_is_skipped(tmp_path, monkeypatch) -> None:
    log = logdirs.EventLog(tmp_path)
    log.event(event_of("maps", 0, 0))
    log.event(event_of("maps", 1, 3))
    log.event(event_of("maps", 2, 0))
    monkeypatch.setattr("tb_featuremap_plugin.schema.limits.MAX_EVENT_BYTES", 100_000)
    (run,) = EventSource(tmp_path, lazy=True).runs()
    assert [series.steps.tolist() for series in run.pictures] == [[0, 2], [0, 2]]
    assert any("at most 100000 are read" in problem.message for problem in run.problems)


def test_large_records_of_no_event_are_checked(tmp_path) -> None:
    log = logdirs.EventLog(tmp_path)
    log.raw(logdirs.framed(b"\xff" * 100_000))
    log.raw(logdirs.framed(b"\xff" * 100_000)[:-1] + b"?")
    log.event(event_of("maps", 0, 0))
    told: list[str] = []
    blocks = list(skim_blocks(log.path, told.append))
    assert sum(len(block.payloads) for block in blocks) == 3
    assert len(told) == 1
    assert "checksum" in told[0]


def test_one_record_alone(tmp_path) -> None:
    log = logdirs.EventLog(tmp_path)
    log.event(event_of("both", 0, 3))
    log.event(event_of("maps", 1, 0))
    offsets = [record.offset for record in read_records(log.path)]
    skimmed = skim_record(log.path, offsets[1])
    assert skimmed is not None
    event = Event.FromString(skimmed)
    names = ["featuremaps/maps/conv1", "featuremaps/maps/conv2", "featuremaps/layers", "loss"]
    assert [value.tag for value in event.summary.value] == names
    assert [list(value.tensor.string_val) for value in event.summary.value[:2]] == [[b""], [b""]]
    assert skim_record(log.path, offsets[2]) is None
    assert skim_record(log.path, 10**9) is None


def test_runs_of_others_are_not_ours(tmp_path) -> None:
    log = logdirs.EventLog(tmp_path)
    log.scalar("featuremaps/maps/conv1", 0, 1.0)
    log.event(event_of("image", 1, 3))
    assert not holds_ours(RunFiles(".", [LocalFile(log.path)]))
    log.maps("conv1", 2)
    assert not holds_ours(RunFiles(".", [LocalFile(log.path)])), "a tag belongs to whoever wrote it first"
    log.maps("conv2", 2)
    assert holds_ours(RunFiles(".", [LocalFile(log.path)]))
