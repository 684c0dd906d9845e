"""Every number that is stored: one line a column of the packed tables, with all that is known of it.

Columns are only ever appended: a narrower table is an older one, read as far as it goes. Every number is a float32; NaN is "not known".
Shares lie in 0..1. Steps are exact up to 2**24. The dashboard's labels and scales, the usual ranges in the words of findings and the
tables of docs/format.md are made from these lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tb_featuremap_plugin.schema.activations import NEAR_END

Unit = Literal["number", "share", "ratio", "count", "step", "bytes", "seconds", "flag"]
"""What a number is, which says how it is written: a share in per cent, a ratio as a power of ten, seconds with their unit."""

Bounds = tuple[float | None, float | None]
"""Lowest and highest value; None where that side has no bound."""


@dataclass(frozen=True)
class Column:
    """One column of a packed table.

    Attributes:
        name: in run records, in `diagnose --format json` and at `/table`.
        doc: what it is, for docs/format.md.
        unit: says how it is written.
        label: what it is called in the tab; made from the name where not given.
        log: whether its axis is better logarithmic.
        ends: both ends of its axis, where what it is gives them.
        usual: where the values of runs that learn well lie; (None, None) where nobody has measured that.
    """

    name: str
    doc: str
    unit: Unit = "number"
    label: str = ""
    log: bool = False
    ends: tuple[float, float] | None = None
    usual: Bounds = (None, None)

    @property
    def title(self) -> str:
        """The label, or the name in words."""
        return self.label or self.name.replace("_", " ").capitalize()


SATURATED_UNIT = 0.95
"""Share of a unit's values that are at the limits, from which on the unit counts as saturated."""

TOP_SHARE = 0.999
"""A channel at the top holds more than this share of its position's sum."""

DUPLICATE_COSINE = 0.99
"""Units whose weights have a cosine above it are copies of each other."""

JUMP_WINDOW = 16
"""Losses that a loss is compared with, for `largest_jump`."""


def percentiles(*percents: int) -> dict[str, int]:
    """Percentiles by the names of their columns: {"p01": 1}."""
    return {f"p{percent:02}": percent for percent in percents}


LAYER_PERCENTILES = percentiles(1, 5, 25, 50, 75, 95, 99)
VARIABLE_PERCENTILES = percentiles(7, 16, 31, 50, 69, 84, 93)
"""About a normal distribution's mean, half a standard deviation, one and one and a half: the bands of TensorBoard's distributions."""

NONFINITE = ("nan", "pos_inf", "neg_inf")
"""Columns that count what is not finite, in every table that has them."""


def _percentile(name: str, percent: int) -> Column:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(percent % 10, "th")
    return Column(name, "median" if percent == 50 else f"{percent}{ending} percentile")


# The usual ranges: 94 small networks that learn (convolutional, dense, residual, normalised; ten optimizers; tables, digits, textures), 5 %
# to 95 % of them, layers and variables taken together. They are rules of thumb: a run outside them may be well, which is why no rule looks
# at a range alone.

