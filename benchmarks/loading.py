"""What reading costs as a logdir grows: in steps, in layers, in runs of numbers, and in bytes of pictures."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.folders import fresh
from benchmarks.growth import LINEAR
from benchmarks.harness import Comparison, Taken, Variant, WorstGrowth
from benchmarks.large_logdir import usual_numbers

STEPS, LAYERS, RUNS = (10, 100, 1000), (5, 50, 200), (2, 10, 50)
MEGABYTES = (10, 100, 1000)
SIDE, PICTURED_LAYERS = 448, 10
PICTURE_BYTES = SIDE * SIDE

QUESTIONS = {
    "listing": "the first /runs",
    "table": "a table of one run",
    "diagnosis": "the diagnosis of all runs",
    "picture": "one picture",
}
COMMAND = "tb-featuremap diagnose, the whole process"


def comparisons() -> list[Comparison]:
    """Each curve is measured, and its logdirs are deleted, before the next one is written: the largest takes a gigabyte."""
    numbers = ("listing", "table", "diagnosis")
    return [
        _curve("steps", STEPS, numbers, lambda folder, steps: _write_numbers(folder, steps, layers=50, runs=10)),
        _curve("layers", LAYERS, numbers, lambda folder, layers: _write_numbers(folder, 200, layers, runs=10)),
        _curve("runs", RUNS, numbers, lambda folder, runs: _write_numbers(folder, 1000, layers=50, runs=runs)),
        _curve("MB of pictures", MEGABYTES, ("listing", "picture"), _write_pictures),
    ]


def _curve(what: str, sizes: tuple[int, ...], questions: tuple[str, ...], write: Callable[[Path, int], tuple[int, int]]) -> Comparison:
    folders = [_Logdir(write, size) for size in sizes]
    variants = [
        Variant(f"{size:,} {what}: {QUESTIONS[question]}", folder.ask(question))
        for question in questions
        for size, folder in zip(sizes, folders, strict=True)
    ]
    variants += [Variant(f"{size:,} {what}: {COMMAND}", folder.diagnose()) for size, folder in zip(sizes, folders, strict=True)]
    goals = [_goal(what, sizes, [*(QUESTIONS[name] for name in questions), COMMAND], metric) for metric in ("wall", "bytes")]

    def delete() -> None:
        for folder in folders:
            folder.delete()

    return Comparison(_title(what), variants, goals, rounds=2, finish=delete, column="memory, KB")


def _goal(what: str, sizes: tuple[int, ...], answers: list[str], metric: str) -> WorstGrowth:
    """Of all answers, the one that grows fastest from the last size but one to the last; all are proportional or better."""
    *_, before, last = sizes
    words = {"wall": "time", "bytes": "memory"}[metric]
    pairs = [(f"{last:,} {what}: {answer}", f"{before:,} {what}: {answer}") for answer in answers]
    return WorstGrowth(f"reading {last:,} {what} against {before:,}: {words}, the worst answer", pairs, metric, LINEAR * last / before)


def _title(what: str) -> str:
    held = {
        "steps": "10 runs of 50 layers",
        "layers": "10 runs of 200 steps",
        "runs": "1,000 steps of 50 layers each",
        "MB of pictures": f"{PICTURED_LAYERS} layers, {PICTURE_BYTES // 1000} KB a picture",
    }
    return f"Reading against {what} ({held[what]})"


class _Logdir:
    """A logdir that is written when it is first read."""

    def __init__(self, write: Callable[[Path, int], tuple[int, int]], size: int) -> None:
        self._write = write
        self._size = size
        self._folder: Path | None = None
        self._loaded = (0, 0)

    def ask(self, question: str) -> Callable[[], Taken]:
        """A question in a process of its own."""
        return lambda: _answered([sys.executable, "-m", "benchmarks.reader", question, *self._place()])

    def diagnose(self) -> Callable[[], Taken]:
        """The command line."""
        return lambda: _run([sys.executable, "-m", "benchmarks.peak", "diagnose", self._place()[0], "--format", "json"])

    def delete(self) -> None:
        """Gives the disk back."""
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def _place(self) -> tuple[str, ...]:
        if self._folder is None:
            self._folder = fresh("loading")
            self._loaded = self._write(self._folder, self._size)
        return str(self._folder), *map(str, self._loaded)


def _answered(command: list[str]) -> Taken:
    taken = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return Taken(taken["wall"] * 1e3, taken["cpu"] * 1e3, taken["bytes"])


def _run(command: list[str]) -> Taken:
    """A whole process, those that it started included."""
    before, start = _children_seconds(), time.perf_counter()
    written = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    wall = time.perf_counter() - start
    return Taken(wall * 1e3, (_children_seconds() - before) * 1e3, int(written))


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _write_numbers(folder: Path, steps: int, layers: int, runs: int) -> tuple[int, int]:
    """Runs that hold nothing but numbers; returns how many tables of layers they have, and the last step."""
    _write_run(folder / "run0", steps, layers)
    for number in range(1, runs):
        shutil.copytree(folder / "run0", folder / f"run{number}")
    return runs, steps - 1


def _write_run(folder: Path, steps: int, layers: int) -> None:
    import tb_featuremap_plugin as fm
    from tb_featuremap_plugin.format.run_record import encode
    from tb_featuremap_plugin.format.values import blob_value, table_value
    from tb_featuremap_plugin.schema import tags
    from tb_featuremap_plugin.schema.columns import LAYER_COLUMNS, PROGRESS_COLUMNS, VARIABLE_COLUMNS
    from tb_featuremap_plugin.schema.network import RunRecord

    rows = tuple(f"conv{index}" for index in range(layers))
    variables = tuple(f"{row}/kernel" for row in rows)
    known = tuple(fm.Layer(row, kind="conv2d", activation="relu", weights=(f"{row}/kernel",)) for row in rows)
    record = encode(RunRecord(known, rows, LAYER_COLUMNS, variables, VARIABLE_COLUMNS, PROGRESS_COLUMNS))
    rng = np.random.default_rng(0)
    with fm.Writer(folder) as writer:
        for step in range(steps):
            tables = {
                tags.LAYERS_TAG: usual_numbers(rng, layers, LAYER_COLUMNS, step),
                tags.VARIABLES_TAG: usual_numbers(rng, layers, VARIABLE_COLUMNS, step),
                tags.LOSSES_TAG: np.array([[0, 1 / (1 + step)]], np.float32),
                tags.PROGRESS_TAG: np.array([[0 if column == "first_step" else step + 1 for column in PROGRESS_COLUMNS]], np.float32),
            }
            values = [table_value(tag, table) for tag, table in tables.items()]
            if step == 0:
                values.append(blob_value(tags.RUN_TAG, record))
            writer.submit(step, values.copy)


def _write_pictures(folder: Path, megabytes: int) -> tuple[int, int]:
    """A run of noisy pictures, which cannot be compressed; returns how many series it has, and the last step."""
    import tb_featuremap_plugin as fm

    steps = max(1, megabytes * 1_000_000 // (PICTURED_LAYERS * PICTURE_BYTES))
    tiles = np.random.default_rng(0).random((1, SIDE // 4, SIDE // 4, 16), dtype=np.float32)
    with fm.Writer(folder / "run0") as writer:
        for step in range(steps):
            for layer in range(PICTURED_LAYERS):
                writer.feature_maps(f"conv{layer}", tiles, step=step)
    return PICTURED_LAYERS, steps - 1
