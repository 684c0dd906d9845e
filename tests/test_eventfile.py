"""Event files: framing as TensorBoard reads it, and names that sort."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing import event_file_loader
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING

from tb_featuremap_plugin.format import eventfile, values
from tb_featuremap_plugin.schema import tags


def test_tensorboard_reads_what_is_framed(tmp_path):
    blob = np.random.default_rng(0).bytes(100_000)
    file = tmp_path / eventfile.new_name([])
    value = values.blob_value(tags.picture_tag("maps", "conv"), blob)
    file.write_bytes(eventfile.version_event(1.5) + eventfile.start_events(2.5, 7) + eventfile.summary_event(3.5, 7, [value]))
    version, start, marker, summary = event_file_loader.EventFileLoader(str(file)).Load()
    assert version.file_version == "brain.Event:2"
    assert (start.step, start.session_log.status) == (7, SessionLog.START)
    assert [value.tag for value in marker.summary.value] == [tags.START_TAG]
    assert (summary.step, summary.wall_time) == (7, 3.5)
    assert list(summary.summary.value[0].tensor.string_val) == [blob]


def test_checksums_are_those_of_tensorboard():
    from tensorboard.summary.writer.record_writer import masked_crc32c

    for data in (b"", b"a", bytes(1000), np.random.default_rng(1).bytes(777)):
        assert eventfile.masked_crc(data) == masked_crc32c(data)


def message_of(tag, tensor, content):
    return Summary.Value(tag=tag, tensor=tensor, metadata=content)


def tensor_shape(*sizes):
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])


def blob_message(tag, blob, description):
    tensor = TensorProto(dtype=DT_STRING, tensor_shape=tensor_shape(1), string_val=[blob])
    return message_of(tag, tensor, values.blob_metadata(description))


def table_message(tag, table, description, layer):
    tensor = TensorProto(dtype=DT_FLOAT, tensor_shape=tensor_shape(*table.shape), tensor_content=table.astype("<f4").tobytes())
    return message_of(tag, tensor, values.tensor_metadata(description, layer))


TAGS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
DESCRIPTIONS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
SIZES = st.integers(0, 300) | st.sampled_from([127, 128, 16_383, 16_384, 70_000])


@settings(max_examples=150, deadline=None)
@given(
    TAGS,
    DESCRIPTIONS,
    st.none() | st.text("abcü", max_size=20),
    SIZES,
    st.lists(st.integers(0, 20), min_size=1, max_size=3),
    st.integers(-(2**53), 2**53) | st.integers(-300, 300),
    st.floats(1e-3, 1e12),
)
def test_events_are_what_protobuf_makes_of_them(tag, description, layer, size, shape, step, wall_time):
    table, blob = np.random.default_rng(size).normal(size=shape).astype(np.float32), np.random.default_rng(size).bytes(size)
    messages = [blob_message(tag, blob, description), table_message(tag, table, description, layer)]
    made = [values.blob_value(tag, blob, description), values.table_value(tag, table, description, layer)]
    assert [value.nbytes for value in made] == [message.ByteSize() for message in messages]
    assert [value.to_proto() for value in made] == messages
    event = Event(wall_time=wall_time, step=step, summary=Summary(value=messages)).SerializeToString()
    assert eventfile.summary_event(wall_time, step, made) == eventfile.frame(event)
    assert eventfile.summary_event(wall_time, step, map(values.encoded, messages)) == eventfile.frame(event)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**14, 2**31, 2**53, 2**63 - 1, -1, -(2**63)])
def test_numbers_are_what_protobuf_makes_of_them(number):
    expected = TensorShapeProto.Dim(size=number).SerializeToString()
    assert expected in (b"\x08" + values.number(number), b"" if not number else None)


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
