"""`tb-featuremap doctor`: each way in which a tab can be empty or thin is named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from tb_featuremap_plugin import Monitor, Writer
from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.doctor import check_up
from tb_featuremap_plugin.doctor.remarks import on_run
from tb_featuremap_plugin.format import values
from tb_featuremap_plugin.schema import tags
from tests.support.logdirs import EventLog
from tests.support.synthetic_runs import edit, healthy_run
from tests.support.tiny_training import train

MAPS = np.zeros((1, 4, 4, 2), np.float32)


def remarks(logdir, severity=None):
    (run,) = check_up(logdir).runs
    return [remark for remark in run.remarks if severity is None or remark.severity == severity]


def said(logdir):
    return " ".join(remark.seen for remark in remarks(logdir))


def event_file(logdir):
    (path,) = logdir.rglob("*tfevents*")
    return path


def test_a_whole_run_gets_no_remark(tmp_path):
    train(tmp_path)
    checkup = check_up(tmp_path)
    assert [remark.severity for remark in checkup.installation] == ["ok"]
    (run,) = checkup.runs
    assert run.is_ours
    assert run.remarks == ()
    assert "3 layers and 6 variables" in run.summary


def test_an_empty_folder(tmp_path):
    (remark,) = check_up(tmp_path).logdir
    assert "it is empty" in remark.seen
    (tmp_path / "notes.txt").write_text("hello")
    assert "other files only" in check_up(tmp_path).logdir[0].seen


def test_only_other_plugins(tmp_path):
    log = EventLog(tmp_path)
    log.event(Event(step=1, summary=Summary(value=[Summary.Value(tag="loss", simple_value=0.5)])))
    (remark,) = remarks(tmp_path)
    assert "scalars only" in remark.seen
    assert "fm.Monitor" in remark.advice


def test_no_summaries_at_all(tmp_path):
    EventLog(tmp_path)
    assert "no summaries at all" in said(tmp_path)


def test_single_calls_only(tmp_path):
    with Writer(str(tmp_path)) as writer:
        writer.feature_maps("conv1", MAPS, step=1)
    found = said(tmp_path)
    assert "single calls only" in found
    assert "no filters" in found
    assert "no feature maps" not in found


def test_no_maps_and_one_step(tmp_path):
    with Monitor(str(tmp_path)) as monitor:
        monitor.log(0, weights={"kernel": np.ones((4, 4), np.float32)})
    found = said(tmp_path)
    assert "no feature maps" in found
    assert "Only one step" in found
    assert "No loss" in found


def test_a_damaged_record(tmp_path):
    train(tmp_path, steps=20)
    path = event_file(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    (remark,) = remarks(tmp_path, "error")
    assert "is damaged" in remark.seen


def test_a_file_that_ends_within_a_record(tmp_path):
    train(tmp_path, steps=20)
    path = event_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-7])
    assert "ends within a record" in said(tmp_path)


def test_a_newer_version(tmp_path):
    log = EventLog(tmp_path)
    value = Summary.Value(tag=tags.VARIABLES_TAG, metadata=values.tensor_metadata())
    value.metadata.plugin_data.content = json.dumps({"version": tags.CONTENT_VERSION + 1}).encode()
    value.tensor.dtype = 1
    value.tensor.tensor_shape.dim.add(size=0)
    log.event(Event(step=1, summary=Summary(value=[value])))
    assert any("Update tb-featuremap-plugin" in remark.seen for remark in remarks(tmp_path, "error"))


def test_steps_that_go_back(tmp_path):
    log = EventLog(tmp_path)
    for step in (1, 2, 3, 2):
        value = Summary.Value(tag=tags.PROGRESS_TAG, metadata=values.tensor_metadata())
        value.tensor.dtype = 1
        log.event(Event(step=step, summary=Summary(value=[value])))
    assert "Steps go back or repeat 1 times" in said(tmp_path)


def test_two_files_at_the_same_time_and_one_after_the_other(tmp_path):
    def value():
        found = Summary.Value(tag=tags.PROGRESS_TAG, metadata=values.tensor_metadata())
        found.tensor.dtype = 1
        return found

    for start in (1000.0, 1002.0):
        log = EventLog(tmp_path / "live", start=start, name=f"a.tfevents.{start}")
        for step in range(5):
            log.event(Event(step=step, summary=Summary(value=[value()])))
    for start in (1000.0, 2000.0):
        log = EventLog(tmp_path / "resumed", start=start, name=f"a.tfevents.{start}")
        log.event(Event(step=int(start), summary=Summary(value=[value()])))
    live, resumed = (" ".join(remark.seen for remark in run.remarks) for run in check_up(tmp_path).runs)
    assert "written at the same time" in live
    assert "the run was resumed" in resumed


def test_what_was_dropped_stretched_or_will_be_sampled_away():
    run = edit(healthy_run(), "progress", "run", dropped_records=3, stretch=4)
    found = {remark.seen for remark in on_run(run, {"featuremaps": 100, "featuremaps_stats": 10})}
    assert any("3 records were dropped" in seen for seen in found)
    assert any("4 times" in seen for seen in found)
    sampled = [remark for remark in on_run(run, {"featuremaps": 100, "featuremaps_stats": 10}) if "sampled" in remark.seen]
    assert [remark.advice for remark in sampled] == ["To see all: tensorboard --samples_per_plugin featuremaps_stats=15"]
    assert not any("sampled" in remark.seen for remark in on_run(run, {"featuremaps": 100, "featuremaps_stats": 1000}))


def test_the_command(tmp_path, capsys):
    assert main(["doctor", str(tmp_path / "missing")]) == 2
    train(tmp_path / "run", steps=20)
    assert main(["doctor", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "This installation" in text
    assert "Run run (folder run/featuremaps)" in text
    assert max(len(line) for line in text.splitlines() if str(tmp_path) not in line) <= 100


@pytest.mark.parametrize("name", ["featuremaps", "featuremaps_stats"])
def test_the_doctor_knows_the_plugin_names(name):
    from tb_featuremap_plugin.doctor.scan import OURS

    assert name in OURS
