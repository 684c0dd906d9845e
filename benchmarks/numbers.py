"""Reading packed numbers, and diagnosing many runs: the whole command, and the whole table through the native data server."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.folders import fresh
from benchmarks.harness import Comparison, Goal, Variant
from benchmarks.reading import context, native_provider, wait_for_tensors
from benchmarks.workloads import Float32

VARIABLES, STEPS = 300, 1000
RUNS, DIAGNOSED_STEPS, LAYERS = 50, 200, 100
NO_PICTURES = 1
"""No picture fits into so many bytes a step; numbers are always kept."""

ALONE, PICTURED = "tb-featuremap diagnose, numbers alone", "tb-featuremap diagnose, numbers and pictures"


def comparisons() -> list[Comparison]:
    """300 variables by 1000 steps, and 50 runs of 200 steps and 100 layers."""
    return [_packed(), _diagnosed()]


def _packed() -> Comparison:
    from tb_featuremap_plugin.reading.grpc_latency import low_latency
    from tb_featuremap_plugin.reading.queries import ProviderSource
    from tb_featuremap_plugin.server import api

    folder = fresh("packed")
    _write_packed(folder / "run")
    provider = native_provider(folder)
    wait_for_tensors(provider, "featuremaps/variables", STEPS - 1)

    def read() -> None:
        source = ProviderSource(low_latency(provider), context(), "")
        api.runs(source)
        api.table(source, "run", "variables")

    name = "list and read all, nothing kept from before"
    goal = Goal("300 variables by 1000 steps, listed and read through the native server, ms", name, None, "wall", 1000)
    return Comparison("300 variables by 1000 steps, packed", [Variant(name, read)], [goal])


def _write_packed(folder: Path) -> None:
    import tb_featuremap_plugin as fm
    from tb_featuremap_plugin.format.run_record import encode
    from tb_featuremap_plugin.format.values import blob_value, table_value
    from tb_featuremap_plugin.schema import tags
    from tb_featuremap_plugin.schema.columns import VARIABLE_COLUMNS
    from tb_featuremap_plugin.schema.network import RunRecord

    rows = tuple(f"layer{index}/kernel" for index in range(VARIABLES))
    record = encode(RunRecord(variable_rows=rows, variable_columns=VARIABLE_COLUMNS))
    numbers = np.random.default_rng(0).random((VARIABLES, len(VARIABLE_COLUMNS)), dtype=np.float32)
    with fm.Writer(folder) as writer:
        writer.submit(0, lambda: [blob_value(tags.RUN_TAG, record), table_value(tags.VARIABLES_TAG, numbers)])
        for step in range(1, STEPS):
            writer.submit(step, lambda: [table_value(tags.VARIABLES_TAG, numbers)])


def _diagnosed() -> Comparison:
    variants = [_diagnose(ALONE, max_bytes=NO_PICTURES), _diagnose(PICTURED, max_bytes=None)]
    goals = [
        Goal(f"diagnose 50 runs of 200 steps and 100 layers, {words}, the whole process, ms", name, None, "wall", 5000)
        for words, name in (("numbers alone", ALONE), ("beside 40,000 small pictures each", PICTURED))
    ]
    return Comparison("50 runs of 200 steps and 100 layers", variants, goals, rounds=3)


def _diagnose(name: str, max_bytes: int | None) -> Variant:
    folder = fresh("diagnosed")
    _write_run(folder / "run0", max_bytes)
    for index in range(1, RUNS):
        shutil.copytree(folder / "run0", folder / f"run{index}")
    command = [sys.executable, "-m", "tb_featuremap_plugin.cli.main", "diagnose", str(folder), "--format", "json"]

    def diagnose() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    return Variant(name, diagnose)


def _write_run(folder: Path, max_bytes: int | None) -> None:
    import tb_featuremap_plugin as fm

    rng = np.random.default_rng(0)
    names = [f"dense{index}" for index in range(LAYERS)]
    layers = [fm.Layer(name, kind="dense", activation="relu", weights=(f"{name}/kernel",)) for name in names]
    weights = {f"{name}/kernel": rng.normal(size=(8, 8)).astype(np.float32) for name in names}
    with fm.Monitor(folder, every=1, layers=layers, loss="mse", optimizer="sgd", max_bytes=max_bytes) as monitor:
        for step in range(DIAGNOSED_STEPS):
            weights = {name: _stepped(value, rng) for name, value in weights.items()}
            activations = {name: np.maximum(rng.normal(size=(8, 8)), 0).astype(np.float32) for name in names}
            monitor.log(step, activations=activations, weights=weights, loss=1 / (1 + step))


def _stepped(value: Float32, rng: np.random.Generator) -> Float32:
    moved: Float32 = value * np.float32(0.999) + rng.normal(0, 1e-3, value.shape).astype(np.float32)
    return moved
