"""Which folder a session writes into: what another one wrote is neither replaced nor mixed with anything in silence, in all readers."""

from __future__ import annotations

import errno
import os
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.reading import contents
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.recording import locks
from tests.support import children
from tests.support.known import variables_of
from tests.support.providers import LOADERS, loaded

MAP = np.ones((1, 4, 4, 1), np.float32)
KEEP_ALL = {"featuremaps": 0, "featuremaps_stats": 0}

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are Unix's")


@contextmanager
def warned():
    """Warnings of ours that are raised meanwhile."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        said: list[str] = []
        yield said
        said += [str(warning.message) for warning in caught]


@contextmanager
def opened(how, folder):
    if how == "files":
        yield EventSource(folder)
    else:
        with loaded(how, folder, KEEP_ALL) as held:
            yield held.source()


@pytest.fixture(params=["files", *LOADERS])
def reader(request):
    """Of a logdir, steps of its feature maps by run and name."""

    def read(folder):
        with opened(request.param, folder) as source:
            return {
                run.name: {series.name: series.steps.tolist() for series in run.pictures if series.kind == "maps"} for run in source.runs()
            }

    return read


def by_run(folder):
    return {run.name: {series.name: series.steps.tolist() for series in run.pictures} for run in EventSource(folder).runs()}


def write(folder, steps, *names):
    with fm.Writer(folder) as writer:
        for step in steps:
            for name in names:
                writer.feature_maps(name, np.full((1, 4, 4, 1), step, np.float32), step)


def monitor(folder, steps, scale=1.0, **options):
    with fm.Monitor(folder, every=1, **options) as made:
        for step in steps:
            made.log(step, activations={"conv": MAP}, weights={"w": np.full(4, scale * (step + 1), np.float32)}, loss=1.0)


def norms(folder, run="featuremaps"):
    table = variables_of(EventSource(folder).run(run))
    return dict(zip(table.steps.tolist(), table.column("w", "norm").tolist(), strict=True))


def test_a_session_that_begins_anew_has_a_folder_of_its_own(tmp_path, reader):
    write(tmp_path / "run", range(20), "conv")
    with warned() as said:
        write(tmp_path / "run", range(5), "conv")
        write(tmp_path / "run", range(3), "conv")
    assert reader(tmp_path) == {
        "run": {"conv": list(range(20))},
        "run/session_2": {"conv": list(range(5))},
        "run/session_3": {"conv": list(range(3))},
    }
    assert [f"session_{number}" in said[number - 2] for number in (2, 3)] == [True, True]
    assert "steps 0 to 19 of an earlier session" in said[0]
    assert len(said) == 2


def test_a_training_in_two_phases_is_two_runs(tmp_path, reader):
    monitor(tmp_path, range(13))
    with warned() as said:
        monitor(tmp_path, range(9), scale=10)
    assert reader(tmp_path) == {"featuremaps": {"conv": list(range(13))}, "featuremaps_session_2": {"conv": list(range(9))}}
    assert norms(tmp_path) == pytest.approx({step: 2.0 * (step + 1) for step in range(13)})
    assert norms(tmp_path, "featuremaps_session_2") == pytest.approx({step: 20.0 * (step + 1) for step in range(9)})
    assert len(said) == 1
    assert "run_name" in said[0]


def test_a_training_that_is_resumed_goes_on_in_its_folder_and_says_what_it_replaces(tmp_path, reader, caplog):
    write(tmp_path / "run", range(20), "conv", "other")
    write(tmp_path / "run", range(15, 25), "conv")
    assert reader(tmp_path) == {"run": {"conv": list(range(25)), "other": list(range(15))}}
    (said,) = [entry.getMessage() for entry in caplog.records if entry.name.startswith("tb_featuremap_plugin")]
    assert "steps 15 to 19 is replaced" in said


def test_a_training_that_goes_on_behind_the_last_step_says_nothing(tmp_path, caplog):
    write(tmp_path / "run", range(20), "conv")
    write(tmp_path / "run", range(20, 30), "conv")
    assert by_run(tmp_path) == {"run": {"conv": list(range(30))}}
    assert caplog.messages == []


def test_of_several_sessions_nobody_knows_which_is_resumed(tmp_path):
    write(tmp_path / "run", range(20), "conv")
    with warned():
        write(tmp_path / "run", range(10), "conv")
    with warned() as said:
        write(tmp_path / "run", range(8, 12), "conv")
    assert by_run(tmp_path)["run/session_3"] == {"conv": [8, 9, 10, 11]}
    assert len(said) == 1


def test_a_record_that_comes_late_costs_itself_alone(tmp_path, reader):
    with warned() as said, fm.Writer(tmp_path / "run") as writer:
        for step in range(50):
            writer.feature_maps("conv", MAP, step)
            writer.weight_change("w", MAP, MAP, step)
            if step % 10 == 0:
                writer.feature_maps("eval", MAP, step // 10)
        writer.feature_maps("eval", MAP, 2)
        writer.feature_maps("conv", MAP, 0)
    assert reader(tmp_path) == {"run": {"conv": list(range(50)), "eval": [0, 1, 2, 3, 4]}}
    assert len(said) == 1
    assert "'eval' was logged at step 2 after step 4" in said[0]


def test_steps_that_begin_again_each_epoch_are_said_when_they_do(tmp_path, reader):
    writer, said = fm.Writer(tmp_path / "run"), []
    for epoch in range(3):
        with warned() as now:
            for batch in range(5):
                writer.feature_maps("conv", np.full((1, 4, 4, 1), epoch, np.float32), batch)
            writer.flush()
        said.append(now)
    writer.close()
    assert reader(tmp_path) == {"run": {"conv": [0, 1, 2, 3, 4]}}
    assert [bool(now) for now in said] == [False, True, False]
    assert "count steps over the whole training" in said[1][0]


@pytest.mark.parametrize("names", [("conv", "conv"), ("generator", "discriminator")])
def test_two_monitors_that_live_at_once_have_a_run_each(tmp_path, names, reader):
    with warned() as said, fm.Monitor(tmp_path, every=1) as one, fm.Monitor(tmp_path, every=1) as two:
        for step in range(6):
            one.log(step, activations={names[0]: MAP}, weights={"w": np.full(4, 1.0)})
            two.log(step, activations={names[1]: MAP}, weights={"w": np.full(4, 100.0)})
    found = reader(tmp_path)
    assert {name for run in found.values() for name in run} == set(names)
    assert all(steps == list(range(6)) for run in found.values() for steps in run.values())
    assert sorted([set(norms(tmp_path, run).values()) for run in found], key=max) == [{2.0}, {200.0}]
    assert len(said) == 1
    assert "at the same time" in said[0]


def test_monitors_of_several_threads_have_a_run_each(tmp_path):
    together = threading.Barrier(4)

    def trial(number):
        with fm.Monitor(tmp_path, every=1) as made:
            together.wait(60)
            for step in range(5):
                made.log(step, weights={"w": np.full(4, 10.0**number)})
            made.flush()
            together.wait(60)

    with warned() as said:
        threads = [threading.Thread(target=trial, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    runs = EventSource(tmp_path).names()
    assert sorted(runs) == ["featuremaps", *(f"featuremaps_session_{number}" for number in (2, 3, 4))]
    found = [set(norms(tmp_path, run).values()) for run in runs]
    assert [len(values) for values in found] == [1, 1, 1, 1]
    assert sorted(max(values) for values in found) == pytest.approx([2, 20, 200, 2000])
    assert len(said) == 3


TRIAL = """
caught = catch_warnings()
with fm.Monitor(sys.argv[1], every=1) as monitor:
    for step in range(5):
        monitor.log(step, weights={"w": np.full(4, 100.0)})