LAYERS: tuple[Column, ...] = (
    Column("ordinal", "how many times this row has been logged, counted from 1, and from 1 again by a resumed run", "count"),
    Column("samples", "inputs in the probe batch", "count"),
    Column("units", "channels (convolution) or neurons (dense)", "count"),
    Column("mean", "mean of the finite values", label="Mean of the output"),
    Column("std", "standard deviation of the finite values", label="Standard deviation of the output", log=True, usual=(0.05, 2.0)),
    Column("rms", "root mean square of the finite values", label="Size of the output (root mean square)", log=True),
    Column("min", "least of the finite values", label="Smallest output"),
    Column("max", "largest of the finite values", label="Largest output", log=True, usual=(None, 100.0)),
    Column("zeros", "share of values that are exactly 0", "share", "Zeros in the output", ends=(0, 1)),
    Column(
        "below_zero",
        "share of values below 0, which `tf.summary.image` would show as black",
        "share",
        "Share of values below 0",
        ends=(0, 1),
        usual=(0.0, 0.5),
    ),
    Column(
        "above_one",
        "share of values above 1, which `tf.summary.image` would show as white",
        "share",
        "Share of values above 1",
        ends=(0, 1),
        usual=(0.0, 0.5),
    ),
    Column(
        "dead_units",
        "share of units that are 0 (or less, where the activation rectifies) at every position of every sample",
        "share",
        "Units that are never active",
        ends=(0, 1),
        usual=(0.0, 0.5),
    ),
    Column(
        "constant_units", "share of units that do not differ between samples", "share", "Units that answer every input alike", ends=(0, 1)
    ),
    Column(
        "saturated",
        f"share of values within {100 * NEAR_END:g} % of the activation's limits",
        "share",
        "Values at the activation's limits",
        ends=(0, 1),
        usual=(0.0, 0.4),
    ),
    Column(
        "saturated_units",
        f"share of units whose values are at the limits at {100 * SATURATED_UNIT:g} % of positions and samples or more",
        "share",
        ends=(0, 1),
    ),
    Column(
        "input_share",
        "mean over units and positions of the standard deviation over samples, over `rms`",
        "share",
        "Share that depends on the input",
        log=True,
        usual=(0.018, 1.0),
    ),
    Column("nan", "values that are NaN", "count", "NaN values", usual=(0.0, 0.0)),
    Column("pos_inf", "values that are +Inf", "count", "+Inf values", usual=(0.0, 0.0)),
    Column("neg_inf", "values that are -Inf", "count", "-Inf values", usual=(0.0, 0.0)),
    *(_percentile(name, percent) for name, percent in LAYER_PERCENTILES.items()),
    Column("integers", "share of values that are whole numbers", "share", "Whole numbers", ends=(0, 1)),
    Column("channel_sum_min", "least sum over channels, where all values lie in 0..1: 1 for a softmax"),
    Column("channel_sum_max", "largest sum over channels, where all values lie in 0..1: 1 for a softmax"),
    Column("top_share", f"share of positions where one channel holds more than {TOP_SHARE} of the channels' sum", "share", ends=(0, 1)),
)
"""A row a layer, of what it puts out for the probe batch; rows "@inputs" and "@targets" describe the batch itself."""

VARIABLES: tuple[Column, ...] = (
    Column("ordinal", "as of layers", "count"),
    Column("size", "entries", "count"),
    Column("trainable", "1 or 0", "flag"),
    Column("norm", "Euclidean norm of the value", label="Norm of the weights", log=True),
    Column("mean", "mean of the finite entries"),
    Column("std", "standard deviation of the finite entries", label="Standard deviation of the weights", log=True),
    Column("min", "least of the finite entries"),
    Column("max", "largest of the finite entries"),
    Column("zeros", "share of entries that are exactly 0", "share", ends=(0, 1)),
    Column("nan", "entries that are NaN", "count", "NaN weights", usual=(0.0, 0.0)),
    Column("pos_inf", "entries that are +Inf", "count", "+Inf weights", usual=(0.0, 0.0)),
    Column("neg_inf", "entries that are -Inf", "count", "-Inf weights", usual=(0.0, 0.0)),
    *(_percentile(name, percent) for name, percent in VARIABLE_PERCENTILES.items()),
    Column("gap", "training steps between the previous value and this one", "count"),
    Column("update_norm", "Euclidean norm of value - previous", label="Norm of the update", log=True),
    Column(
        "update_ratio",
        "`update_norm` over the norm of previous",
        "ratio",
        "Update of one step over the weights",
        log=True,
        usual=(0.001, 0.065),
    ),
    Column("update_max", "largest absolute change of an entry", label="Largest change of a weight", log=True),
    Column("changed", "share of entries that are not bitwise what they were", "share", "Weights that changed", ends=(0, 1)),
    Column(
        "cosine",
        "cosine between this update and the one before",
        label="Direction of successive updates (cosine)",
        ends=(-1, 1),
        usual=(-0.43, 1.0),
    ),
    Column("radial", "cosine between the update and the previous value: -1 shrinks, +1 grows", ends=(-1, 1)),
    Column(
        "displacement", "norm of value - first value: what a resumed run began with is its first", label="Distance from the first value"
    ),
    Column("initial_norm", "norm of the first value"),
    Column("initial_std", "standard deviation of the first value"),
    Column(
        "unit_spread",
        "deviation of units from their mean, over the mean absolute weight: 0 if all units are equal",
        label="Difference between units",
        usual=(0.1, None),
    ),
    Column(
        "duplicates",
        f"share of units whose weights have a cosine above {DUPLICATE_COSINE} with an earlier unit",
        "share",
        "Filters that are copies of others",
        ends=(0, 1),
        usual=(0.0, 0.5),
    ),
    Column("epsilon", "spacing of the dtype at 1"),
    Column(
        "lost",
        "share of entries with a gradient other than 0 that did not change",
        "share",
        "Updates lost to rounding",
        ends=(0, 1),
        usual=(0.0, 0.01),
    ),
    Column("gradient_norm", "Euclidean norm of the gradient", "ratio", "Gradient norm", log=True, usual=(None, 100.0)),
    Column("gradient_mean_abs", "mean absolute gradient", "ratio", log=True),
    Column("gradient_zeros", "share of gradients that are exactly 0", "share", ends=(0, 1)),
    Column("gradient_nonfinite", "gradients that are NaN or infinite", "count"),
    Column("gradient_cosine", "cosine between the negative gradient and the update", ends=(-1, 1)),
    Column("fan_in", "inputs that each unit adds up", "count"),
    Column("fan_out", "units that each input reaches", "count"),
    Column(
        "first_step",
        "training steps done when the first value was taken: 0, or where a resumed run began; up to 1 it counts as the start",
        "step",
    ),
)
"""A row a variable. "Previous" is the value `gap` steps before; what is judged per single step is judged where gap is 1."""

