"""Runs made of numbers alone: a healthy one, and whatever is changed in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.diagnosis import diagnose
from tb_featuremap_plugin.diagnosis.findings import Finding
from tb_featuremap_plugin.reading.run import Points, Run, Table
from tb_featuremap_plugin.schema.columns import INPUTS_ROW, LAYER_COLUMNS, PROGRESS_COLUMNS, TARGETS_ROW, VARIABLE_COLUMNS
from tb_featuremap_plugin.schema.network import Layer, RunRecord
from tests.support.known import known, layers_of, progress_of, record_of, variables_of

STEPS = np.array([0, 1, 2, 5, 10, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200], np.int64)
LAYERS = (
    Layer("conv1", kind="conv2d", activation="relu", weights=("conv1/kernel", "conv1/bias")),
    Layer("conv2", kind="conv2d", activation="relu", weights=("conv2/kernel", "conv2/bias")),
    Layer("fc", kind="dense", activation="relu", weights=("fc/kernel", "fc/bias")),
    Layer("out", kind="dense", activation="softmax", weights=("out/kernel", "out/bias"), role="output"),
)
FAN = {"conv1": (9, 144), "conv2": (144, 288), "fc": (512, 64), "out": (64, 10)}
SHAPES = {"conv1/kernel": (3, 3, 1, 16), "conv2/kernel": (3, 3, 16, 32), "fc/kernel": (512, 64), "out/kernel": (64, 10)}


def falling_losses(end: float = 0.1, start: float = 2.3, steps: int = 200) -> Points:
    return losses(np.geomspace(start, end, steps))


def flat_losses(value: float = 2.3, steps: int = 200) -> Points:
    return losses(np.full(steps, value))


def losses(values: npt.ArrayLike) -> Points:
    kept = np.asarray(values, np.float32)
    return Points(np.arange(1, len(kept) + 1), kept)


def healthy_run(**changes: Any) -> Run:
    """A convolutional network of four layers that learns ten classes; keywords replace fields of the run."""
    run = Run(
        name="asked/featuremaps",
        title="asked",
        record=RunRecord(
            layers=LAYERS,
            loss="categorical_crossentropy",
            from_logits=False,
            optimizer="adam",
            variable_shapes={name: SHAPES.get(name, (FAN[name.split("/")[0]][1],)) for name in _variable_names()},
            variable_dtypes=dict.fromkeys(_variable_names(), "float32"),
        ),
        layers=_table((INPUTS_ROW, TARGETS_ROW, *(layer.name for layer in LAYERS)), LAYER_COLUMNS, _layer_row),
        variables=_table(_variable_names(), VARIABLE_COLUMNS, _variable_row),
        losses=falling_losses(),
        progress=_table(("run",), PROGRESS_COLUMNS, lambda name: {"learning_rate": 0.001, "logged_steps": 15}),
    )
    return dataclasses.replace(run, **changes)


def edit(run: Run, table: str, row: str, **columns: npt.ArrayLike) -> Run:
    """The run with curves of one row replaced, by a number or by one a step."""
    old: Table = getattr(run, table)
    values = old.values.copy()
    for column, curve in columns.items():
        values[:, old.rows.index(row), old.columns.index(column)] = curve
    changes: dict[str, Any] = {table: dataclasses.replace(old, values=values)}
    return dataclasses.replace(run, **changes)


def edit_layer(run: Run, name: str, **fields: Any) -> Run:
    """The run with other facts about one layer in its record."""
    layers = tuple(dataclasses.replace(layer, **fields) if layer.name == name else layer for layer in record_of(run).layers)
    return edit_record(run, layers=layers)


def edit_record(run: Run, **fields: Any) -> Run:
    return dataclasses.replace(run, record=dataclasses.replace(record_of(run), **fields))


def edit_kernels(run: Run, **columns: npt.ArrayLike) -> Run:
    for name in SHAPES:
        run = edit(run, "variables", name, **columns)
    return run


def keep_steps(run: Run, kept: npt.ArrayLike) -> Run:
    """What sampling leaves of a run: some steps of its tables and of its losses."""

    def thin(table: Table) -> Table:
        chosen = np.isin(table.steps, kept)
        return dataclasses.replace(table, steps=table.steps[chosen], wall_times=table.wall_times[chosen], values=table.values[chosen])

    return dataclasses.replace(run, layers=thin(layers_of(run)), variables=thin(variables_of(run)), progress=thin(progress_of(run)))


def found(run: Run, rule: str | None = None) -> list[Finding]:
    """The findings of a run, or those of one rule."""
    return [finding for finding in diagnose(run).findings if rule is None or finding.rule == rule]


def headline_of(run: Run) -> Finding:
    """The finding that comes first; there must be one."""
    return known(diagnose(run).headline, f"headline for run {run.name!r}")


def alarms(run: Run) -> list[str]:
    """Rules of the findings that are no mere notes, and stand for themselves."""
    return [finding.rule for finding in diagnose(run).findings if finding.is_alarm]


def stuck_run() -> Run:
    """The healthy run, but for its loss."""
    return healthy_run(losses=STUCK)


STUCK = flat_losses()
HALFWAY = falling_losses(end=1.3)


def _variable_names() -> tuple[str, ...]:
    return tuple(name for layer in LAYERS for name in layer.weights)


def _table(rows: Sequence[str], columns: tuple[str, ...], describe: Callable[[str], Mapping[str, npt.ArrayLike]]) -> Table:
    values = np.full((len(STEPS), len(rows), len(columns)), np.nan, np.float32)
    for at, row in enumerate(rows):
        for column, value in describe(row).items():
            values[:, at, columns.index(column)] = value
    return Table(tuple(rows), columns, STEPS, STEPS.astype(np.float64), values)


def _layer_row(name: str) -> dict[str, float]:
    common: dict[str, float] = {
        "samples": 32, "units": 16, "mean": 0.3, "std": 0.5, "rms": 0.6, "min": 0.0, "max": 3.0, "zeros": 0.4, "below_zero": 0.0,
        "above_one": 0.1,
        "dead_units": 0.05, "constant_units": 0.05, "input_share": 0.3, "nan": 0, "pos_inf": 0, "neg_inf": 0,
    }  # fmt: skip
    if name == INPUTS_ROW:
        return {**common, "min": -1.0, "max": 1.0, "units": 1, "dead_units": 0, "constant_units": 0}
    if name == TARGETS_ROW:
        return {
            **common, "units": 10, "mean": 0.1, "std": 0.3, "min": 0, "max": 1, "integers": 1, "p05": 0, "p95": 1,
            "channel_sum_min": 1, "channel_sum_max": 1,
            "dead_units": 0, "constant_units": 0,
        }  # fmt: skip
    if name == "out":
        return {
            **common,
            "units": 10,
            "max": 1.0,
            "above_one": 0,
            "dead_units": 0,
            "constant_units": 0,
            "channel_sum_min": 1,
            "channel_sum_max": 1,
        }
    return common


def _variable_row(name: str) -> dict[str, Any]:
    layer, which = name.split("/")
    fan_in, fan_out = FAN[layer]
    common: dict[str, Any] = {
        "trainable": 1, "norm": 5.0, "std": 0.1, "nan": 0, "pos_inf": 0, "neg_inf": 0, "gap": np.where(STEPS > 0, 1, np.nan),
        "update_norm": 0.02,
        "update_ratio": 0.004, "changed": 1.0, "cosine": 0.4, "radial": 0.02, "displacement": STEPS * 0.01, "epsilon": 1.2e-7,
        "lost": 0.0,
        "gradient_norm": np.where(STEPS > 0, 0.5, np.nan), "gradient_mean_abs": 1e-3, "gradient_zeros": 0.1, "gradient_nonfinite": 0,
    }  # fmt: skip
    if which == "bias":
        return {**common, "size": fan_out, "initial_norm": 0.0, "initial_std": 0.0}
    size = int(np.prod(SHAPES[name]))
    return {
        **common, "size": size, "initial_norm": 5.0, "initial_std": np.sqrt(2 / fan_in), "unit_spread": 1.1, "duplicates": 0.0,
        "fan_in": fan_in,
        "fan_out": fan_out,
    }  # fmt: skip