print(caught)
"""


def test_a_monitor_of_another_process_has_a_run_of_its_own(tmp_path):
    with fm.Monitor(tmp_path, every=1) as made:
        made.log(0, weights={"w": np.ones(4)})
        made.flush()
        ended = children.run(TRIAL, tmp_path)
        made.log(1, weights={"w": np.ones(4)})
    assert ended.returncode == 0, ended.stderr
    assert "featuremaps_session_2" in ended.stdout
    assert set(norms(tmp_path).values()) == {2.0}
    assert norms(tmp_path, "featuremaps_session_2") == dict.fromkeys(range(5), 200.0)


def test_two_writers_that_log_one_series_are_not_mixed(tmp_path, reader):
    with warned() as said, fm.Writer(tmp_path / "run") as one, fm.Writer(tmp_path / "run") as two:
        for step in range(0, 10, 2):
            one.feature_maps("conv", MAP, step)
            two.feature_maps("conv", MAP * 100, step + 1)
    found = reader(tmp_path)
    assert sorted(tuple(run["conv"]) for run in found.values()) == [(0, 2, 4, 6, 8), (1, 3, 5, 7, 9)]
    assert len(said) == 1
    assert "another writer writes 'conv' there" in said[0]


def test_a_series_that_two_writers_come_to_share_is_parted_from_then_on(tmp_path, reader):
    """The second began with a series of its own, so it was let in."""
    with warned() as said, fm.Writer(tmp_path / "run") as one, fm.Writer(tmp_path / "run") as two:
        for step in range(10):
            one.feature_maps("conv", MAP, step)
            one.flush()
            two.feature_maps("other", MAP, step)
            two.flush()
            if step >= 5:
                two.feature_maps("conv", MAP * 100, step)
    assert reader(tmp_path) == {
        "run": {"conv": list(range(10)), "other": [0, 1, 2, 3, 4, 5]},
        "run/session_2": {"conv": [5, 6, 7, 8, 9], "other": [6, 7, 8, 9]},
    }
    assert len(said) == 1


FORKED = """
caught = catch_warnings()
{make}
for step in range(5): {log}
if "flushed" in sys.argv: logger.flush()
child = os.fork()
if child == 0:
    for step in range(5, 8): {log}
    logger.flush()
    os._exit(0 if len(caught) == 1 else 1)
