"""Event files: framing as TensorBoard reads it, and names that sort."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing import event_file_loader
from tensorboard.compat.proto.event_pb2 import SessionLog

from tb_featuremap_plugin import eventfile, metadata, values


def test_tensorboard_reads_what_is_framed(tmp_path):
    blob = np.random.default_rng(0).bytes(100_000)
    file = tmp_path / eventfile.new_name([])
    value = values.blob_value(metadata.picture_tag("maps", "conv"), blob)
    file.write_bytes(eventfile.version_event(1.5) + eventfile.start_events(2.5, 7) + eventfile.summary_event(3.5, 7, [value]))
    version, start, marker, summary = event_file_loader.EventFileLoader(str(file)).Load()
    assert version.file_version == "brain.Event:2"
    assert (start.step, start.session_log.status) == (7, SessionLog.START)
    assert [value.tag for value in marker.summary.value] == [metadata.START_TAG]
    assert (summary.step, summary.wall_time) == (7, 3.5)
    assert list(summary.summary.value[0].tensor.string_val) == [blob]


def test_checksums_are_those_of_tensorboard():
    from tensorboard.summary.writer.record_writer import masked_crc32c

    for data in (b"", b"a", bytes(1000), np.random.default_rng(1).bytes(777)):
        assert eventfile.masked_crc(data) == masked_crc32c(data)


def test_names_sort_behind_those_that_are_there():
    ahead = "events.out.tfevents.4999999999.000123.host.1.0.featuremaps"
    foreign = "events.out.tfevents.4999999999.host.1.0.v2"
    for existing in ([], [ahead], [foreign], [ahead, foreign, "other.txt"]):
        name = eventfile.new_name(existing)
        assert all(name > other for other in existing if "tfevents" in other)
        assert eventfile.is_own(name)
        assert not eventfile.is_foreign(name)
    assert len({eventfile.new_name([]) for _ in range(100)}) == 100


def test_files_of_others_are_told_from_ours():
    assert eventfile.is_foreign("events.out.tfevents.1700000000.host.1.0.v2")
    assert not eventfile.is_foreign("notes.txt")
    assert not eventfile.is_own(str(Path("x.featuremaps")))
