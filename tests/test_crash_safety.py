"""However a training process ends, what it had flushed is there, in every reader; what it only logged is there unless it was killed."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.reading.events import EventSource
from tests.support import children
from tests.support.killing import assert_all_there, write_until_killed
from tests.support.known import variables_of
from tests.support.providers import LOADERS, loaded

KILLS = 6

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL and fork are of POSIX systems")


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A logdir of runs whose writers were killed, and by run the last step that was flushed."""
    logdir = tmp_path_factory.mktemp("killed")
    with ThreadPoolExecutor(2) as pool:
        lasts = list(pool.map(lambda seed: write_until_killed(logdir / f"run{seed}", seed), range(KILLS)))
    return logdir, {f"run{seed}": last for seed, last in enumerate(lasts)}


def test_every_flushed_step_survives_sigkill_in_the_event_files(killed):
    logdir, lasts = killed
    source = EventSource(logdir)
    for run, last in lasts.items():
        assert_all_there(source, run, last)


@pytest.mark.parametrize("loader", LOADERS)
def test_every_flushed_step_survives_sigkill_in_tensorboard(killed, loader):
    logdir, lasts = killed
    with loaded(loader, logdir, {"featuremaps": 0, "featuremaps_stats": 0}) as held:
        source = held.until(lambda source: all(logged(source, run) > last for run, last in lasts.items()))
        for run, last in lasts.items():
            assert_all_there(source, run, last)


def logged(source, run) -> int:
    return min((len(series.steps) for series in source.run(run).pictures), default=0)


@pytest.mark.parametrize("loader", LOADERS)
def test_a_run_that_is_resumed_after_a_kill_shows_what_was_written_last(tmp_path, loader):
    last = write_until_killed(tmp_path / "run", 7)
    again = last // 2
    with fm.Writer(tmp_path / "run") as writer:
        for step in range(again, last + 5):
            children.log(writer, step)
    expected = EventSource(tmp_path).run("run")
    assert_all_there(EventSource(tmp_path), "run", last + 4)
    with loaded(loader, tmp_path, {"featuremaps": 0, "featuremaps_stats": 0}) as held:
        source = held.until(lambda source: variables_of(source.run("run")).steps.tolist() == variables_of(expected).steps.tolist())
        assert_all_there(source, "run", last + 4)


ENDINGS = {
    "by running out": "",
    "by sys.exit": "sys.exit(0)",
    "by an exception": "raise RuntimeError('the loss is NaN')",
    # A shell that starts the tests in the background has them ignore SIGINT, and children inherit that.
    "by an interrupt": "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); os.kill(os.getpid(), signal.SIGINT)",
    "in a thread that outlives the main one": "import threading; threading.Thread(target=lambda: log(writer, 30)).start()",
}


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda name: name.replace(" ", "-"))
def test_what_was_logged_is_there_when_the_interpreter_exits_without_close(tmp_path, ending):
    ended = children.run("writer = fm.Writer(sys.argv[1])\nfor step in range(30): log(writer, step)\n" + ENDINGS[ending], tmp_path / "run")
    assert_all_there(EventSource(tmp_path), "run", 29)
    if ending == "by an exception":
        assert "the loss is NaN" in ended.stderr
    assert ended.returncode == {"by an exception": 1, "by an interrupt": -signal.SIGINT}.get(ending, 0)


def test_what_was_flushed_is_there_after_an_exit_that_runs_nothing(tmp_path):
    children.run("writer = fm.Writer(sys.argv[1])\nfor step in range(30): log(writer, step)\nwriter.flush()\nos._exit(3)", tmp_path / "run")
    assert_all_there(EventSource(tmp_path), "run", 29)


def test_an_exception_in_the_loop_passes_through_the_writer_and_closes_it(tmp_path):
    def loop(writer: fm.Writer) -> None:
        with writer:
            for step in range(5):
                children.log(writer, step)
            raise ZeroDivisionError

    writer = fm.Writer(tmp_path / "run")
    with pytest.raises(ZeroDivisionError):
        loop(writer)
    assert_all_there(EventSource(tmp_path), "run", 4)
    with pytest.raises(ValueError, match="closed"):
        children.log(writer, 5)


FORK = """
writer = fm.Writer(sys.argv[1])
for step in range(20): log(writer, step)
if "flushed" in sys.argv: writer.flush()
child = os.fork()
if child == 0:
    for step in range(100, 105): writer.feature_maps("child", np.full((1, 8, 8, 4), step, np.float32), step)
    writer.flush()
    os._exit(0)
for step in range(20, 40): log(writer, step)
assert os.waitpid(child, 0)[1] == 0
for step in range(40, 60): log(writer, step)
"""


@pytest.mark.parametrize("when", ["flushed", "busy"])
def test_a_fork_takes_nothing_from_the_parent_and_can_log_itself(tmp_path, when):
    ended = children.run(FORK, tmp_path / "run", when)
    assert ended.returncode == 0, ended.stderr
    source = EventSource(tmp_path)
    assert_all_there(source, "run", 59)
    (childs,) = [series for series in source.run("run").pictures if series.name == "child"]
    assert childs.steps.tolist() == [100, 101, 102, 103, 104]


def test_a_child_of_a_fork_that_logs_nothing_leaves_no_file(tmp_path):
    ended = children.run(
        "writer = fm.Writer(sys.argv[1])\nlog(writer, 0)\nif not os.fork(): sys.exit(0)\nos.wait()\nlog(writer, 1)", tmp_path / "run"
    )
    assert ended.returncode == 0, ended.stderr
    assert len(list((tmp_path / "run").iterdir())) == 1
    assert_all_there(EventSource(tmp_path), "run", 1)