assert os.waitpid(child, 0)[1] == 0
for step in range(5, 10): {log}
logger.close()
assert not caught, caught
"""
LOGGERS = {
    "Writer": ("logger = fm.Writer(sys.argv[1])", "logger.feature_maps('conv', np.full((1, 4, 4, 1), step), step)"),
    "Monitor": ("logger = fm.Monitor(sys.argv[1], every=1)", "logger.log(step, activations={'conv': np.full((1, 4, 4, 1), step)})"),
}


@needs_fork
@pytest.mark.parametrize("logger", LOGGERS)
def test_parent_and_child_of_a_fork_that_log_the_same_keep_what_they_flushed(tmp_path, logger):
    make, log = LOGGERS[logger]
    ended = children.run(FORKED.replace("{make}", make).replace("{log}", log), tmp_path / "run", "flushed")
    assert ended.returncode == 0, ended.stderr
    assert sorted(run["conv"] for run in by_run(tmp_path).values()) == [list(range(10)), [5, 6, 7]]


def refuse_read_only(flock):
    """Locks as NFS has them, which Linux makes of locks of byte ranges: those need a file that is open for writing."""
    import fcntl

    def locked(descriptor, operation):
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, operation)

    return locked


def refuse(number):
    def locked(descriptor, operation):
        raise OSError(number, os.strerror(number))

    return locked


ON_NFS = """
import errno, fcntl
from tests.test_sessions import refuse, refuse_read_only
fcntl.flock = refuse_read_only(fcntl.flock) if sys.argv[2] == "EBADF" else refuse(getattr(errno, sys.argv[2]))
"""
SECOND = """
caught = catch_warnings()
with fm.Writer(sys.argv[1]) as writer:
    for step in range(5): log(writer, step)
