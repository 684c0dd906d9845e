"""One worker of a DistributedDataParallel training: rank, size, a file for the rendezvous, the logdir."""

from __future__ import annotations

import gc
import sys

import numpy as np
import torch
from torch import distributed, nn

import tb_featuremap_plugin as fm

STEPS = 6


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(108, 5), nn.Softmax(1)
    )


def main(rank: int, size: int, meeting: str, logdir: str) -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if size == 1:
        train(network(), 0, 1, logdir)
        return
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    train(nn.parallel.DistributedDataParallel(network()), rank, size, logdir)
    # Gloo's threads end with the group, which lives as long as a model that refers to it; torch aborts a process that ends before them.
    gc.collect()
    distributed.barrier()
    distributed.destroy_process_group()


def train(model: nn.Module, rank: int, size: int, logdir: str) -> None:
    random = np.random.default_rng(7)
    images = torch.from_numpy(random.normal(size=(16, 1, 8, 8)).astype(np.float32))
    targets = torch.from_numpy(random.random((16, 5)).astype(np.float32))
    share = slice(rank * 16 // size, (rank + 1) * 16 // size)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    probe = (images[share], targets[share])
    with fm.torch.watch(model, logdir, probe=probe, every=lambda step: step in (0, 3, 6), optimizer=optimizer, strict=True) as watcher:
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = (model(images[share]) - targets[share]).square().mean()
            loss.backward()
            optimizer.step()
            watcher.step(loss)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
