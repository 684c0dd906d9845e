"""Event files as they are on disk: whole, growing, cut off, damaged."""

from __future__ import annotations

import struct
import tracemalloc

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
from tensorboard.util import tensor_util

from tb_featuremap_plugin.format import values
from tb_featuremap_plugin.reading import event_records
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.columns import LAYER_COLUMNS
from tests.support import logdirs
from tests.support.known import layers_of, losses_of, progress_of, record_of, variables_of


def test_everything_of_a_run_is_read(tmp_path):
    logdirs.write_monitored(tmp_path / "asked" / "featuremaps", [0, 1, 5])
    (run,) = EventSource(tmp_path).runs()
    assert (run.name, run.title) == ("asked/featuremaps", "asked")
    assert [layer.name for layer in record_of(run).layers] == ["conv1", "conv2"]
    assert layers_of(run).rows == ("conv1", "conv2")
    assert layers_of(run).columns == LAYER_COLUMNS
    assert layers_of(run).steps.tolist() == [0, 1, 5]
    assert variables_of(run).rows == ("conv1/kernel", "conv2/kernel")
    expected = logdirs.could_be("layers", np.random.default_rng([5, int(logdirs.START_TIME)]).normal(size=(2, 30)).astype(np.float32))
    np.testing.assert_array_equal(layers_of(run).values[2], expected)
    np.testing.assert_array_equal(layers_of(run).column("conv2", "mean")[2], expected[1, LAYER_COLUMNS.index("mean")])
    assert progress_of(run).column("run", "logged_steps").tolist() == [1, 2, 3]
    assert losses_of(run).steps.tolist() == [-1, 0, 1, 4, 5]
    assert losses_of(run).values.tolist() == [0, 1, 1.5, 5, 5.5]
    assert [(series.kind, series.name, series.steps.tolist()) for series in run.pictures] == [
        ("maps", "conv1", [0, 1, 5]),
        ("maps", "conv2", [0, 1, 5]),
    ]
    assert run.problems == ()


def test_pictures_come_back_byte_for_byte_and_the_first_copy_stands_in(tmp_path):
    log = logdirs.EventLog(tmp_path)
    first = log.maps("conv1", 0, first=True)
    later = log.maps("conv1", 3)
    source = EventSource(tmp_path)
    assert source.picture(".", "maps", "conv1", 0) == first
    assert source.picture(".", "maps", "conv1", 3) == later
    for run, kind, name, step in [
        (".", "maps", "conv1", 1),
        (".", "filters", "conv1", 0),
        (".", "maps", "conv", 0),
        ("x", "maps", "conv1", 0),
    ]:
        with pytest.raises(KeyError):
            source.picture(run, kind, name, step)
    assert source.map_pictures(".", "maps", "conv1", [0, 1, 3], len) == [len(first), None, len(later)]


def test_a_file_that_grows_is_read_as_far_as_it_goes(tmp_path):
    log = logdirs.EventLog(tmp_path)
    for step in range(3):
        log.maps("conv1", step)
        (series,) = EventSource(tmp_path).runs()[0].pictures
        assert series.steps.tolist() == list(range(step + 1))


def test_every_cut_of_a_file_gives_its_whole_records(tmp_path):
    log = logdirs.write_monitored(tmp_path, [0, 1], layers=["conv1"])
    whole = log.path.read_bytes()
    ends = [record.offset + len(record.payload) + 16 for record in event_records.read_records(log.path)]
    rng = np.random.default_rng(1)
    for cut in sorted({*ends, *rng.integers(0, len(whole), 60).tolist()}):
        log.path.write_bytes(whole[:cut])
        assert len(list(event_records.read_records(log.path))) == sum(end <= cut for end in ends)
        for run in EventSource(tmp_path).runs():
            assert run.problems == () or run.record is None


