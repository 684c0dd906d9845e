"""Runs that last, measured: what a process holds after so many steps, and whether it grows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tb_featuremap_plugin import Monitor
from tests.support import children

MEGABYTE = 2**20
WARM_UP = 0.3


@dataclass(frozen=True)
class Sample:
    """What a process holds at a moment.

    Attributes:
        at: how far it had come: steps or interactions.
        memory: resident bytes.
        threads, handles: how many are open.
    """

    at: int
    memory: int
    threads: int
    handles: int


def sample(process: psutil.Process, at: int) -> Sample:
    """Looks at a process."""
    return Sample(at, process.memory_info().rss, process.num_threads(), process.num_fds())


def growth(samples: Sequence[Sample]) -> float:
    """Bytes by which memory grows each thousand steps: the slope of a line through all samples after the warm-up."""
    steady = [each for each in samples if each.at >= WARM_UP * samples[-1].at]
    slope, _ = np.polyfit([each.at for each in steady], [each.memory for each in steady], 1)
    return float(slope * 1000)


def report(what: str, samples: Sequence[Sample]) -> str:
    """A line for docs/reliability.md."""
    first, last = samples[0], samples[-1]
    return (
        f"{what}: {last.at:,} steps, memory {first.memory / MEGABYTE:.1f} -> {last.memory / MEGABYTE:.1f} MiB "
        f"({growth(samples) / 1024:+.2f} KiB per 1,000 after the warm-up), threads {first.threads} -> {last.threads}, "
        f"handles {first.handles} -> {last.handles}"
    )


def assert_flat(samples: Sequence[Sample], allowed: float) -> None:
    """No more than `allowed` bytes of growth over the whole run, and no thread or handle more than after the first sample."""
    total = growth(samples) * samples[-1].at / 1000
    assert total < allowed, f"memory grows by {total / MEGABYTE:.1f} MiB over {samples[-1].at} steps: {samples}"
    assert samples[-1].threads <= samples[1].threads
    assert samples[-1].handles <= samples[1].handles


class TinyLoop:
    """A training loop of almost no work: one convolution, one dense layer, all of it new at every step."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._probe = self._random.random((2, 8, 8, 1), np.float32)
        self._weights = {"conv/kernel": self._draw(3, 3, 1, 4), "conv/bias": self._draw(4), "out/kernel": self._draw(4, 2)}

    def step(self, monitor: Monitor, step: int) -> None:
        """Changes the weights, and logs all that can be logged."""
        gradients = {name: self._draw(*value.shape) for name, value in self._weights.items()}
        for name, value in self._weights.items():
            value -= 0.01 * gradients[name]
        maps = np.maximum(self._probe * self._weights["conv/kernel"].mean((0, 1, 2)), 0)
        activations = {"conv": maps, "out": maps.mean((1, 2)) @ self._weights["out/kernel"]}
        monitor.log(step, inputs=self._probe, activations=activations, weights=self._weights, gradients=gradients, loss=1 / (step + 1))

    def _draw(self, *shape: int) -> np.ndarray:
        return self._random.standard_normal(shape, np.float32)


MONITOR = """
import json, psutil
from dataclasses import asdict
from tests.support.soaking import TinyLoop, sample
steps, every = int(sys.argv[2]), int(sys.argv[3])
loop, process = TinyLoop(), psutil.Process()
with fm.Monitor(sys.argv[1], every=1) as monitor:
    for step in range(steps + 1):
        loop.step(monitor, step)
        if step % every == 0:
            monitor.flush()
            print(json.dumps(asdict(sample(process, step))), flush=True)
"""

WRITER = """
import json, psutil
from dataclasses import asdict
from tests.support.soaking import sample
steps, every, cap = int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
caught, process = catch_warnings(), psutil.Process()
with fm.Writer(sys.argv[1], max_bytes=cap) as writer:
    for step in range(steps + 1):
        log(writer, step)
        if step % every == 0:
            writer.flush()
            print(json.dumps(asdict(sample(process, step))), flush=True)
print(json.dumps([writer.failed, writer.dropped, caught]))
"""

WRITERS = """
import gc, json, psutil
from dataclasses import asdict
from tests.support.soaking import sample
rounds, every = int(sys.argv[2]), int(sys.argv[3])
process = psutil.Process()
for number in range(rounds + 1):
    writer = fm.Writer(os.path.join(sys.argv[1], str(number % 10)))
    log(writer, number)
    if number % 2:
        writer.close()
    else:
        writer.flush()
    del writer
    if number % every == 0:
        gc.collect()
        print(json.dumps(asdict(sample(process, number))), flush=True)
"""


def soak(program: str, folder: Path, *numbers: int) -> tuple[list[Sample], list[Any]]:
    """Runs one of the programs above; returns its samples, and what else it said at the end."""
    ended = children.run(program, folder, *map(str, numbers))
    assert ended.returncode == 0, ended.stderr
    said = [json.loads(line) for line in ended.stdout.splitlines()]
    return [Sample(**line) for line in said if isinstance(line, dict)], [line for line in said if not isinstance(line, dict)]


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
