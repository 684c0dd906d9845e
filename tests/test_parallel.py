"""Several processes give what one does, in the same order, and one does where several cannot be had."""

from __future__ import annotations

import os
from functools import partial

import pytest

from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.reading import parallel
from tb_featuremap_plugin.reading.events import EventSource
from tests.support import logdirs


@pytest.fixture
def logdir(tmp_path):
    for name in ("run10", "run2", "run1/featuremaps", "damaged"):
        log = logdirs.write_monitored(tmp_path / name, [0, 1, 5])
        if name == "damaged":
            log.raw(logdirs.framed(b"\xff" * 30))
    logdirs.EventLog(tmp_path / "other").scalar("loss", 0, 1.0)
    return tmp_path


@pytest.fixture
def two(monkeypatch):
    monkeypatch.setattr(parallel, "WORTHWHILE_BYTES", 0)
    monkeypatch.setattr(parallel, "_processors", lambda: 2)


def described(run):
    return run.name, run.layers.values.tolist(), [problem.message for problem in run.problems], os.getpid()


def test_several_processes_give_what_one_does(logdir, two):
    found = parallel.map_runs(logdir, described)
    assert [one[0] for one in found] == ["damaged", "run1/featuremaps", "run2", "run10"]
    assert os.getpid() not in {process for *_, process in found}
    expected = [described(run)[:-1] for run in EventSource(logdir).runs()]
    assert [tuple(one) for *one, _ in found] == expected
    assert any("is no event" in message for message in found[0][2])


def test_little_is_read_in_this_process(logdir):
    assert {process for *_, process in parallel.map_runs(logdir, described)} == {os.getpid()}


def test_one_process_does_where_no_other_can_be_started(logdir, two, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("no semaphores here")

    monkeypatch.setattr(parallel, "ProcessPoolExecutor", refuse)
    assert {process for *_, process in parallel.map_runs(logdir, described)} == {os.getpid()}


def die_unless(process, run):
    if os.getpid() != process:
        os._exit(1)
    return run.name


def test_one_process_does_where_the_others_die(logdir, two):
    names = parallel.map_runs(logdir, partial(die_unless, os.getpid()))
    assert names == ["damaged", "run1/featuremaps", "run2", "run10"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_command_says_the_same(logdir, form, request, capsys):
    main(["diagnose", str(logdir), "--format", form])
    expected = capsys.readouterr()
    request.getfixturevalue("two")
    main(["diagnose", str(logdir), "--format", form])
    assert capsys.readouterr() == expected
    assert "is no event" in expected.err
