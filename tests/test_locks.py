"""Writers find each other by locks, on POSIX systems and on Windows: two on one logdir take nothing from each other."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.recording import locks, storage
from tests.support import children, windows_locks
from tests.support.killing import assert_all_there

THREADS = 8
AS_ON_WINDOWS = """
from tb_featuremap_plugin.recording import locks
from tests.support import windows_locks
locks.LOCKS = locks.WindowsLocks(windows_locks)
"""


@pytest.fixture(params=["as it is here", "as on Windows"])
def preamble(request, monkeypatch):
    """What a child process begins with; this process has the same locks."""
    if request.param == "as it is here":
        return ""
    if sys.platform != "linux":
        pytest.skip("Windows's locks are made of Linux's")
    monkeypatch.setattr(locks, "LOCKS", locks.WindowsLocks(windows_locks))
    monkeypatch.setattr(windows_locks, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(windows_locks, "ATTEMPTS", 6000)
    return AS_ON_WINDOWS


def test_an_open_file_is_known_to_be_written_until_it_is_closed(tmp_path, preamble):
    appender = storage.open_appender(str(tmp_path), "file")
    appender.append(b"one")
    assert storage.is_written(str(tmp_path), "file")
    appender.append(b"two")
    assert (tmp_path / "file").read_bytes() == b"onetwo"
    appender.close()
    assert not storage.is_written(str(tmp_path), "file")
    assert not storage.is_written(str(tmp_path), "nothing")


def test_writers_that_begin_at_the_same_moment_find_each_other(tmp_path, preamble):
    together = threading.Barrier(THREADS)

    def rank(number: int, folder: str) -> None:
        with fm.Writer(tmp_path / folder) as writer:
            together.wait(60)
            writer.feature_maps(f"rank{number}", np.full((1, 4, 4, 1), number, np.float32), 0)
            writer.flush()
            together.wait(60)

    with ThreadPoolExecutor(THREADS) as pool:
        for repeat in range(10):
            list(pool.map(rank, range(THREADS), [str(repeat)] * THREADS))
    for run in EventSource(tmp_path).runs():
        assert {series.name for series in run.pictures} == {f"rank{number}" for number in range(THREADS)}


SECOND = """
writer = fm.Writer(sys.argv[1])
for step in range(20): writer.feature_maps("other", np.full((1, 4, 4, 1), step, np.float32), step)
writer.flush()
print("done", flush=True)
sys.stdin.readline()
"""


def test_two_processes_that_write_one_logdir_take_nothing_from_each_other(tmp_path, preamble):
    with fm.Writer(tmp_path / "run") as writer:
        for step in range(10):
            children.log(writer, step)
        writer.flush()
        second = children.run(preamble + SECOND, tmp_path / "run", stdin=subprocess.DEVNULL)
        assert second.returncode == 0, second.stderr
        for step in range(10, 20):
            children.log(writer, step)
    source = EventSource(tmp_path)
    assert_all_there(source, "run", 19)
    assert {series.name: series.steps.tolist() for series in source.run("run").pictures}["other"] == list(range(20))


def test_the_lock_of_a_process_that_was_killed_is_gone(tmp_path, preamble):
    """Its logdir is resumed, not shared: what the killed run wrote from there on goes."""
    with children.running(preamble + SECOND, tmp_path / "run", stdin=subprocess.PIPE) as process:
        assert children.output_of(process).readline() == "done\n"
        (name,) = (path.name for path in (tmp_path / "run").iterdir() if path.name != locks.LOCK_FILE)
        assert storage.is_written(str(tmp_path / "run"), name)
    assert not storage.is_written(str(tmp_path / "run"), name)
    with fm.Writer(tmp_path / "run") as writer:
        writer.feature_maps("other", np.zeros((1, 4, 4, 1), np.float32), 10)
    (series,) = EventSource(tmp_path).run("run").pictures
    assert series.steps.tolist() == list(range(11))


def log_and_close(writer, steps):
    with writer:
        for step in steps:
            children.log(writer, step)


def test_without_any_locks_a_session_replaces_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "LOCKS", None)
    with fm.Writer(tmp_path / "run") as writer:
        for step in range(10):
            children.log(writer, step)
    with pytest.warns(RuntimeWarning, match="session_2"):
        log_and_close(fm.Writer(tmp_path / "run"), range(5, 10))
    source = EventSource(tmp_path)
    assert_all_there(source, "run", 9)
    assert source.run("run/session_2").pictures[0].steps.tolist() == [5, 6, 7, 8, 9]
