"""A tiny map and a tiny kernel: what one public call costs where the data cost nothing."""

from __future__ import annotations

import numpy as np

from benchmarks.folders import fresh
from benchmarks.harness import Comparison, Goal, Variant

CALLS = 100
OUR_MAP, OUR_KERNEL = "fm.Writer.feature_maps, 2 channels of 2 x 2", "fm.Writer.weight_change, 2 x 2 x 1 x 2"
IMAGE, HISTOGRAM = "tf.summary.image, 2 channels of 2 x 2", "tf.summary.histogram, 2 x 2 x 1 x 2"


def comparisons() -> list[Comparison]:
    """100 calls at a time, each a public call with its record; flushed after the clock has stopped, as a loop would see it."""
    maps = np.random.default_rng(0).random((1, 2, 2, 2), dtype=np.float32)
    kernel = np.random.default_rng(1).normal(size=(2, 2, 1, 2)).astype(np.float32)
    variants = [_our_map(maps), _tf_image(maps), _our_kernel(kernel), _tf_histogram(kernel)]
    goals = [
        Goal("a tiny map, ms CPU a call (its record written behind included)", OUR_MAP, None, "cpu", 0.1),
        Goal("a tiny map, against tf.summary.image", OUR_MAP, IMAGE, "cpu", 0.05),
        Goal("a tiny kernel's change, ms CPU a call", OUR_KERNEL, None, "cpu", 0.1),
        Goal("a tiny kernel's change, against tf.summary.histogram", OUR_KERNEL, HISTOGRAM, "cpu", 0.02),
    ]
    return [Comparison("Tiny arrays, one public call each", variants, goals)]


def _our_map(maps: np.ndarray) -> Variant:
    import tb_featuremap_plugin as fm

    writer, step = fm.Writer(fresh("tiny")), iter(range(10**9))

    def log() -> None:
        for _ in range(CALLS):
            writer.feature_maps("conv", maps, step=next(step))
        writer.flush()

    return Variant(OUR_MAP, log, calls=CALLS)


def _our_kernel(kernel: np.ndarray) -> Variant:
    import tb_featuremap_plugin as fm

    writer, step = fm.Writer(fresh("tiny")), iter(range(1, 10**9))
    previous = kernel * 0.999

    def log() -> None:
        for _ in range(CALLS):
            writer.weight_change("kernel", kernel, previous, step=next(step))
        writer.flush()

    return Variant(OUR_KERNEL, log, calls=CALLS)


def _tf_image(maps: np.ndarray) -> Variant:
    import tensorflow as tf

    writer, images = tf.summary.create_file_writer(str(fresh("tiny"))), np.ascontiguousarray(maps.transpose(3, 1, 2, 0))

    def log() -> None:
        with writer.as_default():
            for step in range(CALLS):
                tf.summary.image("conv", images, step=step, max_outputs=2)
        writer.flush()

    return Variant(IMAGE, log, calls=CALLS)


def _tf_histogram(kernel: np.ndarray) -> Variant:
    import tensorflow as tf

    writer = tf.summary.create_file_writer(str(fresh("tiny")))

    def log() -> None:
        with writer.as_default():
            for step in range(CALLS):
                tf.summary.histogram("kernel", kernel, step=step)
        writer.flush()

    return Variant(HISTOGRAM, log, calls=CALLS)
