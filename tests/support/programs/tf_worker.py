"""One worker of a custom loop under tf.distribute: "multi" (TF_CONFIG says who), "mirrored" (two replicas) or "single", and the logdir."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import tensorflow as tf

import tb_featuremap_plugin as fm

STEPS, RATE = 6, 0.5
RANDOM = np.random.default_rng(7)
IMAGES = RANDOM.normal(size=(16, 8, 8, 1)).astype(np.float32)
TARGETS = RANDOM.random((16, 5)).astype(np.float32)
START = {
    "conv": (RANDOM.normal(size=(3, 3, 1, 4)) * 0.3).astype(np.float32),
    "dense": (RANDOM.normal(size=(256, 5)) * 0.1).astype(np.float32),
}


def strategy_of(kind: str) -> tf.distribute.Strategy:
    if kind == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    return tf.distribute.MultiWorkerMirroredStrategy() if kind == "multi" else tf.distribute.get_strategy()


def shares(strategy: tf.distribute.Strategy, array: np.ndarray) -> Any:
    def share(context: Any) -> Any:
        size = len(array) // context.num_replicas_in_sync
        first = context.replica_id_in_sync_group * size
        return tf.constant(array[first : first + size])

    return strategy.experimental_distribute_values_from_function(share)


def main(kind: str, logdir: str) -> None:
    strategy = strategy_of(kind)
    with strategy.scope():
        weights = {name: tf.Variable(value, name=name) for name, value in START.items()}
    images, targets = shares(strategy, IMAGES), shares(strategy, TARGETS)

    def forward(x: Any) -> dict[str, Any]:
        maps = tf.nn.relu(tf.nn.conv2d(x, weights["conv"], 1, "SAME"))
        return {"conv": maps, "dense": tf.nn.sigmoid(tf.reshape(maps, [tf.shape(x)[0], -1]) @ weights["dense"])}

    def update(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(forward(x)["dense"] - y)) / strategy.num_replicas_in_sync
        context = tf.distribute.get_replica_context()
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, tape.gradient(loss, list(weights.values())))
        for variable, gradient in zip(weights.values(), gradients, strict=True):
            variable.assign_sub(RATE * gradient)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, loss)

    step_function = tf.function(lambda x, y: strategy.experimental_local_results(strategy.run(update, args=(x, y)))[0])
    maps_function = tf.function(lambda x: strategy.run(forward, args=(x,)))
    layers = [
        fm.Layer("conv", activation="relu", weights=("conv",)),
        fm.Layer("dense", activation="sigmoid", weights=("dense",), role="output"),
    ]
    monitor = fm.Monitor(
        logdir, every=lambda step: step in (0, 3, 6), layers=layers, loss="mse", workers=fm.keras.workers(strategy), strict=True
    )
    loss = None
    for step in range(STEPS + 1):
        if step:
            loss = step_function(images, targets)
        monitor.log(step, inputs=images, targets=targets, activations=lambda: maps_function(images), weights=weights, loss=loss)
    monitor.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
