"""As a user has it: the wheel in a fresh environment without TensorFlow, and a plain `tensorboard --logdir`."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tb_featuremap_plugin.format import record
from tests.support import environments
from tests.support.servers import PLUGIN, Server, tensorboard

pytestmark = pytest.mark.network


def test_environment_is_as_clean_as_it_claims(clean_environment: environments.Environment) -> None:
    packages = {entry["name"].lower() for entry in json.loads(clean_environment.python("-m", "pip", "list", "--format=json"))}
    assert "tb-featuremap-plugin" in packages
    assert not packages & {"tensorflow", "keras", "torch", "jax", "pytest"}
    where = clean_environment.python("-c", "import tb_featuremap_plugin as fm; print(fm.__file__)")
    assert str(clean_environment.folder) in where


@pytest.mark.parametrize("load_fast", [True, False], ids=["native", "python"])
def test_tab_is_there_and_every_route_answers(clean_environment: environments.Environment, demo_logdir: Path, load_fast: bool) -> None:
    with tensorboard(demo_logdir / "digits", load_fast=load_fast, command=[clean_environment.program("tensorboard")]) as server:
        (entry,) = server.wait_for_runs(1)["runs"]
        listing = server.json("data/plugins_listing")["featuremaps"]
        assert (listing["enabled"], listing["tab_name"]) == (True, "Feature Maps")
        page = server.get("data/plugin_entry.html?name=featuremaps")[2].decode()
        assert 'import("./index.js")' in page.replace("'", '"')
        for name in ("index.js", "style.css"):
            assert server.get(f"{PLUGIN}/{name}")[2] == static(name)
        series = entry["pictures"][0]
        answer = get(server, "picture", run=entry["run"], kind=series["kind"], name=series["name"], step=series["steps"][0])
        assert record.decode(answer).header["name"] == series["name"]
        for table in ("layers", "variables", "progress"):
            assert record.decode(get(server, "table", run=entry["run"], table=table)).array("values").size
        for route in ("losses", "scalars", "diagnosis"):
            assert get(server, route, run=entry["run"])
        assert get(server, "channels", run=entry["run"], kind=series["kind"], name=series["name"])


def test_command_line(clean_environment: environments.Environment, demo_logdir: Path) -> None:
    report = json.loads(clean_environment.run(clean_environment.program("tb-featuremap"), "diagnose", str(demo_logdir), "--format", "json"))
    assert report["version"] == 1
    assert {finding["rule"] for run in report["runs"] for finding in run["findings"]} >= {"vanishing_activation", "unscaled_input"}
    loaded = clean_environment.python(
        "-c", "import sys, tb_featuremap_plugin.cli.main as m; m.build_parser(); print('tensorflow' in sys.modules)"
    )
    assert loaded.strip() == "False"


def test_logs_without_any_framework(clean_environment: environments.Environment, tmp_path: Path) -> None:
    program = f"""
import numpy as np, tb_featuremap_plugin as fm
with fm.Monitor({str(tmp_path)!r}, every=1) as monitor:
    for step in range(3):
        monitor.log(step, activations={{"a": np.ones((4, 3))}}, weights={{"w": np.full((3, 2), 1.0 + step)}}, loss=1.0)
"""
    clean_environment.python("-c", program)
    report = clean_environment.run(clean_environment.program("tb-featuremap"), "diagnose", str(tmp_path))
    assert "1 layer and 1 variable over 3 steps" in report
    assert "All units of w start equal" in report


def get(server: Server, route: str, **query: object) -> bytes:
    status, _, body = server.get(f"{PLUGIN}/{route}?{urlencode(query)}")
    assert status == 200, f"{route}: {body[:300]!r}"
    return body


def static(name: str) -> bytes:
    return (environments.ROOT / "tb_featuremap_plugin" / "static" / name).read_bytes()
