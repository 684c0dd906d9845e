"""The writer: what it puts into files, and what it does when something goes wrong behind the loop."""

from __future__ import annotations

import gc
import threading
import weakref
from functools import partial

import numpy as np
import pytest
from tensorboard.backend.event_processing import event_file_loader

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.arrays import snapshot_pool
from tb_featuremap_plugin.format import record, values
from tb_featuremap_plugin.recording import background, eventlog, storage
from tb_featuremap_plugin.schema import tags
from tests.support.known import known

MAPS = np.random.default_rng(0).normal(0, 1, (2, 6, 6, 4)).astype(np.float32)
KERNEL = np.random.default_rng(1).normal(0, 1, (3, 3, 4, 8)).astype(np.float32)


def events(folder):
    files = sorted(folder.glob("*tfevents*"))
    return [event for file in files for event in event_file_loader.EventFileLoader(str(file)).Load()]


def found(folder):
    """(step, tag, value) of everything that was logged."""
    return [(event.step, value.tag, value) for event in events(folder) for value in event.summary.value if value.tag != tags.START_TAG]


def header_of(value):
    return record.decode(value.tensor.string_val[0]).header


def nothing():
    return []


def test_each_call_is_one_event_with_all_that_belongs_together(tmp_path):
    with fm.Writer(tmp_path) as writer:
        writer.feature_maps("conv", MAPS, step=3, inputs=MAPS[..., :1], activation="relu", description="*maps*")
        writer.filters("conv/kernel", KERNEL, step=3, layer="conv", bias=np.zeros(8))
        writer.weight_change("conv/kernel", KERNEL, KERNEL * 1.01, step=3, layer="conv", previous_step=1)
    tags = [tag for _, tag, _ in found(tmp_path)]
    assert tags == [
        "featuremaps/maps/conv", "featuremaps/first/maps/conv", "featuremaps/layers/conv",
        "featuremaps/inputs/conv", "featuremaps/first/inputs/conv",
        "featuremaps/filters/conv/kernel", "featuremaps/first/filters/conv/kernel", "featuremaps/variables/conv/kernel",
    ]  # fmt: skip
    assert len([event for event in events(tmp_path) if event.summary.value]) == 4
    by_tag = {tag: value for _, tag, value in found(tmp_path)}
    assert by_tag["featuremaps/maps/conv"].metadata.summary_description == "*maps*"
    assert b'"layer":"conv"' in by_tag["featuremaps/variables/conv/kernel"].metadata.plugin_data.content
    row = np.frombuffer(by_tag["featuremaps/variables/conv/kernel"].tensor.tensor_content, "<f4")
    assert row[fm_columns().index("gap")] == 2
    assert header_of(by_tag["featuremaps/maps/conv"])["inputs"] == "conv"


def fm_columns():
    from tb_featuremap_plugin.schema.columns import VARIABLE_COLUMNS

    return VARIABLE_COLUMNS


def test_only_the_first_picture_has_a_copy_and_all_are_counted(tmp_path):
    with fm.Writer(tmp_path) as writer:
        for step in range(3):
            writer.feature_maps("a", MAPS, step=step)
            writer.feature_maps("b", MAPS, step=step)
    pictures = found(tmp_path)
    assert [step for step, tag, _ in pictures if tag == "featuremaps/first/maps/a"] == [0]
    assert [header_of(value)["ordinal"] for _, tag, value in pictures if tag == "featuremaps/maps/b"] == [1, 2, 3]


def test_what_is_logged_is_what_the_array_held_at_the_call(tmp_path):
    data = np.zeros((1, 50, 50, 8), np.float32)
    with fm.Writer(tmp_path) as writer:
        for step in range(5):
            data[:] = step
            writer.feature_maps("conv", data, step=step)
        data[:] = 99
    means = [
        record.decode(value.tensor.string_val[0]).array("stats")[0, 0]
        for _, tag, value in found(tmp_path)
        if tag == "featuremaps/maps/conv"
    ]
    assert means == [0, 1, 2, 3, 4]


def test_a_record_logged_twice_at_a_step_is_dropped_once_said(tmp_path):
    writer = fm.Writer(tmp_path)
    for _ in range(3):
        writer.submit(7, lambda: [values.table_value("featuremaps/layers/a", np.zeros((1, 3)))])
    with pytest.warns(RuntimeWarning, match="twice at one step") as caught:
        writer.flush()
    writer.close()
    assert len(caught) == 1
    assert writer.dropped == 2
    assert len(found(tmp_path)) == 1


