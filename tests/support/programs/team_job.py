"""One rank of a job that trains in several ways, watched and not: rank, size, a file to meet at, a folder, how parameters lie, the ways.

Writes `<folder>/rank<r>.json`: for each way whether the weights are those of the unwatched training, and what was warned of. Under the
way "all" it also keeps the whole weights and gradients of each logged step, in `<folder>/all.npz` of rank 0.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import sys
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed, nn

import tb_featuremap_plugin as fm

STEPS, LOGGED = 6, (0, 1, 3, 6)
START_SECONDS, SECONDS = 4.0, 20.0
TRIES = 6


READ, WRITE = os.pipe()
"""Hold the number of calls of `Fails` in evaluation mode, outside of Python: a pass puts back all that it finds changed in there."""

os.write(WRITE, (0).to_bytes(8, "little"))


def count() -> int:
    """How many times it was called before."""
    before = int.from_bytes(os.read(READ, 8), "little")
    os.write(WRITE, (before + 1).to_bytes(8, "little"))
    return before


FIRST = {"failing": sys.maxsize}


class Fails(nn.Module):  # type: ignore[misc]  # torch has no types here
    """Raises in evaluation mode from one of its calls on, until it was tried again in every way: an out-of-memory, say."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training and 0 <= count() - FIRST["failing"] < TRIES:
            raise RuntimeError("out of memory")
        return x


