"""Several processes train together: one writes, and its numbers are those of the whole probe."""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tests.support.known import layers_of, record_of, variables_of
from tests.support.monitored import losses, picture, read_run

PROGRAMS = Path(__file__).parent / "support" / "programs"
SECONDS = 300


def run_together(commands: list[list[str]], environments: list[dict[str, str]]) -> None:
    """Runs programs at the same time, to their end."""
    with ExitStack() as stack:
        quiet = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": "-1"}
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, *command],
                    env={**os.environ, **quiet, **environment},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    cwd=PROGRAMS.parent.parent,
                )
            )
            for command, environment in zip(commands, environments, strict=True)
        ]
        for process in processes:
            stack.callback(process.kill)
        outputs = [process.communicate(timeout=SECONDS)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(outputs)


def assert_equal_runs(joined: Path, single: Path) -> None:
    """All numbers of layers, variables and losses are equal to 1e-5 of what they are, or of 1."""
    ours, theirs = read_run(joined), read_run(single)
    for table in ("layers", "variables"):
        own, other = getattr(ours, table), getattr(theirs, table)
        assert (own.rows, own.columns, own.steps.tolist()) == (other.rows, other.columns, other.steps.tolist())
        for row in own.rows:
            for column in own.columns:
                np.testing.assert_allclose(
                    own.column(row, column), other.column(row, column), rtol=1e-5, atol=1e-5, err_msg=f"{row} {column}"
                )
    assert losses(ours).keys() == losses(theirs).keys()


def test_torch_processes_write_the_statistics_of_the_whole_probe(tmp_path):
    pytest.importorskip("torch")
    program, meeting = str(PROGRAMS / "ddp_worker.py"), str(tmp_path / "meeting")
    run_together([[program, str(rank), "2", meeting, str(tmp_path / "two")] for rank in range(2)], [{}, {}])
    run_together([[program, "0", "1", "", str(tmp_path / "one")]], [{}])
    assert_equal_runs(tmp_path / "two", tmp_path / "one")
    assert len(list((tmp_path / "two").rglob("*tfevents*"))) == 1
    assert layers_of(read_run(tmp_path / "two")).column("0", "samples").tolist() == [16, 16, 16]
    assert picture(tmp_path / "two", "maps", "0", 3).header["shape"] == [16, 4, 8, 8]


@pytest.fixture(scope="module")
def tensorflow_alone(tmp_path_factory):
    """The logdir of one process that has the whole probe."""
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("single")
    run_together([[str(PROGRAMS / "tf_worker.py"), "single", str(folder)]], [{}])
    return folder


def test_tensorflow_workers_write_the_statistics_of_the_whole_probe(tmp_path, tensorflow_alone):
    program = str(PROGRAMS / "tf_worker.py")
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    configs = [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": rank}})} for rank in range(2)]
    run_together([[program, "multi", str(tmp_path / "two")]] * 2, configs)
    assert_equal_runs(tmp_path / "two", tensorflow_alone)
    assert len(list((tmp_path / "two").rglob("*tfevents*"))) == 1
    assert layers_of(read_run(tmp_path / "two")).column("conv", "samples").tolist() == [16, 16, 16]


def test_mirrored_replicas_are_joined_in_one_process(tmp_path, tensorflow_alone):
    run_together([[str(PROGRAMS / "tf_worker.py"), "mirrored", str(tmp_path)]], [{}])
    assert_equal_runs(tmp_path, tensorflow_alone)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Threads:
    """Workers that are threads: one sum and one maximum for all."""

    def __init__(self, rank, size, shared):
        self.rank, self.size, self._shared = rank, size, shared

    def all_reduce(self, values, how):
        shared = self._shared
        shared["parts"][self.rank] = values
        shared["barrier"].wait()
        joined = (np.sum if how == "sum" else np.max)(list(shared["parts"].values()), axis=0)
        shared["barrier"].wait()
        return joined


def in_threads(work):
    """Both workers at once."""
    import threading

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_first_worker_decides_what_is_due(tmp_path):
    import threading

    shared = {"parts": {}, "barrier": threading.Barrier(2, timeout=60)}
    wanted = [{0, 3}, {1, 2, 3, 4}]
    logged: list[list[int]] = [[], []]

    def give(rank, step):
        logged[rank].append(step)
        return {"a": np.full((2, 3), rank)}

    def work(rank):
        monitor = fm.Monitor(tmp_path, every=lambda step: step in wanted[rank], workers=Threads(rank, 2, shared), strict=True)
        for step in range(5):
            monitor.log(step, activations=partial(give, rank, step))
        monitor.close()

    in_threads(work)
    assert logged == [[0, 3, 4], [0, 3, 4]]
    run = read_run(tmp_path)
    assert layers_of(run).column("a", "samples").tolist() == [4, 4, 4]
    assert layers_of(run).column("a", "mean").tolist() == [0.5, 0.5, 0.5]


def test_a_worker_that_fails_costs_that_step_and_no_wait(tmp_path):
    import threading

    shared = {"parts": {}, "barrier": threading.Barrier(2, timeout=60)}

    def give(rank, step):
        if (rank, step) == (1, 1):
            raise MemoryError("no room for the probe")
        return {"a": np.full((2, 3), rank)}

    def work(rank):
        monitor = fm.Monitor(tmp_path, every=1, workers=Threads(rank, 2, shared))
        for step in range(3):
            monitor.log(step, activations=partial(give, rank, step), weights={"w": np.full(3, step)})
        monitor.close()

    with pytest.warns(RuntimeWarning) as told:
        in_threads(work)
    assert any("nothing was joined over ranks at step 1" in str(one.message) for one in told)
    run = read_run(tmp_path)
    assert dict(zip(layers_of(run).steps.tolist(), layers_of(run).column("a", "samples").tolist(), strict=True)) == {0: 4, 2: 4}
    assert variables_of(run).column("w", "mean").tolist() == [0, 1, 2]


@pytest.mark.exhaustive
def test_arrays_over_the_devices_of_a_process_are_logged_whole(tmp_path):
    pytest.importorskip("jax")
    run_together([[str(PROGRAMS / "jax_devices.py"), str(tmp_path)]], [{}])
    values = np.arange(64).reshape(8, 8)
    run = read_run(tmp_path / "monitor")
    assert variables_of(run).column("w", "norm").tolist() == pytest.approx([np.linalg.norm(values), np.linalg.norm(values + 1)])
    assert variables_of(run).column("w", "update_norm")[1] == pytest.approx(8)
    assert layers_of(run).column("h", "samples").tolist() == [4, 4]
    for name in ("none", "data", "model"):
        weights, run = np.load(tmp_path / f"{name}.npz"), read_run(tmp_path / name)
        for path in weights:
            assert variables_of(run).column(path.replace(".", "/"), "norm")[-1] == pytest.approx(np.linalg.norm(weights[path]))
        assert set(layers_of(run).column("first", "samples").tolist()) == {8.0}


def run_jax(folder: Path, kind: str, who: str) -> list[list[np.ndarray]]:
    """The parts of the trained parameters that each process ends with."""
    folder.mkdir()
    port = str(free_ports(1)[0])
    run_together([[str(PROGRAMS / "jax_processes.py"), str(process), port, kind, who, str(folder)] for process in range(2)], [{}, {}])
    return [list(np.load(folder / f"{process}.npz").values()) for process in range(2)]


@pytest.fixture(scope="module")
def unwatched(tmp_path_factory):
    """`unwatched(kind)` is what a training that nobody watches ends with, run once."""
    for package in ("jax", "flax", "optax"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("jax")
    return functools.cache(lambda kind: run_jax(folder / kind, kind, "nobody"))


OTHER_WAYS = [("sharded", "all"), ("sharded", "gathered"), ("whole", "first"), ("whole", "all"), ("whole", "gathered")]


@pytest.mark.parametrize(("kind", "who"), [("sharded", "first"), *(pytest.param(*way, marks=pytest.mark.exhaustive) for way in OTHER_WAYS)])
def test_jax_processes_train_as_if_nobody_watched(tmp_path, unwatched, kind, who):
    found = run_jax(tmp_path / who, kind, who)
    for own, others in zip(found, unwatched(kind), strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(own, others, strict=True))
    assert len(list((tmp_path / who).rglob("*tfevents*"))) == 1
    run = read_run(tmp_path / who / "logs")
    if kind == "whole" or who == "gathered":
        assert set(variables_of(run).rows) == {"conv/kernel", "conv/bias", "out/kernel", "out/bias"}
        assert set(layers_of(run).column("conv", "samples").tolist()) == {4.0}
    else:
        assert "process_allgather" in record_of(run).left_out["weights"]
