"""Our statistics against a memcpy of the same arrays, in NumPy alone."""

from __future__ import annotations

import numpy as np

from benchmarks.harness import Comparison, Goal, Variant
from benchmarks.workloads import memcpy, resnet50_weights, stepped

COPY = "memcpy"
BATCH = "our per-channel statistics of a batch"
UPDATES = "our variable statistics without percentiles"


def comparisons() -> list[Comparison]:
    """A batch of activations, and all variables of a ResNet-50."""
    return [_batch(), _variables()]


def _batch() -> Comparison:
    from tb_featuremap_plugin.measures.activations.layer_rows import channel_stats
    from tb_featuremap_plugin.measures.activations.measure import measure

    rng = np.random.default_rng(0)
    batch = np.maximum(rng.standard_normal((32, 56, 56, 256), dtype=np.float32), 0)
    canonical = batch.transpose(0, 3, 1, 2)

    def compute() -> None:
        channel_stats(measure(canonical, "relu"))

    goal = Goal("batch statistics [32, 56, 56, 256] per channel", BATCH, COPY, "wall", 5.0)
    variants = [Variant(COPY, memcpy({"batch": batch})), Variant(BATCH, compute)]
    return Comparison("Per-channel statistics of [32, 56, 56, 256], 103 MB", variants, [goal])


def _variables() -> Comparison:
    from tb_featuremap_plugin.measures.weights.many import variable_rows
    from tb_featuremap_plugin.measures.weights.variable import Change, Variable

    previous = resnet50_weights()
    weights = stepped(previous)

    def compute() -> None:
        variable_rows([Variable(value, Change(previous=previous[name], gap=1)) for name, value in weights.items()], percentiles=False)

    goal = Goal("weight-change statistics without percentiles, against a memcpy", UPDATES, COPY, "wall", 2.5)
    variants = [Variant(COPY, memcpy(weights)), Variant(UPDATES, compute)]
    return Comparison("Statistics of all variables of a ResNet-50, 103 MB", variants, [goal])
