"""A logdir as large as the dashboard has to bear: 60 layers, up to 2048 channels, 8 runs, 200 steps."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

    from tb_featuremap_plugin.schema.network import RunRecord

RUNS, LAYERS, STEPS = 8, 60, 200
SPARSE = 40
"""All runs but the first keep a picture of every layer only each so many steps, which bounds the disk."""

_SHAPES = ((28, 64), (14, 128), (14, 256), (7, 256), (7, 512), (4, 2048))
"""Side and channels, from the input to the output: ten layers each."""


def names() -> list[str]:
    """The layers, from input to output."""
    return [f"block{index // 10}/conv{index % 10}" for index in range(LAYERS)]


def write(folder: Path, runs: int = RUNS, steps: int = STEPS) -> None:
    """Writes the logdir; about 300 MB in about a minute."""
    for run in range(runs):
        _write_run(folder / f"run{run}" / "featuremaps", run, steps, every=1 if run == 0 else SPARSE)


def _write_run(folder: Path, seed: int, steps: int, every: int) -> None:
    import tb_featuremap_plugin as fm
    from tb_featuremap_plugin.format.run_record import encode
    from tb_featuremap_plugin.format.values import blob_value
    from tb_featuremap_plugin.schema import tags

    rng = np.random.default_rng(seed)
    record = encode(_record())
    pictures = _pictures(rng)
    with fm.Writer(folder) as writer:
        writer.submit(0, lambda: [blob_value(tags.RUN_TAG, record)])
        for step in range(steps):
            layers, variables = _tables(rng, step)
            writer.submit(
                step,
                partial(_values, {tags.LAYERS_TAG: layers, tags.VARIABLES_TAG: variables}),
            )
            if step % every == 0 or step == steps - 1:
                for name, maps in pictures.items():
                    writer.feature_maps(name, np.roll(maps, step, 1), step=step, activation="relu", max_channels=2048)


def _values(tables: dict[str, np.ndarray]) -> list[Summary.Value]:
    from tb_featuremap_plugin.format.values import table_value

    return [table_value(tag, table) for tag, table in tables.items()]


def _record() -> RunRecord:
    import tb_featuremap_plugin as fm
    from tb_featuremap_plugin.schema.columns import LAYER_COLUMNS, VARIABLE_COLUMNS
    from tb_featuremap_plugin.schema.network import RunRecord

    rows = names()
    layers = tuple(fm.Layer(name, kind="conv2d", activation="relu", weights=(f"{name}/kernel",)) for name in rows)
    return RunRecord(
        layers=layers,
        layer_rows=tuple(rows),
        layer_columns=LAYER_COLUMNS,
        variable_rows=tuple(f"{name}/kernel" for name in rows),
        variable_columns=VARIABLE_COLUMNS,
    )


def _pictures(rng: np.random.Generator) -> dict[str, np.ndarray]:
    maps = {}
    for index, name in enumerate(names()):
        side, channels = _SHAPES[index * len(_SHAPES) // LAYERS]
        rows = np.sin(np.arange(side)[:, None, None] / 3 + rng.random(channels) * 6)
        columns = np.cos(np.arange(side)[None, :, None] / 4 + rng.random(channels) * 6)
        maps[name] = np.maximum(rows * columns, 0).astype(np.float32)[None]
    return maps


def _tables(rng: np.random.Generator, step: int) -> tuple[np.ndarray, np.ndarray]:
    from tb_featuremap_plugin.schema.columns import LAYER_COLUMNS, VARIABLE_COLUMNS

    return usual_numbers(rng, LAYERS, LAYER_COLUMNS, step), usual_numbers(rng, LAYERS, VARIABLE_COLUMNS, step)


def usual_numbers(rng: np.random.Generator, rows: int, columns: tuple[str, ...], step: int) -> np.ndarray:
    """A table [rows, columns] that no rule objects to, with some noise."""
    usual = {"std": 0.5, "rms": 0.7, "max": 3.0, "min": 0.0, "input_share": 0.4, "zeros": 0.5, "units": 64, "samples": 32}
    usual |= {"norm": 8.0, "update_norm": 8e-3, "update_ratio": 1e-3, "gap": 1, "changed": 1, "trainable": 1, "size": 1e4}
    usual |= {"unit_spread": 1.0, "initial_norm": 8.0, "initial_std": 0.05, "cosine": 0.4, "displacement": 0.01 * step, "ordinal": step + 1}
    counted = {"gap", "changed", "trainable", "size", "units", "samples", "ordinal", "min"}
    noise = 1 + 0.1 * rng.standard_normal((rows, len(columns)))
    for index, column in enumerate(columns):
        noise[:, index] = usual.get(column, np.nan) * (1 if column in counted else noise[:, index])
    return noise.astype(np.float32)
