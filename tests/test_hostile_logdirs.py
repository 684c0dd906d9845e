"""Small logdirs of a stranger that would take all memory or all time, and outputs that fail: no reader hangs, and nothing old is lost."""

from __future__ import annotations

import json
import os
import zlib

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DataType

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.export.report import make_report
from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.format.values import tensor_metadata
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.network import RunRecord
from tb_featuremap_plugin.server import api
from tests.support import children, logdirs
from tests.support.known import variables_of

COMMANDS = {"diagnose": [], "doctor": [], "pack": ["-o", "out.zip"], "export": ["-o", "out.html"]}
BOUNDED = """
from tb_featuremap_plugin.cli.main import main
os.chdir(sys.argv[1])
status = main(sys.argv[2:])
with open("/proc/self/status") as lines:  # the peak that getrusage gives begins at that of the process that forked this one
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024
assert peak < 400, f"{peak} MB"
sys.exit(status)
"""


def write_wide(folder):
    """A run record that names 12,000 rows and 12,000 columns of a table of one number."""
    log = logdirs.EventLog(folder)
    log.run(RunRecord(layer_rows=tuple(f"r{i}" for i in range(12000)), layer_columns=tuple(f"c{i}" for i in range(12000))))
    log.tensor(tags.LAYERS_TAG, 0, np.zeros((1, 1), np.float32))


def write_crossed(folder):
    """One tensor with very many rows, and one with very many columns."""
    log = logdirs.EventLog(folder)
    names = tuple(f"n{i}" for i in range(20_000))
    log.run(RunRecord(variable_rows=names, variable_columns=names))
    log.tensor(tags.VARIABLES_TAG, 0, np.zeros((20_000, 1), np.float32))
    log.tensor(tags.VARIABLES_TAG, 1, np.zeros((1, 20_000), np.float32))


def write_scattered(folder):
    """Very many series of one row, each at a step of its own."""
    log = logdirs.EventLog(folder)
    for step in range(1000):
        log.tensor(f"{tags.VARIABLES_TAG}/v{step}", step, np.zeros((1, 1), np.float32))


def write_channels(folder):
    """Pictures of 30 million channels, which deflate to nothing."""
    channels = 30_000_000
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    member = deflate.compress(bytes(4 * channels)) + deflate.flush()
    section = {"dtype": "float32", "shape": [1, channels], "offsets": [0, len(member)]}
    header = {"kind": "maps", "name": "c", "layout": "NCHW", "shape": [1, channels, 1, 1], "images": [0], "reduced": 1, "stats": ["mean"]}
    text = json.dumps({**header, "version": 1, "sections": {"stats": section}}).encode()
    log = logdirs.EventLog(folder)
    for step in range(8):
        log.blob(tags.picture_tag("maps", "c"), step, len(text).to_bytes(8, "little") + text + member)


def picture_of_channels(name, channels, statistics=3):
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    member = deflate.compress(bytes(4 * statistics * channels)) + deflate.flush()
    section = {"dtype": "float32", "shape": [statistics, channels], "offsets": [0, len(member)]}
    names = [f"s{place}" for place in range(statistics)]
    header = {"kind": "maps", "name": name, "layout": "NCHW", "shape": [1, channels, 1, 1], "images": [0], "reduced": 1, "stats": names}
    text = json.dumps({**header, "version": 1, "sections": {"stats": section}}).encode()
    return len(text).to_bytes(8, "little") + text + member


def write_many_channels(folder):
    """Two thousand pictures of 60,000 channels each: none of them is too large, all together are."""
    log, picture = logdirs.EventLog(folder), picture_of_channels("c", 60_000)
    for step in range(2000):
        log.blob(tags.picture_tag("maps", "c"), step, picture)


def write_many_variables(folder):
    """A table of two columns, which joined with all known columns is 20 times as large."""
    log = logdirs.EventLog(folder)
    rows = 40_000
    log.run(RunRecord(variable_rows=tuple(f"r{i}" for i in range(rows)), variable_columns=("norm", "update_ratio")))
    for step in range(30):
        log.tensor(tags.VARIABLES_TAG, step, np.zeros((rows, 2), np.float32))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the measure of memory is Linux'")
@pytest.mark.parametrize("write", [write_wide, write_crossed, write_scattered, write_channels, write_many_channels, write_many_variables])
def test_what_a_logdir_claims_costs_no_more_than_what_it_holds(tmp_path, write):
    write(tmp_path / "logs")
    for command in ("doctor", "export") if write in (write_channels, write_many_channels) else ("doctor", "diagnose"):
        ended = children.run(BOUNDED, tmp_path, command, "logs", *COMMANDS[command])
        assert ended.returncode in (0, 1, 2), ended.stderr
        assert "Traceback" not in ended.stderr


def test_channels_of_more_pictures_than_are_read_are_an_even_spread_up_to_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr("tb_featuremap_plugin.schema.limits.MAX_CHANNELS_CELLS", 3_000)
    log = logdirs.EventLog(tmp_path)
    for step in range(100):
        log.blob(tags.picture_tag("maps", "c"), step, picture_of_channels("c", 20))
    steps = record.decode(api.channels(EventSource(tmp_path), ".", "maps", "c")).array("steps")
    assert steps[-1] == 99
    assert 40 <= len(steps) <= 50
    assert set(np.diff(steps)) == {2}