def test_files_of_others_are_not_purged(tmp_path):
    (tmp_path / "events.out.tfevents.1700000000.host.1.0.v2").write_bytes(b"")
    with fm.Writer(tmp_path) as writer:
        writer.feature_maps("conv", MAPS, step=4)
    assert not [event for event in events(tmp_path) if event.session_log.status]


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda writer: writer.feature_maps("a", "text", step=1), TypeError, "data is a str"),
    (lambda writer: writer.feature_maps("a", MAPS, step="x"), TypeError, "step is a str; allowed are whole numbers"),
    (lambda writer: writer.feature_maps("a", MAPS, step=1.5), TypeError, "step is a float"),
    (lambda writer: writer.feature_maps("a", MAPS, step=2**63), ValueError, "step is 9223372036854775808"),
    (lambda writer: writer.weight_change("a", MAPS, MAPS, step=1, previous_step="0"), TypeError, "previous_step is a str"),
    (lambda writer: writer.feature_maps(3, MAPS, step=1), TypeError, "name is a int"),
    (lambda writer: writer.feature_maps("", MAPS, step=1), ValueError, "name is empty"),
    (lambda writer: writer.feature_maps("a", MAPS, step=1, layout="HWC"), ValueError, "NHWC"),
    (lambda writer: writer.feature_maps("a", MAPS, step=1, inputs=MAPS[0, 0, 0]), ValueError, "inputs have 1 axes"),
    (lambda writer: writer.feature_maps("a", MAPS[0], step=1), ValueError, r"data has shape \(\d.*'NHWC' has 4 axes, the array has 3"),
    (lambda writer: writer.feature_maps("a", MAPS, step=1, inputs=MAPS[:0]), ValueError, r"inputs has 0 samples, data has \d"),
    (lambda writer: writer.filters("a", KERNEL[0], step=1), ValueError, r"kernel has shape \(\d.*'HWIO' has 4 axes, the array has 3"),
    (lambda writer: writer.filters("a", KERNEL, step=1, bias=np.zeros(3)), ValueError, r"bias has shape \(3,\); the kernel has 8 filters"),
    (lambda writer: writer.filters("a", KERNEL, step=1, max_filters=0), ValueError, "max_filters is 0"),
    (lambda writer: writer.weight_change("a", KERNEL, KERNEL[0], step=1), ValueError, "previous has shape"),
    (lambda writer: writer.weight_change("a", KERNEL, KERNEL, step=1, gradient=KERNEL[0]), ValueError, "gradient has shape"),
    (lambda writer: writer.weight_change("a", KERNEL, KERNEL, step=5, previous_step=5), ValueError, "previous_step is 5; allowed"),
])  # fmt: skip
def test_a_bad_argument_is_said_at_the_call(tmp_path, call, error, message):
    with fm.Writer(tmp_path) as writer, pytest.raises(error, match=message):
        call(writer)
    assert writer.failed == 0


@pytest.mark.parametrize("options", [{"max_queue_bytes": 0}, {"max_queue_bytes": 1.5}, {"max_bytes": 0}, {"max_bytes": True}])
def test_bad_sizes_are_refused(tmp_path, options):
    with pytest.raises(ValueError, match="allowed are whole numbers from 1"):
        fm.Writer(tmp_path, **options)


def test_a_closed_writer_says_so(tmp_path):
    writer = fm.Writer(tmp_path)
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="the writer is closed"):
        writer.submit(1, nothing)


def test_a_failure_behind_the_loop_is_one_warning_and_the_rest_goes_on(tmp_path):
    writer = fm.Writer(tmp_path)
    for step in range(4):
        writer._queue.put(partial(writer._write, step, broken), 0)
    with pytest.warns(RuntimeWarning, match="made to fail") as caught:
        writer.flush()
    writer.feature_maps("conv", MAPS, step=9)
    writer.close()
    assert len(caught) == 1
    assert writer.failed == 4
    assert "featuremaps/maps/conv" in [tag for _, tag, _ in found(tmp_path)]


def broken():
    raise ZeroDivisionError("made to fail")


