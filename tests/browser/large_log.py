"""A logdir as wide as the dashboard has to bear, and small on disk: 60 layers of up to 2048 channels, 8 runs, 200 steps, tiny maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tb_featuremap_plugin.images import pictures
from tb_featuremap_plugin.images.options import FilterOptions, MapOptions
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.network import Layer, RunRecord
from tests.support.logdirs import EventLog

RUNS = 8
STEPS = 200
LAYERS = tuple(f"block{number // 10}/conv{number % 10}" for number in range(60))
KEPT = tuple(range(0, STEPS, 10))
"""Steps with pictures in the first run; the others have the last of them."""

_LAYER_COLUMNS = ("input_share", "rms", "std", "zeros", "units", "samples")
_VARIABLE_COLUMNS = ("size", "gap", "update_norm", "update_ratio", "cosine", "displacement", "initial_norm", "norm")


class _Buffered(EventLog):
    """An event file that is written in one piece."""

    def __init__(self, folder: Path) -> None:
        self._held = bytearray()
        super().__init__(folder)

    def raw(self, data: bytes) -> None:
        self._held += data

    def close(self) -> None:
        self.path.write_bytes(self._held)


def write(logdir: Path) -> None:
    """Writes it: about 10 MB in a few seconds."""
    blobs = _pictures()
    for run in range(RUNS):
        rng = np.random.default_rng(run)
        log = _Buffered(logdir / f"run{run}" / "featuremaps")
        log.start(0)
        log.run(_record())
        for step in range(STEPS):
            log.tensor(tags.LAYERS_TAG, step, _numbers(rng, _LAYER_COLUMNS, step))
            log.tensor(tags.VARIABLES_TAG, step, _numbers(rng, _VARIABLE_COLUMNS, step))
            if step in KEPT[0 if run == 0 else -1 :]:
                for tag, blob in blobs.items():
                    log.blob(tag, step, blob)
        log.close()
        train = _Buffered(logdir / f"run{run}" / "train")
        train.scalar("loss", 0, 1.0)
        train.close()


def _record() -> RunRecord:
    kernels = tuple(f"{name}/kernel" for name in LAYERS)
    layers = [Layer(name, kind="conv2d", activation="relu", weights=(kernel,)) for name, kernel in zip(LAYERS, kernels, strict=True)]
    return RunRecord(
        layers=tuple(layers),
        layer_rows=LAYERS,
        layer_columns=_LAYER_COLUMNS,
        variable_rows=kernels,
        variable_columns=_VARIABLE_COLUMNS,
    )


def _pictures() -> dict[str, bytes]:
    """Records by tag: of every layer its maps and its kernel; a few layers are as wide as layers get."""
    found = {}
    for index, name in enumerate(LAYERS):
        channels = 2048 if index % 10 == 9 else 32
        ramp = np.linspace(0, 1, 64).reshape(1, 1, 8, 8)
        maps = np.repeat(ramp, channels, axis=1)
        found[tags.picture_tag("maps", name)] = pictures.maps_record(name, maps, MapOptions(layout="NCHW", max_channels=2048))
        kernel = np.repeat(np.linspace(-1, 1, 27).reshape(1, 3, 3, 3), 16, axis=0)
        options = FilterOptions(layout="OIHW", layer=name)
        found[tags.picture_tag("filters", f"{name}/kernel")] = pictures.filters_record(f"{name}/kernel", kernel, options)
    return found


def _numbers(rng: np.random.Generator, columns: tuple[str, ...], step: int) -> np.ndarray:
    """Numbers that no rule objects to, [layers, columns]; what is measured has noise, which no compression takes away."""
    usual = {
        "input_share": 0.4,
        "rms": 0.7,
        "std": 0.5,
        "zeros": 0.5,
        "norm": 8.0,
        "update_norm": 8e-3,
        "update_ratio": 1e-3,
        "cosine": 0.4,
    }
    exact = {"units": 64, "samples": 32, "size": 432, "gap": 1, "initial_norm": 8.0, "displacement": 0.01 * step}
    noise = 1 + 0.1 * rng.standard_normal((len(LAYERS), len(columns)))
    return np.stack(
        [noise[:, index] * usual[name] if name in usual else np.full(len(LAYERS), exact[name]) for index, name in enumerate(columns)], 1
    ).astype(np.float32)
