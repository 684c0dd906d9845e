"""One of two processes of a JAX training on two devices each: parameters whole everywhere or sharded, watched by some or by nobody.

Arguments: the process, the port of the coordinator, "whole" or "sharded", who watches ("nobody", "first", "all", "gathered"), and a folder.
Leaves the process' own parts of the trained parameters in `<folder>/<process>.npz`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}

import flax.linen as nn
import jax
import numpy as np
import optax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import tb_featuremap_plugin as fm

INPUTS = np.random.default_rng(0).normal(size=(16, 6, 6, 3)).astype(np.float32)
LABELS = np.arange(16) % 4


class Network(nn.Module):  # type: ignore[misc]  # mypy cannot see flax
    def setup(self) -> None:
        self.conv, self.out = nn.Conv(8, (3, 3)), nn.Dense(4)

    def __call__(self, inputs: Any) -> Any:
        return self.out(nn.relu(self.conv(inputs)).mean((1, 2)))


def spread(value: Any, mesh: Mesh, spec: PartitionSpec) -> Any:
    whole = np.asarray(value)
    return jax.make_array_from_callback(whole.shape, NamedSharding(mesh, spec), lambda part: whole[part])


def main(process: int, port: str, kind: str, who: str, folder: Path) -> None:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", 2, process)
    mesh, network, optimizer = Mesh(np.array(jax.devices()), ("all",)), Network(), optax.adam(0.01)

    def placed(value: Any) -> Any:
        axes = [None] * (value.ndim - 1) + ["all"] if kind == "sharded" else []
        return spread(value, mesh, PartitionSpec(*axes))

    parameters = jax.tree.map(placed, network.init(jax.random.key(0), INPUTS[:1]))
    inputs, labels = spread(INPUTS, mesh, PartitionSpec("all")), spread(LABELS, mesh, PartitionSpec("all"))
    state = optimizer.init(parameters)

    def loss_of(parameters: Any, inputs: Any, labels: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(network.apply(parameters, inputs), labels).mean()

    def update(parameters: Any, state: Any, inputs: Any, labels: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, inputs, labels)
        changes, state = optimizer.update(gradients, state, parameters)
        return optax.apply_updates(parameters, changes), state, loss

    compiled = jax.jit(update)
    watches = who == "all" or (who in ("first", "gathered") and process == 0)
    watcher = fm.jax.watch(network, folder / "logs", probe=INPUTS[:4], every=2) if watches else None
    for _ in range(4):
        parameters, state, loss = compiled(parameters, state, inputs, labels)
        given = multihost_utils.process_allgather(parameters, tiled=True) if who == "gathered" else parameters
        if watcher is not None:
            watcher.step(given, loss)
    if watcher is not None:
        watcher.close()
    parts = [np.asarray(shard.data) for leaf in jax.tree.leaves(parameters) for shard in leaf.addressable_shards]
    np.savez(folder / f"{process}.npz", *parts)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], Path(sys.argv[5]))