def test_a_wrong_checksum_costs_one_record_and_a_damaged_length_the_rest(tmp_path):
    log = logdirs.EventLog(tmp_path)
    for step in range(4):
        log.maps("conv1", step)
    offsets = [record.offset for record in event_records.read_records(log.path)]
    data = bytearray(log.path.read_bytes())
    data[offsets[2] + 40] ^= 1
    log.path.write_bytes(data)
    (run,) = EventSource(tmp_path).runs()
    assert run.pictures[0].steps.tolist() == [0, 2, 3]
    assert [problem.message for problem in run.problems if "checksum" in problem.message]
    data[offsets[4]] ^= 1
    log.path.write_bytes(data)
    (run,) = EventSource(tmp_path).runs()
    assert run.pictures[0].steps.tolist() == [0, 2]
    assert any("cannot be found" in problem.message for problem in run.problems)


def test_a_record_that_claims_more_than_the_file_has_is_not_allocated(tmp_path):
    log = logdirs.EventLog(tmp_path)
    log.maps("conv1", 0)
    length = struct.pack("<Q", 2**62)
    log.raw(length + logdirs.masked_crc(length) + b"x" * 100)
    tracemalloc.start()
    (run,) = EventSource(tmp_path).runs()
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
    assert run.pictures[0].steps.tolist() == [0]


def test_an_oversized_record_is_skipped_unread(tmp_path, monkeypatch):
    log = logdirs.EventLog(tmp_path)
    log.maps("conv1", 0)
    log.raw(logdirs.framed(b"x" * 5_000))
    log.maps("conv1", 1)
    monkeypatch.setattr("tb_featuremap_plugin.schema.limits.MAX_EVENT_BYTES", 4_000)
    (run,) = EventSource(tmp_path).runs()
    assert run.pictures[0].steps.tolist() == [0, 1]
    assert any("5000 bytes" in problem.message for problem in run.problems)


def test_a_record_that_is_no_event_is_a_problem(tmp_path):
    log = logdirs.EventLog(tmp_path)
    log.raw(logdirs.framed(b"\xff" * 30))
    log.maps("conv1", 1)
    (run,) = EventSource(tmp_path).runs()
    assert run.pictures[0].steps.tolist() == [1]
    assert any("no event" in problem.message for problem in run.problems)


def test_tensors_with_lying_shapes_cost_that_point(tmp_path):
    log = logdirs.EventLog(tmp_path)
    log.run(logdirs.small_record())
    good = np.ones((2, 30), np.float32)
    log.tensor(tags.LAYERS_TAG, 0, good)
    for step, sizes in enumerate([(10**9, 10**9), (-1, 30), (3, 30), (2**62, 2**62)], start=1):
        proto = tensor_util.make_tensor_proto(good)
        for dim, size in zip(proto.tensor_shape.dim, sizes, strict=True):
            dim.size = size
        log.value(tags.LAYERS_TAG, step, proto, values.tensor_metadata())
    bomb = tensor_util.make_tensor_proto(np.float32(1))
    bomb.tensor_shape.dim.add(size=10**11)
    log.value(tags.LAYERS_TAG, 9, bomb, values.tensor_metadata())
    log.tensor(tags.LAYERS_TAG, 10, 2 * good)
    (run,) = EventSource(tmp_path).runs()
    assert layers_of(run).steps.tolist() == [0, 10]
    assert len(run.problems) == 5


def test_pictures_of_the_wrong_class_or_type_are_problems(tmp_path):
    log = logdirs.EventLog(tmp_path)
    log.value("featuremaps/maps/numbers", 0, tensor_util.make_tensor_proto(np.ones(3, np.float32)), values.blob_metadata())
    log.value("featuremaps/maps/flat", 0, tensor_util.make_tensor_proto(b"x"), values.blob_metadata())
    log.value("featuremaps/maps/tensor", 0, tensor_util.make_tensor_proto([b"x"]), _as_class(values.blob_metadata(), 2))
    log.value("featuremaps/layers/conv1", 0, tensor_util.make_tensor_proto(np.ones((1, 30), np.float32)), values.blob_metadata())
    log.maps("conv1", 0)
    (run,) = EventSource(tmp_path).runs()
    assert [series.name for series in run.pictures] == ["conv1"]
    assert {problem.tag for problem in run.problems} == {
        "featuremaps/maps/numbers",
        "featuremaps/maps/flat",
        "featuremaps/maps/tensor",
        "featuremaps/layers/conv1",
    }


def _as_class(meta: SummaryMetadata, data_class: int) -> SummaryMetadata:
    meta.data_class = data_class
    return meta


