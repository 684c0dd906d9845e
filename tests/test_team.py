"""Ranks that log together, or not: trainings are as without logging, and numbers those of the whole weights and of the whole probe."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.known import layers_of, variables_of
from tests.support.monitored import picture, read_run
from tests.support.programs.team_job import LOGGED, Network, batch

PROGRAM = Path(__file__).parent / "support" / "programs" / "team_job.py"
CI_SECONDS = 240
"""An upper limit for a job on a machine that is busy; alone it takes a quarter of that."""


def run_job(folder: Path, size: int, kind: str, ways: str, *options: str, seconds: int = CI_SECONDS) -> tuple[list[int | None], list[str]]:
    """Exit codes and outputs of all ranks; None for one that hangs."""
    quiet = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": str(PROGRAM.parents[3])}
    with ExitStack() as stack:
        processes = []
        for rank in range(size):
            output = stack.enter_context((folder / f"output{rank}").open("w"))
            command = [sys.executable, str(PROGRAM), str(rank), str(size), f"file://{folder}/meeting", str(folder), kind, ways, *options]
            process = subprocess.Popen(command, env={**os.environ, **quiet}, stdout=output, stderr=subprocess.STDOUT)
            stack.callback(process.wait)
            stack.callback(process.kill)
            processes.append(process)
        codes: list[int | None] = []
        for process in processes:
            try:
                codes.append(process.wait(seconds))
            except subprocess.TimeoutExpired:
                codes.append(None)
    return codes, [(folder / f"output{rank}").read_text() for rank in range(size)]


def found(folder: Path, size: int) -> list[dict[str, Any]]:
    """What each rank says of each way."""
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(size)]


def assert_unharmed(folder: Path, size: int, codes: list[int | None], outputs: list[str]) -> list[dict[str, Any]]:
    """All ends well, with the weights of the unwatched training."""
    assert codes == [0] * size, "\n".join(outputs)
    ranks = found(folder, size)
    assert all(way["equal"] for rank in ranks for way in rank.values()), ranks
    return ranks


def said(ranks: list[dict[str, Any]], way: str, rank: int) -> str:
    return " | ".join(ranks[rank][way]["said"])


def assert_numbers_of_the_whole(folder: Path, kind: str, size: int, dtype: str, tolerance: float) -> None:
    """All numbers of variables and layers of the way "all" against float64 and one process that has everything."""
    kept, run = np.load(folder / "all.npz"), read_run(folder / "all")
    names = sorted({name.split("/", 2)[2] for name in kept})
    assert set(variables_of(run).rows) == set(names)
    for name in names:
        history = {step: kept[f"weight/{step}/{name}"].astype(np.float64) for step in range(7)}
        for step in LOGGED:
            gradient = kept[f"gradient/{step}/{name}"].astype(np.float64) if step else None
            expected = oracle(history, step, gradient)
            for column, number in expected.items():
                logged = dict(zip(variables_of(run).steps.tolist(), variables_of(run).column(name, column).tolist(), strict=True))[step]
                assert logged == pytest.approx(number, rel=tolerance, abs=tolerance), f"{name} {column} at {step}"
        if history[0].ndim == 2:
            stored = picture(folder / "all", "filters", name, 6).array("values")
            np.testing.assert_array_equal(stored.reshape(history[6].shape), history[6].astype(np.float32), err_msg=name)
    assert_layers_of_the_whole(folder, kind, size, dtype, {name: kept[f"weight/6/{name}"] for name in names})


def oracle(history: dict[int, np.ndarray], step: int, gradient: np.ndarray | None) -> dict[str, float]:
    value = history[step]
    numbers = {
        "size": value.size,
        "norm": np.linalg.norm(value),
        "mean": value.mean(),
        "std": value.std(),
        "min": value.min(),
        "max": value.max(),
        "zeros": np.mean(value == 0),
        "p50": np.sort(value.ravel())[round(0.5 * (value.size - 1))],
    }
    if step:
        numbers |= {"displacement": np.linalg.norm(value - history[0]), "initial_std": history[0].std()}
        update = value - history[step - 1]
        numbers |= {
            "update_norm": np.linalg.norm(update),
            "update_ratio": np.linalg.norm(update) / np.linalg.norm(history[step - 1]),
            "update_max": np.abs(update).max(),
            "changed": np.mean(update != 0),
        }
    if step > 1:
        before = history[step - 1] - history[step - 2]
        numbers["cosine"] = np.sum(update * before) / np.linalg.norm(update) / np.linalg.norm(before)
    if gradient is not None:
        numbers |= {
            "gradient_norm": np.linalg.norm(gradient),
            "gradient_mean_abs": np.abs(gradient).mean(),
            "gradient_zeros": np.mean(gradient == 0),
        }
    return {name: float(number) for name, number in numbers.items()}


def assert_layers_of_the_whole(folder: Path, kind: str, size: int, dtype: str, weights: dict[str, np.ndarray]) -> None:
    network = Network()
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    network.eval()
    kinds = [batch(0, kind, rank, getattr(torch, dtype), 4).float() for rank in range(size)]
    probe = torch.cat([one for index, one in enumerate(kinds) if not any(torch.equal(one, other) for other in kinds[:index])])
    outputs: dict[str, torch.Tensor] = {}
    for name, part in network.named_children():
        part.register_forward_hook(lambda _module, _inputs, output, name=name: outputs.update({name: output.detach()}))
    network(probe)
    table = layers_of(read_run(folder / "all"))
    for name in ("first", "act", "second", "last"):
        logged = {column: float(table.column(name, column)[-1]) for column in ("samples", "mean", "std", "zeros")}
        values, close = outputs[name].double().numpy(), 1e-5 if dtype == "float32" else 0.03
        expected = {"samples": len(values), "mean": values.mean(), "std": values.std(), "zeros": np.mean(values == 0)}
        assert logged == pytest.approx(expected, rel=close, abs=close), name
        assert picture(folder / "all", "maps", name, 6).header["shape"][1] == values.shape[1], name


@pytest.mark.timeout(300)
def test_one_rank_alone_and_failures_under_ddp(tmp_path):
    ways = "all alone:0 fails:0,3 fails:1,3 sizes leaves:1 join"
    ranks = assert_unharmed(tmp_path, 2, *run_job(tmp_path, 2, "ddp", ways))
    assert not said(ranks, "all", 0) + said(ranks, "all", 1) + said(ranks, "sizes", 0) + said(ranks, "sizes", 1)
    assert "call watch on every rank" in said(ranks, "alone:0", 0)
    assert "workers=None" in said(ranks, "alone:0", 0)
    for failing in (0, 1):
        way = f"fails:{failing},3"
        assert "out of memory" in said(ranks, way, failing)
        assert re.search(rf"nothing was joined .* rank {failing}: .*out of memory", said(ranks, way, 1 - failing))
    assert "rank 1 has left" in said(ranks, "leaves:1", 0)
    assert "rank 1 did not come" in said(ranks, "join", 0)
    assert "rank 1 did not come" in said(ranks, "join", 1)
    assert_numbers_of_the_whole(tmp_path, "ddp", 2, "float32", 1e-6)
    assert layers_of(read_run(tmp_path / "sizes")).column("first", "samples").tolist() == [11.0] * len(LOGGED)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["fsdp2", "tp"])
def test_parts_of_a_model_are_joined_and_no_failure_ends_it(tmp_path, kind):
    ranks = assert_unharmed(tmp_path, 2, *run_job(tmp_path, 2, kind, "all alone:0 fails:0,3 fails:1,4"))
    assert not said(ranks, "all", 0) + said(ranks, "all", 1)
    assert "numbers of weights are those of this rank's parts" in said(ranks, "alone:0", 0)
    for way, failing in (("fails:0,3", 0), ("fails:1,4", 1)):
        assert all(f"rank {failing}: RuntimeError: out of memory" in said(ranks, way, rank) for rank in (0, 1))
        logged = variables_of(read_run(tmp_path / way.replace(":", "-").replace(",", "-"))).column("first.weight", "norm")
        assert np.isfinite(logged).all(), "weights are joined also where the probe failed"
    assert len(list((tmp_path / "all").rglob("*tfevents*"))) == 1
    assert_numbers_of_the_whole(tmp_path, kind, 2, "float32", 1e-6)


CELLS = [
    (kind, size, dtype, mode)
    for kind in ("ddp", "gathers", "fsdp2", "tp", "hsdp", "2d", "fsdp1", "none")
    for size in (2, 4)
    for dtype in ("float32", "bfloat16")
    for mode in ("eager", "compiled")
    if (size == 4 or kind not in ("hsdp", "2d")) and (mode == "eager" or (kind in ("ddp", "fsdp2", "tp") and size == 2))
]


@pytest.mark.exhaustive
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("kind", "size", "dtype", "mode"), CELLS)
def test_every_kind_of_job_in_every_way(tmp_path, kind, size, dtype, mode):
    last = size - 1
    ways = f"all alone:0 alone:{last} fails:0,1 fails:{last},1 fails:0,3 fails:{last},3 sizes leaves:0 leaves:{last} behind"
    assert_unharmed(tmp_path, size, *run_job(tmp_path, size, kind, ways, dtype, mode, seconds=300))
    if kind not in ("fsdp1", "none"):
        assert_numbers_of_the_whole(tmp_path, kind, size, dtype, 1e-6 if dtype == "float32" else 1e-5)


@pytest.mark.exhaustive
@pytest.mark.timeout(300)
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("kind", ["ddp", "fsdp2", "tp"])
def test_the_users_own_exception_reaches_the_user(tmp_path, kind, rank):
    codes, outputs = run_job(tmp_path, 2, kind, f"raises:{rank}")
    assert codes[rank] == 1
    assert codes[1 - rank] not in (0, None)
    assert "ValueError: bad batch" in outputs[rank]


@pytest.mark.exhaustive
@pytest.mark.timeout(300)
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("kind", ["ddp", "fsdp2", "tp"])
def test_a_killed_rank_ends_the_others_with_the_engines_own_error(tmp_path, kind, rank):
    codes, outputs = run_job(tmp_path, 2, kind, f"killed:{rank}")
    assert codes[rank] == 9
    assert codes[1 - rank] not in (0, None)
    assert "tb_featuremap" not in outputs[1 - rank].splitlines()[-1]
