"""What a plain `tensorboard` serves, with no flag of ours: both loaders, a path prefix, a logdir spec, several runs, long runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.format import record
from tests.support.servers import PLUGIN, Server, tensorboard

LOADERS = pytest.mark.parametrize("load_fast", [True, False], ids=["native", "python"])
STEPS = 300


def write_run(folder: Path, steps: int, seed: int = 0) -> None:
    """A run of a writer of ours: a picture and a row of numbers at each step."""
    random = np.random.default_rng(seed)
    kernel = random.normal(size=(3, 3, 2, 4)).astype(np.float32)
    with fm.Writer(folder) as writer:
        for step in range(steps):
            writer.feature_maps("conv1", random.random((1, 6, 6, 4), np.float32) * (step + 1), step=step)
            if step:
                writer.weight_change("conv1/kernel", kernel * (1 + step / 1000), kernel * (1 + (step - 1) / 1000), step=step)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    write_run(folder / "long", STEPS)
    write_run(folder / "short", 5, seed=1)
    return folder


def picture(server: Server, run: str, step: int) -> record.Record:
    query = urlencode({"run": run, "kind": "maps", "name": "conv1", "step": step}, quote_via=quote)
    status, _, body = server.get(f"{PLUGIN}/picture?{query}")
    assert status == 200, body
    return record.decode(body)


def series(runs: dict[str, Any], run: str) -> dict[str, Any]:
    (entry,) = [entry for entry in runs["runs"] if entry["run"] == run]
    found: dict[str, Any]
    (found,) = [found for found in entry["pictures"] if (found["kind"], found["name"]) == ("maps", "conv1")]
    return found


def table(server: Server, run: str, name: str) -> record.Record:
    status, _, body = server.get(f"{PLUGIN}/table?{urlencode({'run': run, 'table': name})}")
    assert status == 200, body
    return record.decode(body)


@LOADERS
def test_long_run_keeps_a_hundred_pictures_and_every_number(logdir: Path, load_fast: bool) -> None:
    with tensorboard(logdir, load_fast=load_fast) as server:
        runs = server.wait_for(lambda: loaded(server, {"long": STEPS, "short": 5}))
        steps = series(runs, "long")["steps"]
        assert len(steps) >= 100
        assert (steps[0], steps[-1]) == (0, STEPS - 1)
        assert steps == sorted(set(steps))
        numbers = table(server, "long", "variables").array("steps")
        assert numbers.tolist() == list(range(1, STEPS))
        np.testing.assert_array_equal(picture(server, "long", 0).header["shape"], [1, 4, 6, 6])


@LOADERS
def test_two_runs_below_a_path_prefix(logdir: Path, load_fast: bool) -> None:
    with tensorboard(logdir, "--path_prefix=/some/where", load_fast=load_fast) as server:
        assert server.url.endswith("/some/where/")
        runs = server.wait_for(lambda: loaded(server, {"long": STEPS, "short": 5}))
        assert [entry["run"] for entry in runs["runs"]] == ["long", "short"]
        assert server.json("data/plugins_listing")["featuremaps"]["enabled"] is True


def test_logdir_spec(logdir: Path) -> None:
    """Only the Python loader takes it, and TensorBoard chooses that by itself."""
    with tensorboard(None, f"--logdir_spec=one:{logdir / 'short'},two:{logdir / 'long'}", load_fast=False) as server:
        runs = server.wait_for(lambda: loaded(server, {"one/.": 5, "two/.": STEPS}))
        assert series(runs, "one/.")["steps"] == list(range(5))
        assert picture(server, "one/.", 4).header["name"] == "conv1"


@LOADERS
def test_plugin_is_listed_and_serves_what_is_committed(logdir: Path, load_fast: bool, repository: Path) -> None:
    with tensorboard(logdir, load_fast=load_fast) as server:
        server.wait_for_runs(2)
        listing = server.json("data/plugins_listing")["featuremaps"]
        assert (listing["enabled"], listing["tab_name"]) == (True, "Feature Maps")
        for name in ("index.js", "style.css"):
            status, headers, body = server.get(f"{PLUGIN}/{name}")
            assert status == 200
            assert body == (repository / "tb_featuremap_plugin" / "static" / name).read_bytes()
            assert headers["Content-Type"].startswith("text/")


def loaded(server: Server, least: dict[str, int]) -> tuple[dict[str, Any], bool]:
    """The answer of `/runs`, and whether the last step of every run has been read."""
    runs = server.json(f"{PLUGIN}/runs")
    last = {entry["run"]: max(entry["steps"], default=-1) for entry in runs["runs"]}
    return runs, all(last.get(run, -1) == steps - 1 for run, steps in least.items())