def test_strict_raises_what_failed(tmp_path):
    writer = fm.Writer(tmp_path, strict=True)
    writer.submit(1, broken)
    with pytest.raises(ZeroDivisionError, match="made to fail"):
        writer.flush()
    writer.close()


def nothing_after(release):
    assert release.wait(60)
    return []


def test_a_full_queue_waits_and_then_drops_with_one_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(background, "WAIT_SECONDS", 0.05)
    writer, release = fm.Writer(tmp_path, max_queue_bytes=100), threading.Event()
    writer.submit(0, partial(nothing_after, release), 80)
    with pytest.warns(RuntimeWarning, match="slower than what is logged") as caught:
        writer.submit(1, nothing, 80)
    assert (writer.dropped, len(caught)) == (1, 1)
    monkeypatch.undo()  # what comes now has room, however long that takes
    writer.submit(1, nothing, 10)
    release.set()
    writer.submit(2, nothing, 1000)
    writer.close()
    assert writer.dropped == 1


def test_a_full_queue_lets_the_loop_go_on_when_there_is_room(tmp_path):
    writer, release = fm.Writer(tmp_path, max_queue_bytes=100), threading.Event()
    writer.submit(0, partial(nothing_after, release), 80)
    threading.Timer(0.05, release.set).start()
    for step in range(1, 20):
        writer.submit(step, nothing, 90)
    writer.close()
    assert writer.dropped == 0


def test_pictures_stop_at_the_cap_and_numbers_go_on(tmp_path):
    writer = fm.Writer(tmp_path, max_bytes=30_000)
    noise = np.random.default_rng(2).random((1, 64, 64, 2)).astype(np.float32)
    for step in range(20):
        writer._queue.put(partial(writer._write, step, partial(built, noise)), 0)
    with pytest.warns(RuntimeWarning, match="max_bytes is reached"):
        writer.close()
    tags = [tag for _, tag, _ in found(tmp_path)]
    assert tags.count("featuremaps/layers/conv") == 20
    assert 1 < tags.count("featuremaps/maps/conv") < 10
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 60_000


def built(maps):
    return [values.encoded(value) for value in fm.summary.feature_maps_pb("conv", maps).value]


def test_a_writer_that_nobody_holds_ends_its_thread(tmp_path):
    writer = fm.Writer(tmp_path)
    writer.feature_maps("conv", MAPS, step=1)
    writer.flush()
    thread, gone = known(writer._queue._thread, "thread behind the loop"), weakref.ref(writer)
    del writer
    gc.collect()
    assert gone() is None
    thread.join(60)
    assert not thread.is_alive()


def test_memory_that_is_used_again_mixes_up_no_records(tmp_path):
    rng = np.random.default_rng(4)
    buffers = {f"conv{index}": np.empty((1, 64, 64, 8), np.float32) for index in range(3)}
    truth = {}
    with fm.Writer(tmp_path) as writer:
        for step in range(12):
            for name, buffer in buffers.items():  # as a loop does that keeps its outputs in the same arrays
                buffer[...] = rng.normal(size=buffer.shape)
                truth[step, name] = buffer.copy()
                writer.feature_maps(name, buffer, step=step, precision="float32")
            if step % 4 == 3:
                writer.flush()
        assert 0 < writer._pool._kept <= len(buffers) * 4 * buffers["conv0"].nbytes
    for event in events(tmp_path):
        for value in event.summary.value:
            kind, name, first = tags.parse_picture_tag(value.tag) or ("", "", False)
            if kind == "maps" and not first:
                pixels = record.decode(value.tensor.string_val[0]).array("pixels")
                np.testing.assert_array_equal(pixels, truth.pop((event.step, name)).transpose(0, 3, 1, 2))
    assert not truth
    assert writer._pool._kept == 0


def test_only_what_was_lent_is_taken_back():
    lender, other = snapshot_pool.SnapshotPool(), np.zeros(100_000, np.float32)
    taken = lender.take(other, "data")
    lender.give_back(other)
    lender.give_back(other[:10])
    assert lender._kept == 0
    lender.give_back(taken)
    lender.give_back(taken)
    assert lender._kept == other.nbytes
    assert np.shares_memory(lender.take(other, "data"), taken)
    assert not np.shares_memory(lender.take(other, "data"), taken)


