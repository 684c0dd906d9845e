"""Many at once: threads on a writer, writers on a logdir, readers on what is being written, and a run that goes while it is looked at."""

from __future__ import annotations

import shutil
import subprocess
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.reading.run import Source
from tests.support import children, logdirs
from tests.support.killing import assert_all_there
from tests.support.known import known, variables_of
from tests.support.providers import LOADERS, loaded
from tests.support.same import assert_same_runs
from tests.support.servers import PLUGIN, tensorboard

THREADS = 8
KEEP_ALL = {"featuremaps": 0, "featuremaps_stats": 0}


def test_eight_threads_on_one_writer_lose_and_mix_nothing(tmp_path):
    with fm.Writer(tmp_path / "run") as writer:

        def loop(thread: int) -> None:
            for step in range(40):
                writer.feature_maps(f"conv{thread}", np.full((1, 4, 4, 2), 100 * thread + step, np.float32), step)

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(loop, range(THREADS)))
    assert (writer.failed, writer.dropped) == (0, 0)
    source = EventSource(tmp_path)
    (run,) = source.runs()
    assert run.problems == ()
    assert {series.name: series.steps.tolist() for series in run.pictures} == {
        f"conv{thread}": list(range(40)) for thread in range(THREADS)
    }
    for thread in range(THREADS):
        decoded = source.map_pictures("run", "maps", f"conv{thread}", range(40), record.decode)
        headers = [known(header, "picture") for header in decoded]
        assert [header.header["ordinal"] for header in headers] == list(range(1, 41))
        assert [header.array("stats")[0, 0] for header in headers] == [100 * thread + step for step in range(40)]


def test_threads_that_flush_and_close_while_others_log_end(tmp_path):
    writer = fm.Writer(tmp_path / "run")
    refused = []

    def loop(thread: int) -> None:
        try:
            for step in range(1000):
                writer.feature_maps(f"conv{thread}", np.zeros((1, 2, 2, 1), np.float32), step)
                writer.flush()
        except ValueError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=loop, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    while not (tmp_path / "run").exists():
        assert any(thread.is_alive() for thread in threads)
    writer.close()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert all("closed" in message for message in refused)
    assert EventSource(tmp_path).run("run").problems == ()


def test_two_writers_of_one_process_share_a_logdir(tmp_path):
    with fm.Writer(tmp_path / "run") as one, fm.Writer(tmp_path / "run") as two:
        for step in range(20):
            children.log(one, step)
            two.feature_maps("other", np.full((1, 4, 4, 1), step, np.float32), step)
    source = EventSource(tmp_path)
    assert_all_there(source, "run", 19)
    assert {series.name: series.steps.tolist() for series in source.run("run").pictures}["other"] == list(range(20))


ENDLESS = """
writer = fm.Writer(sys.argv[1])
for step in range(10**9):
    log(writer, step)
    writer.flush()
    print(step, flush=True)
    if step % 50 == 49 and not sys.stdin.readline(): break
"""


def test_a_run_is_read_whole_at_every_moment_while_it_is_written(tmp_path):
    seen = -1
    with children.running(ENDLESS, tmp_path / "run", stdin=subprocess.PIPE) as process:
        for _ in range(6):
            for _ in range(25):
                flushed = int(children.output_of(process).readline())
            assert_all_there_so_far(EventSource(tmp_path), flushed)
            assert flushed > seen
            seen = flushed
            children.input_of(process).write("on\n")
            children.input_of(process).flush()


def assert_all_there_so_far(source, flushed: int) -> None:
    run = source.run("run")
    assert run.problems == ()
    for steps in [run.pictures[0].steps, run.variables.steps]:
        assert steps.tolist() == list(range(len(steps)))
        assert len(steps) > flushed


def has_steps(count: int, source: Source) -> bool:
    return any(run.variables is not None and len(run.variables.steps) == count for run in source.runs())


