"""The committed logdir still loads, in both of TensorBoard's loaders and from files, and `tb-featuremap demo` does what it says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tb_featuremap_plugin.demo.build import RUNS
from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.reading.events import EventSource
from tests.support.known import record_of
from tests.support.servers import PLUGIN, Server, tensorboard

MEGABYTE = 1_000_000


def test_it_is_small_enough_to_commit(demo_logdir: Path) -> None:
    assert sum(path.stat().st_size for path in demo_logdir.rglob("*") if path.is_file()) < 12 * MEGABYTE


def test_its_files_name_no_machine(demo_logdir: Path) -> None:
    names = {path.name for path in demo_logdir.rglob("*tfevents*")}
    assert names == {name for name in names if re.fullmatch(r"events\.out\.tfevents\.\d{10}\.demo", name)}


def test_every_run_is_there_and_whole(demo_logdir: Path) -> None:
    runs = {run.title: run for run in EventSource(demo_logdir).runs()}
    assert set(runs) == {run.name for run in RUNS}
    for title, run in runs.items():
        assert not run.problems, f"{title}: {run.problems}"
        assert run.pictures
        assert run.record is not None
        assert run.losses is not None


def test_every_convolution_and_input_can_be_looked_at(demo_logdir: Path) -> None:
    """The byte budget that keeps the logdir small must not cost what a newcomer opens it for."""
    for run in EventSource(demo_logdir).runs():
        pictures = {(series.kind, series.name): len(series.steps) for series in run.pictures}
        assert any(kind == "inputs" for kind, _ in pictures), run.title
        convolutions = [layer.name for layer in record_of(run).layers if "conv" in (layer.kind or "")]
        assert convolutions
        few = {name: pictures.get(("maps", name), 0) for name in convolutions if pictures.get(("maps", name), 0) < 8}
        assert not few, f"{run.title}: {few}"


def test_every_picture_can_be_read(demo_logdir: Path) -> None:
    source = EventSource(demo_logdir)
    count = 0
    for run in source.runs():
        for series in run.pictures:
            for step in series.steps:
                decoded = record.decode(source.picture(run.name, series.kind, series.name, int(step)))
                assert all(decoded.array(name).size >= 0 for name in decoded.sections)
                count += 1
    assert count > 500


@pytest.mark.parametrize("load_fast", [True, False], ids=["native", "python"])
def test_it_is_served_beside_scalars_and_histograms(demo_logdir: Path, load_fast: bool) -> None:
    with tensorboard(demo_logdir, load_fast=load_fast) as server:
        runs = server.wait_for(lambda: served(server))
        enabled = {name for name, plugin in server.json("data/plugins_listing").items() if plugin["enabled"]}
        assert {"featuremaps", "scalars", "histograms", "distributions"} <= enabled
        assert {entry["title"] for entry in runs["runs"]} == {run.name for run in RUNS}
        for entry in runs["runs"]:
            for path in every_route(entry):
                status, _, body = server.get(path)
                assert (status, bool(body)) == (200, True), path


def served(server: Server) -> tuple[dict[str, Any], bool]:
    """The answer of `/runs`, and whether all is read: every run with its pictures."""
    runs = server.json(f"{PLUGIN}/runs")
    read = [entry["pictures"] and entry["logged_steps"] == len(entry["steps"]) for entry in runs["runs"]]
    return runs, len(read) == len(RUNS) and all(read)


def every_route(entry: dict[str, Any]) -> list[str]:
    """A request to each route, of one run."""
    run, series = entry["run"], entry["pictures"][0]
    picture = {"kind": series["kind"], "name": series["name"]}
    queries: dict[str, dict[str, Any]] = {
        "diagnosis": {},
        "table": {"table": "variables"},
        "losses": {},
        "scalars": {},
        "picture": {**picture, "step": series["steps"][-1]},
        "channels": picture,
    }
    return [f"{PLUGIN}/{route}?{urlencode({'run': run, **query})}" for route, query in queries.items()]


@pytest.mark.tensorflow
def test_serve_trains_live_beside_another_logdir(demo_logdir: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    pytest.importorskip("sklearn")
    arguments = ["demo", "--serve", str(tmp_path / "demo"), "--beside", str(demo_logdir), "--port", "0"]
    command = [sys.executable, "-m", "tb_featuremap_plugin.cli.main", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "DISPLAY": ""})
    giving_up = threading.Timer(240, process.kill)
    giving_up.start()
    try:
        lines = iter(process.stdout or ())
        address = next(match[1] for line in lines if (match := re.search(r"(http://\S+/)#featuremaps", line)))
        reader = threading.Thread(target=lambda: list(lines), daemon=True)
        reader.start()
        server = Server(process, url=address)
        runs = server.wait_for(lambda: titles(server, {"live", "digits"}), seconds=200)
        assert runs == {"live", *(run.name for run in RUNS)}
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        reader.join(60)
    finally:
        giving_up.cancel()
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def titles(server: Server, wanted: set[str]) -> tuple[set[str], bool]:
    """Titles of the runs that are served, and whether the wanted ones are among them."""
    found = {entry["title"] for entry in server.json(f"{PLUGIN}/runs")["runs"]}
    return found, wanted <= found and len(found) > len(RUNS)
