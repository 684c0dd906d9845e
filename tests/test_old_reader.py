"""A released version, installed from its own wheel, shows what it knows of a logdir that this version writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.reading.events import EventSource

WHEELS = sorted((Path(__file__).parent / "fixtures" / "wheels").glob("*.whl"))
RANDOM = np.random.default_rng(3)
PROBE = RANDOM.random((3, 8, 8, 1)).astype(np.float32)
LAYERS = (
    fm.Layer(
        "conv",
        kind="conv2d",
        activation="hard_tanh",
        weights=("conv/kernel", "conv/bias"),
        kernel_size=(3, 3),
        strides=(1, 1),
        padding="same",
    ),
    fm.Layer("norm", kind="batch_normalization", weights=("norm/gamma",), state=("norm/moving_mean",), inputs=("conv",)),
    fm.Layer("out", kind="dense", activation="softmax", weights=("out/kernel",), role="output", inputs=("norm",)),
)

READ = """
import json, sys
import numpy as np
import tb_featuremap_plugin
from tb_featuremap_plugin import api, record
from tb_featuremap_plugin.diagnosis import diagnose
from tb_featuremap_plugin.reading.events import EventSource

source = EventSource(sys.argv[1])
found = {"version": tb_featuremap_plugin.__version__, "file": tb_featuremap_plugin.__file__, "runs": {}}
for run in source.runs():
    tables = {name: getattr(run, name) for name in ("layers", "variables", "progress")}
    keys = [(one.kind, one.name, int(step)) for one in run.pictures for step in one.steps]
    pictures = [[*key, record.decode(source.picture(run.name, *key))] for key in keys]
    shown = lambda picture: {key: picture.array(key).tolist() for key in sorted(picture.sections) if key != "stats"}
    found["runs"][run.name] = {
        "tables": {
            name: [table.rows, table.columns, table.steps.tolist(), np.nan_to_num(table.values, nan=-7).tolist()]
            for name, table in tables.items()
            if table
        },
        "losses": [run.losses.steps.tolist(), run.losses.values.tolist()] if run.losses else None,
        "pictures": [[*key, shown(picture)] for *key, picture in pictures],
        "layers": [layer.name for layer in run.record.layers] if run.record else [],
        "problems": [problem.message for problem in run.problems],
        "findings": sorted({finding.rule for finding in diagnose(run).findings}),
    }
api.runs(source), api.diagnosis(source)
print(json.dumps(found))
"""


def write(logdir: Path, first: int, last: int) -> None:
    """Some steps of a training that gets nowhere, then single calls."""
    with fm.Monitor(logdir / "train", every=1, layers=LAYERS, loss="categorical_crossentropy", optimizer="sgd", strict=True) as monitor:
        for step in range(first, last):
            kernel = np.linspace(-1, 1, 36, dtype=np.float32).reshape(3, 3, 1, 4) + np.float32(0.01 * step)
            maps = np.clip(PROBE * kernel.mean((0, 1, 2)) * 9, -1, 1)
            monitor.log(
                step,
                inputs=PROBE,
                targets=np.eye(3, dtype=np.float32),
                activations={"conv": maps, "norm": maps - maps.mean(), "out": np.full((3, 3), 1 / 3, np.float32)},
                weights={
                    "conv/kernel": kernel,
                    "conv/bias": np.zeros(4, np.float32),
                    "norm/gamma": np.ones(4, np.float32),
                    "norm/moving_mean": np.full(4, 0.5, np.float32),
                    "out/kernel": np.eye(4, 3, dtype=np.float32),
                },
                gradients={"conv/kernel": np.full((3, 3, 1, 4), 0.1, np.float32)},
                loss=1.1 - 0.001 * step,
                learning_rate=0.1,
            )
    with fm.Writer(logdir / "calls") as writer:
        writer.feature_maps("single", PROBE, step=last, activation="hard_sigmoid", description="*one*", precision="float16", inputs=PROBE)
        writer.filters("single/kernel", np.ones((3, 3, 2, 5), np.float32), step=last, layer="single")
        writer.weight_change("single/kernel", np.ones((3, 3)), np.zeros((3, 3)), step=last)


@pytest.mark.parametrize("wheel", WHEELS, ids=[wheel.name.split("-")[1] for wheel in WHEELS])
def test_a_released_version_reads_what_this_one_writes(wheel, tmp_path):
    logdir = tmp_path / "logs"
    write(logdir, 0, 6)
    write(logdir, 4, 9)  # a resumed run
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(tmp_path / "old"), str(wheel)]
    subprocess.run(install, check=True, timeout=300)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "old")}
    command = [sys.executable, "-W", "ignore", "-c", READ, str(logdir)]
    finished = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 0, finished.stderr
    found = json.loads(finished.stdout)
    assert found["version"] == wheel.name.split("-")[1]
    assert Path(found["file"]).is_relative_to(tmp_path / "old")
    assert_same(found["runs"], EventSource(logdir))


def assert_same(found: dict[str, Any], source: EventSource) -> None:
    """All that the old version knows is what the new one finds: tables by the old one's columns, pictures, losses, layers, rules."""
    runs = {run.name: run for run in source.runs()}
    assert set(found) == set(runs) == {"train/featuremaps", "calls"}
    for name, old in found.items():
        run = runs[name]
        assert old["problems"] == []
        assert set(old["tables"]) == {table for table in ("layers", "variables", "progress") if getattr(run, table)}
        for table, (rows, columns, steps, values) in old["tables"].items():
            new = getattr(run, table)
            assert (tuple(rows), steps) == (new.rows, new.steps.tolist())
            kept = new.values[:, :, [new.columns.index(column) for column in columns]]
            np.testing.assert_array_equal(np.array(values, np.float32), np.nan_to_num(kept, nan=-7))
        assert [layer.name for layer in run.record.layers] == old["layers"] if run.record else old["layers"] == []
        pictures = [(one.kind, one.name, int(step)) for one in run.pictures for step in one.steps]
        assert [(kind, picture, step) for kind, picture, step, _ in old["pictures"]] == pictures
        for kind, picture, step, sections in old["pictures"]:
            decoded = record.decode(source.picture(name, kind, picture, step))
            assert sections == {key: decoded.array(key).tolist() for key in sorted(decoded.sections) if key != "stats"}
    assert found["train/featuremaps"]["losses"][0] == list(range(9))
    assert "constant_output" in found["train/featuremaps"]["findings"]