@pytest.mark.parametrize("loader", LOADERS)
def test_tensorboard_follows_a_run_while_it_is_written(tmp_path, loader):
    (tmp_path / "run").mkdir()
    with loaded(loader, tmp_path, KEEP_ALL, wait=False) as held, fm.Writer(tmp_path / "run") as writer:
        for end in (5, 10, 15):
            for step in range(end - 5, end):
                children.log(writer, step)
            writer.flush()
            held.until(partial(has_steps, end))
            assert_all_there(held.source(), "run", end - 1)


@pytest.mark.parametrize("loader", LOADERS)
def test_both_loaders_show_a_run_that_went_back_twice_as_the_files_have_it(tmp_path, loader):
    for begin, end in [(0, 20), (10, 15), (12, 30)]:
        with fm.Writer(tmp_path / "run") as writer:
            for step in range(begin, end):
                children.log(writer, step)
    expected = EventSource(tmp_path).runs()
    assert_all_there(EventSource(tmp_path), "run", 29)
    with loaded(loader, tmp_path, KEEP_ALL) as held:
        held.until(lambda source: variables_of(source.run("run")).steps.tolist() == list(range(30)))
        assert_same_runs(held.source().runs(), expected)


@pytest.mark.parametrize("load_fast", [True, False], ids=["native", "python"])
def test_a_run_may_go_and_grow_while_tensorboard_reloads_and_is_asked(tmp_path, load_fast):
    for name in ("going", "staying"):
        logdirs.write_monitored(tmp_path / name / "featuremaps", [0, 1, 2, 5])
    with tensorboard(tmp_path, load_fast=load_fast, reload_interval=1) as server:
        server.wait_for_runs(2)
        routes = list(all_routes("going/featuremaps"))
        assert {server.get(route)[0] for route in routes} == {200}
        shutil.rmtree(tmp_path / "going")
        with fm.Writer(tmp_path / "new") as writer, ThreadPoolExecutor(4) as pool:
            for step in range(20):
                children.log(writer, step)
                writer.flush()
                statuses = {status for status, _, _ in pool.map(server.get, routes)}
                assert statuses <= {200, 404}, statuses
        names = server.wait_for(
            lambda: (found := {run["run"] for run in server.json(f"{PLUGIN}/runs")["runs"]}, found == {"new", "staying/featuremaps"})
        )
        assert names == {"new", "staying/featuremaps"}
        assert {server.get(route)[0] for route in routes if "going" in route} == {404}
        assert "Traceback" not in server.log()


def all_routes(run: str):
    """Every route of a run as the dashboard asks for it."""
    where = {"run": run}
    yield f"{PLUGIN}/runs"
    yield f"{PLUGIN}/diagnosis?{urllib.parse.urlencode(where)}"
    for table in ("layers", "variables", "progress"):
        yield f"{PLUGIN}/table?{urllib.parse.urlencode({**where, 'table': table})}"
    yield f"{PLUGIN}/losses?{urllib.parse.urlencode(where)}"
    yield f"{PLUGIN}/scalars?{urllib.parse.urlencode(where)}"
    for step in (0, 5):
        yield f"{PLUGIN}/picture?{urllib.parse.urlencode({**where, 'kind': 'maps', 'name': 'conv1', 'step': step})}"
    yield f"{PLUGIN}/channels?{urllib.parse.urlencode({**where, 'kind': 'maps', 'name': 'conv1'})}"


def test_a_run_that_goes_while_its_files_are_read_costs_what_is_gone(tmp_path):
    logdirs.write_monitored(tmp_path / "run", [0, 1])
    source = EventSource(tmp_path)
    shutil.rmtree(tmp_path / "run")
    assert [series.steps.tolist() for series in source.run("run").pictures] == [[0, 1], [0, 1]]
    assert source.run("run").record is None
    with pytest.raises(KeyError):
        source.picture("run", "maps", "conv1", 0)
