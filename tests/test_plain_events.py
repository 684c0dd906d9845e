"""What is read from an event's first bytes alone is what the parser finds, on whole files and on damaged ones."""

from __future__ import annotations

import random
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event

from tb_featuremap_plugin.format import eventfile
from tb_featuremap_plugin.format.values import blob_value, table_value
from tb_featuremap_plugin.reading import run_reader, stored_files
from tb_featuremap_plugin.reading.event_records import read_records
from tb_featuremap_plugin.reading.places import find_runs
from tb_featuremap_plugin.reading.plain_events import PICTURE_HEADS, Pattern, TableHeads, find_tags, form_of, read_head, read_values
from tb_featuremap_plugin.reading.run_reader import RunReader
from tb_featuremap_plugin.schema import tags
from tests.support import logdirs, mutating
from tests.support.known import known
from tests.support.tiny_training import train

TAG = "featuremaps/maps/conv1"


def pictured(*blobs, step=3, tag=TAG):
    """The payload of an event of ours with these pictures."""
    values = [blob_value(tag, blob) for blob in blobs]
    return eventfile.summary_event(1.5, step, values)[12:-4], values


def form(tag=TAG):
    return form_of(blob_value(tag, b"x").to_proto(), PICTURE_HEADS, is_table=False)


def found_in(payload, one):
    """Step, wall time and payloads of an event that is plain; None for any other."""
    head = read_head(payload, 0, len(payload))
    tags = find_tags(payload, head.begin, len(payload)) if head else None
    if head is None or tags is None or any(tag != one.key for tag in tags):
        return None
    tables = read_values(payload, head.begin, len(payload), Pattern([one._replace(is_table=True)] * len(tags)))
    if tables is None:
        return None
    return head.step, head.wall_time, [payload[stop - size + len(one.heads[size]) : stop] for _, stop, size in tables]


def parsed(payload):
    event = Event.FromString(payload)
    return event.step, event.wall_time, [value.tensor.string_val[0] for value in event.summary.value]


@pytest.mark.parametrize("border", [0, 1 << 7, 1 << 14, 1 << 21])
def test_pictures_of_any_length_are_told(border):
    for length in range(max(0, border - 70), border + 70, 1 if border < 1 << 20 else 23):
        payload, _ = pictured(b"a", bytes([length % 256]) * length, b"b")
        assert found_in(payload, form()) == parsed(payload), length


@pytest.mark.parametrize("step", [0, 1, 127, 128, 2**31, 2**53])
def test_steps_of_any_size_are_told(step):
    payload, _ = pictured(b"a", step=step)
    assert found_in(payload, form()) == parsed(payload) == (step, 1.5, [b"a"])


@pytest.mark.parametrize("event", [Event(), Event(step=-1), Event(file_version="brain.Event:2"), Event(wall_time=1.0)])
def test_other_events_are_left_to_the_parser(event):
    assert found_in(event.SerializeToString(), form()) is None


def test_unknown_and_endless_tags_are_left_to_the_parser():
    payload, _ = pictured(b"a", tag="featuremaps/maps/other")
    assert found_in(payload, form()) is None
    assert form("x" * 128) is None
    assert form("é" * 64) is None


def test_whatever_byte_changes_an_event_is_told_only_as_the_parser_reads_it():
    payload, _ = pictured(b"first", b"", b"second" * 40)
    told = 0
    for at in range(len(payload)):
        for bit in range(8):
            mutant = payload[:at] + bytes([payload[at] ^ 1 << bit]) + payload[at + 1 :]
            found = found_in(mutant, form())
            if found is not None:
                told += 1
                np.testing.assert_equal(found, parsed(mutant))
    assert told > 8 * 240


@pytest.mark.parametrize("shape", [(1, 1), (2, 30), (300, 59), (7,), (2, 3, 4)])
def test_tables_of_a_known_shape_are_told(shape):
    table = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    value = table_value(tags.LAYERS_TAG, table)
    heads = TableHeads()
    heads.learn(np.zeros(shape, np.float32))
    form_of_both = known(form_of(value.to_proto(), heads, is_table=True), "form")
    payload = eventfile.summary_event(1.0, 1, [value, value])[12:-4]
    begin = known(read_head(payload, 0, len(payload)), "head").begin
    first, second = known(read_values(payload, begin, len(payload), Pattern([form_of_both] * 2)), "value")
    assert (first[0], second[0]) == (0, 1)
    for _, stop, size in (first, second):
        np.testing.assert_array_equal(heads.table(payload, stop, size), table)
    longer = eventfile.summary_event(1.0, 1, [table_value(tags.LAYERS_TAG, np.zeros((*shape, 2), np.float32))])[12:-4]
    begin = known(read_head(longer, 0, len(longer)), "head").begin
    assert read_values(longer, begin, len(longer), Pattern([form_of_both])) is None


def contents(folder):
    """All that can be read of the runs of a logdir."""
    found = []
    for files in find_runs(folder):
        reader = RunReader(files)
        raw = reader.raw()
        blobs = {(tag, step): reader.blob(tag, step) for tag, series in raw.blobs.items() for step in series.steps}
        scalars = {tag: [part.tolist() for part in vars(reader.scalar(tag)).values()] for tag in reader.scalar_tags()}
        found.append((reader.is_ours, asdict(raw), blobs, scalars))
    return found


def test_damaged_files_read_as_with_the_parser_alone(tmp_path, monkeypatch):
    luck = random.Random(4)
    train(tmp_path / "good", steps=20, every=1)
    monitored = next((tmp_path / "good").rglob("*tfevents*"))
    for number in range(60):
        good = mutating.write_good(tmp_path / f"single{number}") if number % 2 else monitored
        (tmp_path / "logs" / f"run{number}").mkdir(parents=True)
        (tmp_path / "logs" / f"run{number}" / good.name).write_bytes(mutating.mutated_file(good, luck))
    fast = contents(tmp_path / "logs")
    monkeypatch.setattr(run_reader, "read_head", lambda *place: None)
    np.testing.assert_equal(fast, contents(tmp_path / "logs"))


def test_a_monitored_run_needs_the_parser_for_few_of_its_events(tmp_path, monkeypatch):
    train(tmp_path, steps=100, every=1)
    with_parser = []
    take = RunReader._take

    def counted(self, *place):
        with_parser.append(place)
        return take(self, *place)

    monkeypatch.setattr(RunReader, "_take", counted)
    (files,) = find_runs(tmp_path)
    events = sum(1 for path in files.files for _ in read_records(path))
    assert RunReader(files).is_ours
    assert events > 100
    assert len(with_parser) < events / 4


@pytest.mark.parametrize("block_bytes", [12, 13, 100, 1000])
def test_records_are_found_however_the_blocks_fall(tmp_path, monkeypatch, block_bytes):
    luck = random.Random(block_bytes)
    log = logdirs.write_monitored(tmp_path, [0, 1, 5])
    data = log.path.read_bytes()
    for number in range(20):
        log.path.write_bytes(mutating.mutated(data, luck) if number else data)
        expected, problems = records_and_damage(log.path)
        with monkeypatch.context() as context:
            context.setattr(stored_files, "_BLOCK_BYTES", block_bytes)
            assert records_and_damage(log.path) == (expected, problems)


def records_and_damage(path):
    damage: list[Any] = []
    return [(record.offset, record.payload) for record in read_records(path, damage.append)], damage
