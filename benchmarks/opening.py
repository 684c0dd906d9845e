"""What `fm.open` costs for a gigabyte: `python -m benchmarks.opening QUESTION LOGDIR` answers one question in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.folders import fresh, size
from benchmarks.harness import Comparison, Goal, Taken, Variant

RUNS, LAYERS, STEPS, SIDE, CHANNELS = 2, 10, 58, 56, 64

QUESTIONS = {
    "open": "fm.open: which runs there are",
    "table": "the same, and a table of one run",
    "picture": "the same, and one picture of that run",
    "pictures": "the same, and all pictures of one layer",
    "whole": "every byte read and checked, as diagnose does, one process",
}


def comparisons() -> list[Comparison]:
    """Two runs of 500 MB, as a monitor with float32 pictures writes them."""
    folder = fresh("opening")
    for run in range(RUNS):
        _write(folder / f"run{run}")
    variants = [Variant(words, partial(_answered, question, folder)) for question, words in QUESTIONS.items()]
    opening = QUESTIONS["open"]
    goals = [
        Goal("fm.open of 1 GB: milliseconds, in a fresh process", opening, None, "wall", 1000),
        Goal("fm.open of 1 GB: bytes of memory", opening, None, "bytes", 200e6),
    ]
    title = f"Reading back {size(folder) / 1e9:.1f} GB of float32 pictures: {RUNS} runs, {LAYERS} layers, {STEPS} steps"
    return [Comparison(title, variants, goals, rounds=3, column="memory, KB")]


def _write(folder: Path) -> None:
    import tb_featuremap_plugin as fm

    rng = np.random.default_rng(0)
    names = [f"conv{index}" for index in range(LAYERS)]
    layers = [fm.Layer(name, kind="conv2d", activation="relu", weights=(f"{name}/kernel",)) for name in names]
    maps = {name: rng.normal(size=(1, SIDE, SIDE, CHANNELS)).astype(np.float32) for name in names}
    weights = {f"{name}/kernel": rng.normal(size=(3, 3, CHANNELS, CHANNELS)).astype(np.float32) for name in names}
    with fm.Monitor(folder, every=1, layers=layers, precision="float32", max_bytes=100_000_000) as monitor:
        for step in range(STEPS):
            changed = {name: kernel * np.float32(1 + 1e-3 * step) for name, kernel in weights.items()}
            monitor.log(step, activations=maps, weights=changed, loss=1 / (1 + step))


def _answered(question: str, folder: Path) -> Taken:
    command = [sys.executable, "-m", "benchmarks.opening", question, str(folder)]
    taken = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return Taken(taken["wall"] * 1e3, taken["cpu"] * 1e3, taken["bytes"])


def _ask(question: str, folder: str) -> None:
    import tb_featuremap_plugin as fm

    if question == "whole":
        from tb_featuremap_plugin.reading.events import EventSource

        EventSource(folder).runs()
        return
    run = next(iter(fm.open(folder).values()))
    if question == "table":
        run.table("layers").to_numpy()
    elif question in ("picture", "pictures"):
        for step in run.pictures["maps"]["conv3"][-1 if question == "picture" else 0 :].tolist():
            np.asarray(run.maps("conv3", step))


def main() -> None:
    """Prints what a question took, as JSON: seconds, and the most memory held."""
    from benchmarks.peak import peak_bytes

    wall, cpu = time.perf_counter(), time.process_time()
    _ask(*sys.argv[1:])
    print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