LOSSES: tuple[Column, ...] = (
    Column("steps_before", "distance from the record's own step", "count"),
    Column("loss", "the loss", label="Loss"),
)
"""A row a training step since the record before."""

PROGRESS: tuple[Column, ...] = (
    Column("logged_steps", "records so far; this and what follows is cumulative, so that sampling loses nothing", "count"),
    Column("seen_steps", "training steps so far", "count"),
    Column("log_seconds", "time that logging took, in the loop and behind it", "seconds"),
    Column("train_seconds", "time of the rest of the loop", "seconds"),
    Column("logged_bytes", "bytes written", "bytes"),
    Column("dropped_records", "records that could not be written", "count"),
    Column("first_loss", "the first loss"),
    Column("lowest_loss", "the lowest loss so far"),
    Column("lowest_loss_step", "where it was", "step"),
    Column("largest_jump", f"largest ratio of a loss to the median of the {JUMP_WINDOW} before it"),
    Column("largest_jump_step", "where it was", "step"),
    Column("first_nonfinite_loss_step", "where the first loss that is NaN or infinite was; the last cumulative column", "step"),
    Column("loss", "the loss of this step", label="Loss"),
    Column("learning_rate", "of this step", "ratio", "Learning rate", log=True),
    Column("step_log_seconds", "time that logging this step took", "seconds"),
    Column("step_logged_bytes", "bytes written for this step", "bytes"),
    Column("stretch", "factor by which the time budget stretches the interval; 1 is none"),
    Column("first_step", "first record of what was counted: where a resumed run began to count anew, which readers add up", "step"),
    Column("validation_loss", "the latest loss on data that are not trained on"),
    Column("validation_step", "the step after which it was computed", "step"),
    Column("lowest_validation_loss", "the lowest of these so far"),
    Column("lowest_validation_step", "the step after which that was computed", "step"),
)
"""One row a logged step, of the run as a whole."""

CHANNELS: tuple[Column, ...] = (
    Column("min", "least of the finite values"),
    Column("max", "largest of the finite values"),
    Column("mean", "mean of the finite values"),
    Column("std", "standard deviation of the finite values"),
    Column("zeros", "share of values that are exactly 0", "share", ends=(0, 1)),
    Column("spread", "mean over positions of the standard deviation over samples; NaN for a single sample"),
    Column("nan", "values that are NaN", "count"),
    Column("pos_inf", "values that are +Inf", "count"),
    Column("neg_inf", "values that are -Inf", "count"),
)
"""A row a channel of a layer's output, in the section `stats` of each picture of maps, for all channels, before anything is rounded."""