def test_an_event_above_32_megabytes_is_split(tmp_path):
    blobs = [bytes(20 << 20), bytes(20 << 20)]
    with fm.Writer(tmp_path) as writer:
        writer.submit(1, lambda: [values.blob_value(f"featuremaps/maps/{index}", blob) for index, blob in enumerate(blobs)])
    sizes = [len(event.summary.value) for event in events(tmp_path) if event.summary.value]
    assert sizes == [1, 1, 1]


def test_messages_are_written_too(tmp_path):
    with fm.Writer(tmp_path) as writer:
        writer.submit(3, lambda: fm.summary.feature_maps_pb("conv", MAPS).value)
    assert [value for _, _, value in found(tmp_path)] == list(fm.summary.feature_maps_pb("conv", MAPS).value)


class Refusing:
    """A file that refuses what holds a word, as a full disk refuses what is too large; and with `breaks`, whose state is unknown then."""

    def __init__(self, word, *, breaks=False):
        self.word, self.breaks, self.intact, self.written = word, breaks, True, []

    def append(self, data):
        if self.word in data:
            self.intact = not self.breaks
            raise OSError("refused")
        self.written.append(data)

    def close(self):
        pass

    abandon = close


@pytest.mark.parametrize("breaks", [False, True])
def test_of_events_that_are_written_together_only_those_are_lost_that_the_storage_refuses(tmp_path, monkeypatch, breaks):
    files: list[Refusing] = []

    def open_refusing(*_):
        files.append(Refusing(b"bad", breaks=breaks))
        return files[-1]

    monkeypatch.setattr(storage, "open_appender", open_refusing)
    log = eventlog.EventLog(str(tmp_path))
    for step, word in enumerate([b"good", b"good", b"bad", b"fine", b"bad"]):
        log.append(step, [values.blob_value("featuremaps/maps/a", word)])
    with pytest.raises(OSError, match="refused"):
        log.write()
    lost = 3 if breaks else 2  # of a file whose state is unknown, the event that it failed at is not tried again
    assert log.lost == lost
    data = b"".join(data for file in files for data in file.written)
    assert (data.count(b"good") + data.count(b"fine")) == 5 - lost
    log.append(4, [values.blob_value("featuremaps/maps/a", b"good")])  # of this step nothing was written
    log.close()
    assert log.lost == lost
    assert b"good" in files[-1].written[-1]


def test_a_step_that_goes_back_begins_no_file_and_purges_nothing(tmp_path):
    log = eventlog.EventLog(str(tmp_path))
    left_out = [log.append(step, [values.blob_value("featuremaps/maps/a", b"a")]).late for step in (1, 2, 3, 2, 4)]
    log.close()
    assert left_out == [0, 0, 0, 1, 0]
    (remark,) = log.take_remarks()
    assert remark.startswith("'a' was logged at step 2 after step 3: ")
    assert log.take_remarks() == []
    assert [event.step for event in events(tmp_path) if event.session_log.status] == [1]
    assert [step for step, tag, _ in found(tmp_path) if tag.endswith("/a")] == [1, 2, 3, 4]


def test_a_build_that_flushes_finds_written_what_was_logged_before(tmp_path):
    seen: list[int] = []
    with fm.Writer(tmp_path) as writer:

        def flush_and_look():
            writer.flush()
            seen.append(len(found(tmp_path)))
            return []

        for step in range(3):
            writer.submit(step, lambda: [values.blob_value("featuremaps/maps/a", b"a")])
        writer.submit(3, flush_and_look)
    assert seen == [3]


def test_nobody_waits_for_a_writer_that_lets_calls_come_in(tmp_path, monkeypatch):
    monkeypatch.setattr(background, "LINGER_SECONDS", 3600)
    with fm.Writer(tmp_path, max_queue_bytes=100) as writer:
        for step in range(3):  # the second call of each step finds the queue full
            writer.submit(step, lambda: [values.blob_value("featuremaps/maps/a", b"a")], nbytes=60)
            writer.submit(step, lambda: [values.blob_value("featuremaps/maps/b", b"b")], nbytes=60)
        writer.flush()
        assert len(found(tmp_path)) == 6
        writer.submit(3, lambda: [values.blob_value("featuremaps/maps/a", b"a")])
    assert len(found(tmp_path)) == 7
    assert writer.dropped == 0


def test_a_logdir_that_is_no_path_is_told_by_name():
    with pytest.raises(TypeError, match="logdir is a NoneType"):
        fm.Writer(None)  # type: ignore[arg-type]  # what the test is about
