"""Weight change of every variable of a ResNet-50: ours, tf.summary.histogram, torch, tensorboardX."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from benchmarks.folders import Growth, fresh
from benchmarks.harness import Comparison, Goal, Variant
from benchmarks.workloads import Float32, memcpy, resnet50_weights, stepped

OURS = "fm.Monitor(every=1) at its defaults, a step, flushed"
NUMBERS = "the same without pictures (max_bytes=1)"
INSIDE = "inside the package: all rows against one previous value, as one table, flushed"
HISTOGRAM = "tf.summary.histogram per variable, flushed"
TENSORBOARDX = "tensorboardX add_histogram per variable, flushed"
COPY = "memcpy"
STATISTICS = "our statistics, NumPy alone, with sampled percentiles"

_STEPS_BEFORE = 3
"""Until the values are there that a step is compared with, in memory that is used again from then on."""


def comparisons() -> list[Comparison]:
    """All variables of a ResNet-50."""
    previous = resnet50_weights()
    weights = stepped(previous)
    variants = [
        Variant(COPY, memcpy(weights)),
        _statistics(weights, previous),
        _monitor(OURS, weights, previous),
        _monitor(NUMBERS, weights, previous, max_bytes=1),
        _inside(weights, previous),
        _histogram(weights),
        _summary_writer(TENSORBOARDX, "tensorboardX", weights),
        _summary_writer("torch add_histogram per variable, flushed", "torch.utils.tensorboard", weights),
    ]
    goals = [
        Goal("a Monitor step of a ResNet-50's weights, CPU, against a memcpy of them", OURS, COPY, "cpu", 14),
        Goal("the same without pictures", NUMBERS, COPY, "cpu", 8),
        Goal("a Monitor step of a ResNet-50's weights, CPU, against tf.summary.histogram", OURS, HISTOGRAM, "cpu", 0.06),
        Goal("the same, against tensorboardX", OURS, TENSORBOARDX, "cpu", 0.10),
        Goal("the same without pictures, bytes, against tf.summary.histogram", NUMBERS, HISTOGRAM, "bytes", 0.25),
    ]
    return [Comparison("Weight change of a ResNet-50: 320 arrays, 103 MB", variants, goals)]


def _statistics(weights: dict[str, Float32], previous: dict[str, Float32]) -> Variant:
    from tb_featuremap_plugin.measures.weights.many import variable_rows
    from tb_featuremap_plugin.measures.weights.variable import Change, Variable

    def compute() -> None:
        variable_rows([Variable(value, Change(previous=previous[name], gap=1)) for name, value in weights.items()])

    return Variant(STATISTICS, compute)


def _monitor(name: str, weights: dict[str, Float32], previous: dict[str, Float32], **options: Any) -> Variant:
    """Steps between two values: each is an update of the usual size, and no step finds what it found before."""
    import tb_featuremap_plugin as fm

    folder, step, values = fresh("monitor"), iter(range(10**9)), cycle((previous, weights))
    monitor, growth = fm.Monitor(folder, every=1, **options), Growth(folder)

    def log() -> int:
        monitor.log(next(step), weights=next(values))
        monitor.flush()
        return growth()

    for _ in range(_STEPS_BEFORE):
        log()
    return Variant(name, log)


def _inside(weights: dict[str, Float32], previous: dict[str, Float32]) -> Variant:
    import tb_featuremap_plugin as fm
    from tb_featuremap_plugin.format.values import table_value
    from tb_featuremap_plugin.measures.weights.many import variable_rows
    from tb_featuremap_plugin.measures.weights.variable import Change, Variable
    from tb_featuremap_plugin.schema import tags

    folder, step = fresh("inside"), iter(range(10**9))
    writer, growth = fm.Writer(folder), Growth(folder)

    def log() -> int:
        rows = variable_rows([Variable(value, Change(previous=previous[name], gap=1)) for name, value in weights.items()])
        writer.submit(next(step), lambda: [table_value(tags.VARIABLES_TAG, rows)])
        writer.flush()
        return growth()

    return Variant(INSIDE, log)


def _histogram(weights: dict[str, Float32]) -> Variant:
    import tensorflow as tf

    folder, step = fresh("tf"), iter(range(10**9))
    writer, growth = tf.summary.create_file_writer(str(folder)), Growth(folder)

    def log() -> int:
        now = next(step)
        with writer.as_default():
            for name, value in weights.items():
                tf.summary.histogram(name, value, step=now)
        writer.flush()
        return growth()

    return Variant(HISTOGRAM, log)


def _summary_writer(name: str, module: str, weights: dict[str, Float32]) -> Variant:
    import importlib

    folder, step = fresh("histograms"), iter(range(10**9))
    writer, growth = importlib.import_module(module).SummaryWriter(str(folder)), Growth(folder)

    def log() -> int:
        now = next(step)
        for tag, value in weights.items():
            writer.add_histogram(tag, value, now, bins="tensorflow")
        writer.flush()
        return growth()

    return Variant(name, log)