RANGES: tuple[Column, ...] = (
    Column("low", "lowest of the stored pixels of the channel, which code 0 stands for"),
    Column("high", "highest of them, which the top code stands for"),
)
"""Further rows of `stats` where pixels are stored as codes; NaN for channels that are not stored."""

FILTERS: tuple[Column, ...] = (
    Column("min", "least of the finite weights"),
    Column("max", "largest of the finite weights"),
    Column("mean", "mean of the finite weights"),
    Column("std", "standard deviation of the finite weights"),
    Column("norm", "Euclidean norm of the finite weights"),
    Column("nan", "weights that are NaN", "count"),
    Column("pos_inf", "weights that are +Inf", "count"),
    Column("neg_inf", "weights that are -Inf", "count"),
)
"""A row a filter of a kernel, in the section `stats` of each picture of filters; NaN where no weight is finite."""

TABLES: Mapping[str, tuple[Column, ...]] = {"layers": LAYERS, "variables": VARIABLES, "losses": LOSSES, "progress": PROGRESS}


@dataclass(frozen=True)
class Statistic:
    """What the heat map can show of every layer.

    Attributes:
        name: in the tab's address.
        table: "layers" (a row a layer), or "variables" (the row of the layer's kernel).
        columns: what it is computed from.
        how: "value" of the one column, the "sum" of all, the "ratio" of the first to the second, or "comparable": the first where the
            second, the gap, is as small as it ever is.
        column: its label, unit, scale and usual range.
    """

    name: str
    table: str
    columns: tuple[str, ...]
    how: Literal["value", "sum", "ratio", "comparable"]
    column: Column


def _plain(table: str, name: str) -> Statistic:
    return Statistic(name, table, (name,), "value", column(table, name))


def column(table: str, name: str) -> Column:
    """The column of this name.

    Raises:
        KeyError: there is none.
    """
    return _BY_NAME[table][name]


_BY_NAME = {table: {one.name: one for one in columns} for table, columns in TABLES.items()}

HEAT_MAP: tuple[Statistic, ...] = (
    *(_plain("layers", name) for name in ("input_share", "rms", "std", "dead_units", "constant_units", "zeros", "saturated")),
    Statistic(
        "nonfinite",
        "layers",
        NONFINITE,
        "sum",
        Column("nonfinite", "values that are NaN or infinite", "count", "NaN and infinite values", usual=(0.0, 0.0)),
    ),
    Statistic("update_ratio", "variables", ("update_ratio", "gap"), "comparable", column("variables", "update_ratio")),
    _plain("variables", "gradient_norm"),
    Statistic(
        "moved",
        "variables",
        ("displacement", "initial_norm"),
        "ratio",
        Column("moved", "`displacement` over `initial_norm`", "share", "Distance from the first value over its norm", log=True),
    ),
    _plain("variables", "cosine"),
    _plain("variables", "norm"),
)
"""In the order in which they are offered; the first is shown where no finding says otherwise."""


HEADLINES: Mapping[str, tuple[str, ...]] = {
    "layers": ("std", "dead_units", "input_share"),
    "variables": ("norm", "update_ratio", "gradient_norm"),
}
"""Columns that `mirror_scalars` writes as ordinary scalars too, by table."""


def names_of(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """The names, in order."""
    return tuple(one.name for one in columns)


LAYER_COLUMNS = names_of(LAYERS)
VARIABLE_COLUMNS = names_of(VARIABLES)
PROGRESS_COLUMNS = names_of(PROGRESS)
CHANNEL_COLUMNS = names_of(CHANNELS)
RANGE_COLUMNS = names_of(RANGES)
FILTER_COLUMNS = names_of(FILTERS)

INPUTS_ROW = "@inputs"
TARGETS_ROW = "@targets"
"""Rows of the layers' table that describe the probe itself."""