print(caught)
"""


@needs_fork
@pytest.mark.parametrize("lives", [True, False])
@pytest.mark.parametrize("error", ["EBADF", "ENOLCK", "EOPNOTSUPP"])
def test_where_files_cannot_be_locked_nothing_is_purged(tmp_path, monkeypatch, error, lives):
    import fcntl

    monkeypatch.setattr(fcntl, "flock", refuse_read_only(fcntl.flock) if error == "EBADF" else refuse(getattr(errno, error)))
    writer = fm.Writer(tmp_path / "run")
    for step in range(120):
        children.log(writer, step)
    (writer.flush if lives else writer.close)()
    ended = children.run(ON_NFS + SECOND, tmp_path / "run", error)
    assert ended.returncode == 0, ended.stderr
    writer.close()
    assert "session_2" in ended.stdout
    assert {run: series["conv"] for run, series in by_run(tmp_path).items()} == {"run": list(range(120)), "run/session_2": list(range(5))}


@needs_fork
def test_nfs_locks_what_is_open_for_writing_so_a_run_is_resumed_there(tmp_path, monkeypatch):
    import fcntl

    monkeypatch.setattr(fcntl, "flock", refuse_read_only(fcntl.flock))
    write(tmp_path / "run", range(20), "conv")
    write(tmp_path / "run", range(15, 25), "conv")
    assert by_run(tmp_path) == {"run": {"conv": list(range(25))}}
    assert (tmp_path / "run" / locks.LOCK_FILE).exists()


@pytest.mark.tensorflow  # which is asked for every URL first, and takes long to load
def test_at_a_url_each_session_has_a_folder_of_its_own():
    pytest.importorskip("fsspec").filesystem("memory").store.clear()
    url = "memory://sessions/run"
    write(url, range(5), "conv")
    with warned() as said:
        write(url, range(3, 8), "conv")
        write(url, range(8, 10), "conv")
    assert by_run("memory://sessions") == {
        "run": {"conv": [0, 1, 2, 3, 4]},
        "run/session_2": {"conv": [3, 4, 5, 6, 7]},
        "run/session_3": {"conv": [8, 9]},
    }
    assert len(said) == 2


def test_a_monitor_that_paused_goes_on_where_it_was(tmp_path):
    monitor(tmp_path, range(10))
    with warned() as said, fm.Monitor(tmp_path, every=1) as made:
        for step in range(6):
            made.log(step, activations={"conv": MAP})
            made.pause()
    assert by_run(tmp_path) == {"featuremaps": {"conv": list(range(10))}, "featuremaps_session_2": {"conv": list(range(6))}}
    assert len(said) == 1


def test_a_monitor_that_paused_finds_that_another_came_meanwhile(tmp_path):
    with warned() as said, fm.Monitor(tmp_path, every=1) as made:
        for step in range(6):
            made.log(step, activations={"conv": MAP})
        made.pause()
        monitor(tmp_path, range(6, 9))
        for step in range(6, 8):
            made.log(step, activations={"conv": MAP})
    assert by_run(tmp_path) == {"featuremaps": {"conv": list(range(9))}, "featuremaps_session_2": {"conv": [6, 7]}}
    assert len(said) == 1


def test_what_cannot_be_read_is_not_written_over(tmp_path, monkeypatch):
    write(tmp_path / "run", range(5), "conv")
    with monkeypatch.context() as patch, warned() as said:
        patch.setattr(contents, "LazyReaders", None)  # as if whatever reads it failed
        write(tmp_path / "run", range(3, 5), "conv")
    assert by_run(tmp_path) == {"run": {"conv": [0, 1, 2, 3, 4]}, "run/session_2": {"conv": [3, 4]}}
    assert len(said) == 1
    assert "cannot be read" in said[0]


@pytest.mark.parametrize("make", [fm.Writer, fm.Monitor])
def test_a_path_is_resolved_when_the_object_is_made(tmp_path, monkeypatch, make):
    first, then, home = (tmp_path / name for name in ("first", "then", "home"))
    for folder in (first, then, home):
        folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(first)
    relative, at_home = make("logs"), make("~/logs")
    monkeypatch.chdir(then)
    for made in (relative, at_home):
        log_once(made)
        made.close()
    assert list(then.iterdir()) == []
    assert [path.name for path in first.iterdir()] == ["logs"]
    assert [path.name for path in home.iterdir()] == ["logs"]


def log_once(made):
    if isinstance(made, fm.Writer):
        made.feature_maps("conv", MAP, 0)
    else:
        made.log(0, activations={"conv": MAP})


def test_urls_are_no_paths():
    assert fm.Writer("memory://~/run").logdir == "memory://~/run"
    assert Path(fm.Writer("relative").logdir).is_absolute()
