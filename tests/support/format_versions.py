"""Logdirs of released format versions: what has to be found in them, and how one is written (`python -m tests.support.format_versions`)."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.reading.run import Points, Run, Source, Table
from tb_featuremap_plugin.schema.pictures import FORMAT_VERSION

FORMATS = Path(__file__).parent.parent / "fixtures" / "formats"
VERSIONS = sorted(path.name for path in FORMATS.iterdir() if path.is_dir())


def contents(source: Source) -> dict[str, Any]:
    """All that a source gives of a logdir, as JSON values."""
    return {run.name: _run(source, run) for run in source.runs()}


def _run(source: Source, run: Run) -> dict[str, Any]:
    return {
        "title": run.title,
        "record": json.loads(json.dumps(run.record.to_dict())) if run.record else None,
        "tables": {name: _table(getattr(run, name)) for name in ("layers", "variables", "progress")},
        "losses": _points(run.losses),
        "pictures": {
            f"{series.kind}/{series.name}/{step}": _picture(source.picture(run.name, series.kind, series.name, step))
            for series in run.pictures
            for step in series.steps.tolist()
        },
        "problems": [problem.message for problem in run.problems],
    }


def _table(table: Table | None) -> dict[str, Any] | None:
    if table is None:
        return None
    columns = {f"{row}: {column}": _numbers(table.column(row, column)) for row in table.rows for column in table.columns}
    return {
        "steps": table.steps.tolist(),
        "columns": {name: numbers for name, numbers in columns.items() if any(each is not None for each in numbers)},
    }


def _points(points: Points | None) -> dict[str, Any] | None:
    return None if points is None else {"steps": points.steps.tolist(), "values": _numbers(points.values)}


def _picture(blob: bytes) -> dict[str, Any]:
    parsed = record.decode(blob)
    header = {key: value for key, value in parsed.header.items() if key != "sections"}
    return {"header": header, "sections": {name: _digest(parsed.array(name)) for name in parsed.sections}}


def _digest(array: np.ndarray) -> str:
    return f"{array.dtype.name} {list(array.shape)} {hashlib.sha256(array.tobytes()).hexdigest()[:16]}"


def _numbers(values: np.ndarray) -> list[float | str | None]:
    return [None if math.isnan(value) else value if math.isfinite(value) else str(value) for value in values.tolist()]


def _train(folder: Path) -> None:
    """A run of everything: a Monitor that is resumed, layers of every kind, numbers that are bad."""
    random = np.random.default_rng(1)
    weights = {"conv/kernel": random.standard_normal((3, 3, 1, 4), np.float32), "out/kernel": random.standard_normal((4, 2), np.float32)}
    layers = [
        fm.Layer("conv", kind="conv2d", activation="relu", weights=("conv/kernel",), kernel_size=(3, 3), strides=(1, 1), padding="same")
    ]
    layers.append(fm.Layer("out", kind="dense", activation="softmax", weights=("out/kernel",), role="output", inputs=("conv",)))
    probe = random.random((3, 6, 6, 1), np.float32)
    for begin, end in [(0, 8), (5, 13)]:
        with fm.Monitor(folder, every=4, layers=layers, loss="mse", optimizer="sgd") as monitor:
            for step in range(begin, end):
                gradients = {name: random.standard_normal(value.shape, np.float32) for name, value in weights.items()}
                for name, value in weights.items():
                    value -= 0.1 * gradients[name]
                maps = np.maximum(probe * weights["conv/kernel"].mean((0, 1, 2)), 0)
                maps[0, 0, 0, 0] = np.nan if step == 4 else 1
                activations = {"conv": maps, "out": maps.mean((1, 2)) @ weights["out/kernel"]}
                monitor.log(step, inputs=probe, activations=activations, weights=weights, gradients=gradients, loss=1 / (step + 1))


def _call(folder: Path) -> None:
    """Single calls, one of each kind."""
    random = np.random.default_rng(2)
    with fm.Writer(folder) as writer:
        for step in range(3):
            for precision in ("uint8", "float16", "float32"):
                maps = random.standard_normal((2, 5, 4, 3), np.float32)
                writer.feature_maps(f"conv/{precision}", maps, step, inputs=random.random((2, 5, 4, 1), np.float32), precision=precision)
            kernel = random.standard_normal((3, 3, 2, 4), np.float32)
            writer.filters("conv/kernel", kernel, step, layer="conv", bias=np.ones(4, np.float32))
            writer.weight_change("conv/kernel", kernel, kernel * np.float32(0.9), step)


def main() -> int:
    """Writes the folder of this format version, if there is none yet."""
    folder = FORMATS / str(FORMAT_VERSION)
    if folder.exists() and "--before-release" not in sys.argv:
        print(f"{folder} exists; a released format is never written again")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    _train(folder / "logdir" / "trained")
    _call(folder / "logdir" / "called")
    for path in (folder / "logdir").rglob("*tfevents*"):
        path.rename(path.with_name(path.name.replace(f".{socket.gethostname()}.{os.getpid()}.", ".host.1.")))
    found = contents(EventSource(folder / "logdir"))
    (folder / "expected.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
