"""What a logged step costs as it grows: in channels, in layers, in samples of a batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.folders import fresh
from benchmarks.harness import Comparison, Goal, Variant
from benchmarks.workloads import Float32

SIDE = 28
CHANNELS = (64, 256, 1024)
LAYERS = (5, 20, 80)
SAMPLES = (1, 8, 64)
LINEAR = 1.2
"""Growth by this factor above proportional is taken for linear: timings vary by as much."""


def comparisons() -> list[Comparison]:
    """Three curves of three points each; a goal holds the last point against the first times how much more there is of it."""
    return [
        _curve("channels", CHANNELS, lambda channels: _log(layers=1, samples=1, channels=channels)),
        _curve("layers", LAYERS, lambda layers: _log(layers=layers, samples=1, channels=64)),
        _curve("samples", SAMPLES, lambda samples: _log(layers=1, samples=samples, channels=64)),
    ]


def _curve(what: str, sizes: tuple[int, ...], make: Callable[[int], Callable[[], None]]) -> Comparison:
    variants = [Variant(f"{size} {what}", make(size)) for size in sizes]
    first, last = sizes[0], sizes[-1]
    limit = LINEAR * last / first
    goal = Goal(f"a step of {last} {what}, CPU, against {first}", f"{last} {what}", f"{first} {what}", "cpu", limit)
    return Comparison(f"A logged step against its {what} (maps of {SIDE} x {SIDE}, one image stored), flushed", variants, [goal])


def _log(layers: int, samples: int, channels: int) -> Callable[[], None]:
    import tb_featuremap_plugin as fm

    maps = _maps(samples, channels)
    writer, step = fm.Writer(fresh("growth")), iter(range(10**9))

    def log() -> None:
        now = next(step)
        for layer in range(layers):
            writer.feature_maps(f"conv{layer}", maps, step=now, activation="relu", max_channels=4096)
        writer.flush()

    return log


def _maps(samples: int, channels: int) -> Float32:
    rng = np.random.default_rng(0)
    return np.maximum(rng.standard_normal((samples, SIDE, SIDE, channels), dtype=np.float32), 0)