def test_a_tag_belongs_to_the_plugin_that_wrote_it_first(tmp_path):
    log = logdirs.EventLog(tmp_path)
    log.scalar("featuremaps/maps/conv1", 0, 1.0)
    log.maps("conv1", 1)
    log.maps("conv2", 1)
    (run,) = EventSource(tmp_path).runs()
    assert [series.name for series in run.pictures] == ["conv2"]


def test_a_picture_is_gone_when_its_file_is(tmp_path):
    log = logdirs.EventLog(tmp_path)
    log.maps("conv1", 0)
    source = EventSource(tmp_path)
    log.path.write_bytes(log.path.read_bytes()[:-1])
    with pytest.raises(KeyError):
        source.picture(".", "maps", "conv1", 0)
    log.path.unlink()
    with pytest.raises(KeyError):
        source.picture(".", "maps", "conv1", 0)


def test_scalars_of_both_kinds_are_found_beside_a_monitored_run(tmp_path):
    logdirs.write_monitored(tmp_path / "asked" / "featuremaps", [0])
    train = logdirs.EventLog(tmp_path / "asked" / "train")
    for step in (0, 1, 2, 1):
        train.scalar("loss", step, step + 0.5)
    logdirs.EventLog(tmp_path / "asked").legacy_scalar("accuracy", 3, 0.25)
    logdirs.EventLog(tmp_path / "other").scalar("loss", 0, 9.0)
    source = EventSource(tmp_path)
    assert source.scalar_names("asked/featuremaps") == {"asked": ["accuracy"], "asked/train": ["loss"]}
    points = source.scalar("asked/train", "loss")
    assert (points.steps.tolist(), points.values.tolist()) == ([0, 1], [0.5, 1.5])
    assert source.scalar("asked", "accuracy").values.tolist() == [0.25]
    for run, tag in [("asked", "loss"), ("nothing", "loss"), ("asked/featuremaps", tags.LAYERS_TAG)]:
        with pytest.raises(KeyError):
            source.scalar(run, tag)
    with pytest.raises(KeyError):
        source.scalar_names("other")


def test_memory_does_not_grow_with_pictures(tmp_path):
    log = logdirs.EventLog(tmp_path)
    values = np.random.default_rng(0).normal(size=(1, 16, 128, 128)).astype(np.float32)
    size = sum(len(log.maps("conv1", step, values)) for step in range(20))
    tracemalloc.start()
    source = EventSource(tmp_path)
    assert len(source.runs()[0].pictures[0].steps) == 20
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < size / 20


def test_folders_that_link_to_each_other_are_read_once(tmp_path):
    logdirs.EventLog(tmp_path / "run").maps("conv1", 0)
    (tmp_path / "run" / "again").symlink_to(tmp_path)
    assert [run.name for run in EventSource(tmp_path).runs()] == ["run"]


@pytest.mark.parametrize(
    ("make", "error"), [(lambda path: None, FileNotFoundError), (lambda path: path.write_text(""), NotADirectoryError)]
)
def test_a_logdir_that_is_none_is_said(tmp_path, make, error):
    make(tmp_path / "logdir")
    with pytest.raises(error):
        EventSource(tmp_path / "logdir")


def test_runs_without_anything_of_ours_are_left_out(tmp_path):
    logdirs.EventLog(tmp_path / "run").scalar("loss", 0, 1.0)
    assert EventSource(tmp_path).runs() == []
    assert EventSource(tmp_path).outlines() == []
    with pytest.raises(KeyError):
        EventSource(tmp_path).run("run")


def test_events_without_wall_time_or_with_endless_steps_are_problems(tmp_path):
    log = logdirs.EventLog(tmp_path)
    log.maps("conv1", 0)
    log.blob("featuremaps/maps/conv1", 1, b"x", wall_time=float("nan"))
    log.blob("featuremaps/maps/conv1", 2**60, b"x")
    (run,) = EventSource(tmp_path).runs()
    assert run.pictures[0].steps.tolist() == [0]
    assert len(run.problems) == 1


def test_an_empty_event_is_nothing(tmp_path):
    log = logdirs.EventLog(tmp_path)
    log.event(Event())
    assert EventSource(tmp_path).runs() == []