class Gathers(Fails):
    """Asks the other ranks in every pass, as a loss over all ranks does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = super().forward(x).detach().mean(0).clone()
        distributed.all_reduce(mean)
        return x + 0 * mean


class Network(nn.Module):  # type: ignore[misc]  # as above
    def __init__(self) -> None:
        super().__init__()
        self.first, self.fails, self.act, self.second, self.last = nn.Linear(8, 18), Fails(), nn.ReLU(), nn.Linear(18, 6), nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.second(self.act(self.fails(self.first(x)))).tanh())


def laid_over(network: Network, kind: str, size: int) -> nn.Module:
    """The network as `kind` lays it over the ranks."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    if kind == "gathers":
        network.fails = Gathers()
    plan = {"first": ColwiseParallel(), "second": RowwiseParallel()}
    if kind in ("ddp", "gathers"):
        return nn.parallel.DistributedDataParallel(network)
    if kind == "fsdp1":
        return FullyShardedDataParallel(network, use_orig_params=True, device_id=torch.device("cpu"))
    if kind == "tp":
        return parallelize_module(network, init_device_mesh("cpu", (size,)), plan)
    if kind == "none":
        return network
    mesh = init_device_mesh("cpu", (2, size // 2), mesh_dim_names=("dp", "inner")) if size > 2 else init_device_mesh("cpu", (size,))
    if kind == "2d":
        parallelize_module(network, mesh["inner"], plan)
        mesh = mesh["dp"]
    for part in (network.first, network.second):
        fully_shard(part, mesh=mesh)
    return fully_shard(network, mesh=mesh)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach()
    return (tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor).clone()


def batch(seed: int, kind: str, rank: int, dtype: torch.dtype, samples: int = 5) -> torch.Tensor:
    """Of a rank its own; the same for ranks that hold parts of one model."""
    own = {"tp": 0, "2d": rank // 2}.get(kind, rank)
    return torch.randn(samples, 8, generator=torch.Generator().manual_seed(100 * seed + own)).to(dtype)


class Job:
    def __init__(self, rank: int, size: int, folder: Path, kind: str, dtype: torch.dtype, compiled: bool) -> None:
        self.rank, self.size, self.folder, self.kind, self.dtype, self.compiled = rank, size, folder, kind, dtype, compiled

    def train(self, way: str, watched: bool) -> dict[str, np.ndarray]:
        """The weights at the end."""
        torch.manual_seed(0)
        network = Network().to(self.dtype)
        model = laid_over(network, self.kind, self.size)
        runs = torch.compile(model, backend="eager") if self.compiled else model
        optimizer = torch.optim.Adam(model.parameters(), 0.05)
        name, _, argument = way.partition(":")
        concerned = argument == "" or int(argument.split(",")[0]) == self.rank
        FIRST["failing"] = count() + int(argument.split(",")[1]) if name == "fails" and concerned else sys.maxsize
        watcher = self.watch(way, name, concerned, runs, optimizer) if watched else None
        uneven = contextlib.nullcontext() if name != "join" else model.join()
        steps = STEPS if name != "join" else STEPS - self.rank
        with watcher if watcher is not None and name in ("raises", "killed") else contextlib.nullcontext(), uneven:
            for step in range(1, steps + 1):
                if name == "raises" and concerned and step == 4:
                    raise ValueError("bad batch")
                if name == "killed" and concerned and step == 4:
                    os._exit(9)
                optimizer.zero_grad()
                loss = runs(batch(step, self.kind, self.rank, self.dtype)).float().square().mean()
                loss.backward()
                optimizer.step()
                if watcher is not None:
                    self.keep(way, step, model)
                    watcher.step(loss)
                    if name == "leaves" and concerned and step == 3:
                        watcher.close()
                        watcher = None
        if watcher is not None:
            watcher.close()
        return {name: whole(parameter).float().numpy() for name, parameter in model.named_parameters()}

    def watch(self, way: str, name: str, concerned: bool, model: nn.Module, optimizer: torch.optim.Optimizer) -> Any:
        if name == "alone" and not concerned:
            return None
        samples = 4 + 3 * self.rank * (name == "sizes")
        logdir = self.folder / way.replace(":", "-").replace(",", "-")
        if name == "behind" and self.rank == 0:
            logdir.mkdir()
            (logdir / "featuremaps").write_text("no folder")
        self.keep(way, 0, model)
        probe = batch(0, self.kind, self.rank, self.dtype, samples)
        return fm.torch.watch(model, logdir, probe=probe, every=lambda step: step in LOGGED, optimizer=optimizer)

    def keep(self, way: str, step: int, model: nn.Module) -> None:
        """All ranks fetch what numbers are compared with."""
        if way == "all" and self.kind != "fsdp1":
            for name, parameter in model.named_parameters():
                name = name.removeprefix("_orig_mod.").removeprefix("module.")
                KEPT[f"weight/{step}/{name}"] = whole(parameter).float().numpy()
                if parameter.grad is not None:
                    KEPT[f"gradient/{step}/{name}"] = whole(parameter.grad).float().numpy()


KEPT: dict[str, np.ndarray] = {}


def main(rank: int, size: int, meeting: str, folder: Path, kind: str, ways: list[str], dtype: str, compiled: bool) -> None:
    torch.set_num_threads(1)
    limits: Any = importlib.import_module("tb_featuremap_plugin.integrations.torch.workers")
    limits.START_SECONDS, limits.SECONDS = START_SECONDS, SECONDS
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size, timeout=timedelta(seconds=30))
    job = Job(rank, size, folder, kind, getattr(torch, dtype), compiled)
    found: dict[str, Any] = {}
    for way in ways:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            plain = job.train(way, False) if way.partition(":")[0] not in ("raises", "killed") else {}
            watched = job.train(way, True)
        told = [str(one.message) for one in said if re.search("rank|feature maps", str(one.message))]
        found[way] = {"equal": all(np.array_equal(plain[name], watched[name]) for name in plain), "said": told}
        (folder / f"rank{rank}.json").write_text(json.dumps(found))
    if rank == 0:
        np.savez(folder / "all.npz", **KEPT)  # type: ignore[arg-type]  # names are not `allow_pickle`
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    _, a_rank, a_size, at, to, a_kind, some_ways, *options = sys.argv
    main(int(a_rank), int(a_size), at, Path(to), a_kind, some_ways.split(), options[0] if options else "float32", "compiled" in options)
