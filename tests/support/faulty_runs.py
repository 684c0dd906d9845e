"""Runs made of numbers alone, each with a fault that people make today."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.reading.run import Run, Table
from tb_featuremap_plugin.schema.network import Layer, LossFacts
from tests.support.known import layers_of, record_of, variables_of
from tests.support.synthetic_runs import (
    STEPS,
    edit,
    edit_kernels,
    edit_layer,
    edit_record,
    falling_losses,
    flat_losses,
    healthy_run,
    losses,
    stuck_run,
)


def with_variable(run: Run, name: str, like: str, **columns: npt.ArrayLike) -> Run:
    """The run with one more variable, a copy of another with other numbers."""
    table = variables_of(run)
    values = np.concatenate([table.values, table.values[:, [table.rows.index(like)]]], 1)
    grown = Table((*table.rows, name), table.columns, table.steps, table.wall_times, values)
    return edit(dataclasses.replace(run, variables=grown), "variables", name, **columns)


def without_targets(run: Run) -> Run:
    table = layers_of(run)
    kept = [at for at, row in enumerate(table.rows) if row != "@targets"]
    return dataclasses.replace(
        run, layers=dataclasses.replace(table, rows=tuple(table.rows[at] for at in kept), values=table.values[:, kept])
    )


def regression(run: Run, **targets: npt.ArrayLike) -> Run:
    """The run with numbers for targets, around 300,000 unless said otherwise."""
    run = edit_layer(edit_record(run, loss="mse"), "out", activation="linear")
    return edit(run, "layers", "@targets", **{"mean": 3e5, "std": 8e4, "min": 1e5, "max": 5e5, "integers": 0, **targets})


def large_targets() -> Run:
    return regression(healthy_run(losses=flat_losses(9e10)))


def uneven_classes() -> Run:
    ended = losses(np.concatenate([np.geomspace(2.3, 0.4, 20), np.full(180, 0.4)]))
    return edit_record(healthy_run(losses=ended), loss_facts=LossFacts(constant=0.41, error=0.01, entries=200))


def clipped() -> Run:
    """The four kernels have gradients of 0.005 each: 0.01 together."""
    run = edit_kernels(edit_record(stuck_run(), optimizer="sgd"), update_ratio=0.002, gradient_norm=0.005)
    for name in ("conv1/bias", "conv2/bias", "fc/bias", "out/bias"):
        run = edit(run, "variables", name, gradient_norm=0.0)
    return run


def frozen_at_random() -> Run:
    bound = 1 / np.sqrt(144)
    run = edit_layer(healthy_run(losses=falling_losses(1.4)), "conv2", trainable=False)
    still = {"trainable": 0, "displacement": 0, "update_ratio": 0, "size": 4608, "gradient_norm": np.nan}
    return edit(run, "variables", "conv2/kernel", min=-0.999 * bound, max=0.998 * bound, **still)


def collapsed() -> Run:
    run = edit(edit_record(without_targets(healthy_run()), loss=None), "layers", "@inputs", mean=0.0, std=1.0, integers=0)
    return edit(run, "layers", "out", input_share=np.geomspace(0.5, 0.001, len(STEPS)))


def lagging(steps: int = 200) -> Run:
    """A constant answer in evaluation mode, behind batch normalisation, with a loss that no constant answer reaches."""
    run = edit(healthy_run(losses=falling_losses(0.5, steps=steps)), "layers", "out", input_share=1e-6)
    first, second, *rest = record_of(run).layers
    normalised = dataclasses.replace(second, kind="batch_normalization", state=("conv2/moving_mean",))
    return edit_record(run, layers=(first, normalised, *rest))


def overfitted(end: float = 0.9, loss: float = 0.02) -> Run:
    """The validation loss is lowest, 0.5, after step 40, and has risen to `end` after step 200; the training loss ends at `loss`."""
    curve = np.interp(STEPS, [1, 40, 200], [2.3, 0.5, end])
    known = np.where(STEPS >= 1, curve, np.nan)
    lowest = np.fmin.accumulate(known)
    at = np.where(STEPS >= 40, 40, STEPS) if end > 0.5 else STEPS
    steps = np.where(STEPS >= 1, STEPS, np.nan)
    numbers = {"validation_loss": known, "validation_step": steps, "lowest_validation_loss": lowest, "lowest_validation_step": at}
    return edit(healthy_run(losses=falling_losses(loss)), "progress", "run", **numbers)


def tied(**head: npt.ArrayLike) -> Run:
    """The run with an embedding that starts with the numbers of the output's kernel."""
    words = Layer("words", kind="embedding", weights=("words/embeddings",))
    same = {"norm": 3.0, "mean": 0.1, "min": -1.0, "max": 1.0}
    run = with_variable(healthy_run(), "words/embeddings", "conv1/bias", **same)
    run = edit_record(run, layers=(words, *record_of(run).layers))
    shapes = {**record_of(run).variable_shapes, "words/embeddings": (10, 64)}  # the head's is [64, 10]
    return edit(edit_record(run, variable_shapes=shapes), "variables", "out/kernel", **{**same, **head})


def standing_statistics() -> Run:
    """A run of JAX whose batch normalisation learns a gain, while its statistics stay as they were made."""
    made = {"displacement": 0, "update_norm": 0}
    run = with_variable(healthy_run(), "norm/mean", "conv1/bias", **made, initial_norm=0, norm=0, mean=0)
    run = with_variable(run, "norm/var", "conv1/bias", **made, mean=1, std=0)
    return edit_layer(run, "conv1", kind="batch_norm", state=("norm/mean", "norm/var"))