def test_names_of_statistics_that_differ_in_every_picture_cost_no_more_than_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("tb_featuremap_plugin.schema.limits.MAX_CHANNELS_CELLS", 3_000)
    log = logdirs.EventLog(tmp_path)
    for step in range(200):
        picture = picture_of_channels("c", 5).replace(b'"s0"', b'"x%d"' % (step % 10)).replace(b'"s1"', b'"y%d"' % (step // 10 % 10))
        log.blob(tags.picture_tag("maps", "c"), step, picture)
    values = record.decode(api.channels(EventSource(tmp_path), ".", "maps", "c")).array("values")
    assert len(values) >= 1
    assert values.size <= 6_000


def test_a_page_of_thousands_of_layers_goes_through_all_of_them_a_few_times_only(tmp_path):
    log, picture = logdirs.EventLog(tmp_path / "logs"), picture_of_channels("c", 4)
    for layer in range(1500):
        log.blob(tags.picture_tag("maps", f"layer{layer}"), 0, picture)
    source = CountingSource(tmp_path / "logs")
    make_report(source, max_bytes=10**8)
    assert source.outlined <= 20


class CountingSource(EventSource):
    """Counts how often the outline of a run is asked for: each time a filtered one is made goes through all of its pictures."""

    outlined = 0

    def outline(self, name):
        self.outlined += 1
        return super().outline(name)


def test_rows_at_steps_of_their_own_are_read_from_the_last_one_back(tmp_path):
    write_scattered(tmp_path)
    (run,) = EventSource(tmp_path).runs()
    table = variables_of(run)
    assert table.steps.tolist()[-1] == 999
    assert "the last" in run.problems[0].message
    assert table.values.nbytes < 100e6


def test_rows_that_were_logged_at_few_steps_of_their_own_are_all_there(tmp_path):
    log = logdirs.EventLog(tmp_path)
    for step in range(150):
        log.tensor(f"{tags.VARIABLES_TAG}/v{step}", step, np.full((1, 3), step, np.float32))
    (run,) = EventSource(tmp_path).runs()
    table = variables_of(run)
    assert len(table.steps) == len(table.rows) == 150
    assert run.problems == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in folders are POSIX's")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_in_a_logdir_is_no_event_file(tmp_path, monkeypatch, command):
    with fm.Writer(tmp_path / "logs") as writer:
        writer.feature_maps("conv", np.ones((1, 2, 2, 1)), 0)
    os.mkfifo(tmp_path / "logs" / "events.out.tfevents.1700000001.pipe")
    monkeypatch.chdir(tmp_path)
    assert main([command, "logs", *COMMANDS[command]]) in (0, 1)


@pytest.mark.parametrize("dtype", [number for number in DataType.values() if number < 100])
def test_a_tensor_of_any_dtype_costs_that_point_at_most(tmp_path, dtype):
    log = logdirs.EventLog(tmp_path)
    log.tensor(tags.LOSSES_TAG, 0, np.zeros((1, 2), np.float32))
    tensor = TensorProto(dtype=dtype, tensor_content=bytes(8))
    value = Summary.Value(tag=tags.LOSSES_TAG, tensor=tensor, metadata=tensor_metadata())
    log.event(Event(step=1, summary=Summary(value=[value])))
    (run,) = EventSource(tmp_path).runs()
    assert run.losses is not None
    assert run.losses.steps.tolist()[:1] == [0]


@pytest.mark.skipif(os.name != "posix", reason="names of bytes are POSIX's")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_whose_name_is_not_utf8_is_read_under_an_escaped_one(tmp_path, monkeypatch, capsys, command):
    for name in ("good", "bad"):
        with fm.Writer(tmp_path / "logs" / name) as writer:
            writer.feature_maps("conv", np.ones((1, 2, 2, 1)), 0)
    os.rename(os.fsencode(tmp_path / "logs" / "bad"), os.fsencode(tmp_path / "logs") + b"/bad\xff")
    assert EventSource(tmp_path / "logs").names() == [r"bad\xff", "good"]
    monkeypatch.chdir(tmp_path)
    assert main([command, "logs", *COMMANDS[command]]) in (0, 1)


OUTPUT = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
from tb_featuremap_plugin.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="limits of files are POSIX's")
@pytest.mark.parametrize("command", ["pack", "export"])
def test_an_old_output_stays_whole_where_the_new_one_cannot_be_written(tmp_path, command):
    with fm.Writer(tmp_path / "logs") as writer:
        writer.feature_maps("conv", np.random.default_rng(0).random((1, 9, 9, 3)), 0)
    old = tmp_path / "output"
    old.write_bytes(b"old")
    ended = children.run(OUTPUT, command, tmp_path / "logs", "-o", old)
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert old.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "output"]


def test_an_output_keeps_its_mode_and_its_link(tmp_path):
    with fm.Writer(tmp_path / "logs") as writer:
        writer.feature_maps("conv", np.ones((1, 2, 2, 1)), 0)
    (tmp_path / "page.html").write_text("old")
    (tmp_path / "page.html").chmod(0o600)
    (tmp_path / "link.html").symlink_to(tmp_path / "page.html")
    assert main(["export", str(tmp_path / "logs"), "-o", str(tmp_path / "link.html")]) == 0
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "page.html").read_bytes().startswith(b"<!doctype html>")
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o600
