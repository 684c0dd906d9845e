"""Four host devices of JAX in one process: sharded arrays through `Monitor`, and Keras' data and model parallel `fit`; writes to a folder.

Leaves `<folder>/monitor`, and for each distribution `<folder>/<name>` with the weights watched and not in `<name>.npz`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import tb_featuremap_plugin as fm

VALUES = np.arange(64, dtype=np.float32).reshape(8, 8)


def log_sharded(folder: Path) -> None:
    mesh = Mesh(np.array(jax.devices()).reshape(2, 2), ("data", "model"))
    weights = jax.device_put(jnp.asarray(VALUES), NamedSharding(mesh, PartitionSpec("data", "model")))
    inputs = jax.device_put(jnp.ones((4, 8)), NamedSharding(mesh, PartitionSpec("data")))
    with fm.Monitor(folder, every=1, strict=True) as monitor:
        for step in range(2):
            monitor.log(step, inputs=inputs, activations={"h": inputs @ weights}, weights={"w": weights + step})


def distribution(name: str) -> Any:
    devices = keras.distribution.list_devices()
    if name == "data":
        return keras.distribution.DataParallel(devices=devices)
    if name == "none":
        return None
    layouts = keras.distribution.LayoutMap(keras.distribution.DeviceMesh((2, 2), ["batch", "model"], devices))
    layouts["first.*kernel"], layouts["second.*kernel"] = (None, "model"), ("model", None)
    return keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch")


def fit(name: str, folder: Path | None) -> dict[str, np.ndarray]:
    keras.utils.set_random_seed(0)
    keras.distribution.set_distribution(distribution(name))
    layers = [keras.layers.Input((8,)), keras.layers.Dense(16, "relu", name="first"), keras.layers.Dense(4, name="second")]
    model = keras.Sequential(layers, name="model")
    model.compile("adam", "mse")
    random = np.random.default_rng(0)
    x, y = random.normal(size=(64, 8)).astype(np.float32), random.normal(size=(64, 4)).astype(np.float32)
    callbacks = [fm.keras.FeatureMapCallback(folder, (x[:8], y[:8]), every=2, strict=True)] if folder is not None else []
    model.fit(x, y, batch_size=16, verbose=0, shuffle=False, callbacks=callbacks)
    return {weight.path: np.asarray(weight) for weight in model.weights}


if __name__ == "__main__":
    target = Path(sys.argv[1])
    log_sharded(target / "monitor")
    for each in ("none", "data", "model"):
        plain, watched = fit(each, None), fit(each, target / each)
        assert all(np.array_equal(plain[path], watched[path]) for path in plain), each
        stored: dict[str, Any] = {path.replace("/", "."): value for path, value in watched.items()}
        np.savez(target / f"{each}.npz", **stored)
