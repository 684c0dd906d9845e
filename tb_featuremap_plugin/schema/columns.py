"""The columns of the packed number tables. Columns are only ever appended: a narrower table is an older one, read as far as it goes.

Every number is a float32; NaN is "not known". Shares lie in 0..1. Steps are exact up to 2**24.
"""

from __future__ import annotations

LAYER_COLUMNS: tuple[str, ...] = (
    "ordinal",  # how many times this row has been logged, counted from 1, and from 1 again by a resumed run
    "samples",  # inputs in the probe batch
    "units",  # channels (convolution) or neurons (dense)
    "mean",
    "std",
    "rms",
    "min",  # of the finite values
    "max",
    "zeros",  # share of values that are exactly 0
    "below_zero",  # share of values that tf.summary.image would show as black for being negative
    "above_one",  # share of values that it would show as white
    "dead_units",  # share of units that are 0 (or less, where the activation is ReLU-like) at every position of every sample
    "constant_units",  # share of units that do not differ between samples
    "saturated",  # share of values within 2.5 % of the activation's limits
    "saturated_units",  # share of units whose values are at the limits at 95 % of positions and samples or more
    "input_share",  # mean over units and positions of the standard deviation over samples, over rms
    "nan",  # counts
    "pos_inf",
    "neg_inf",
    "p01",
    "p05",
    "p25",
    "p50",
    "p75",
    "p95",
    "p99",
    "integers",  # share of values that are whole numbers
    "channel_sum_min",  # least and largest sum over channels: both 1 for a softmax
    "channel_sum_max",
    "top_share",  # share of positions where one channel holds more than 0.999 of the channels' sum
)
"""A row a layer, of what it puts out for the probe batch; rows "@inputs" and "@targets" describe the batch itself."""

VARIABLE_COLUMNS: tuple[str, ...] = (
    "ordinal",
    "size",  # entries
    "trainable",  # 1 or 0
    "norm",  # Euclidean, of the value
    "mean",
    "std",
    "min",
    "max",
    "zeros",  # share of exact zeros
    "nan",
    "pos_inf",
    "neg_inf",
    "p07",
    "p16",
    "p31",
    "p50",
    "p69",
    "p84",
    "p93",
    "gap",  # training steps between the previous value and this one
    "update_norm",  # Euclidean norm of value - previous
    "update_ratio",  # update_norm over the norm of previous
    "update_max",  # largest absolute change of an entry
    "changed",  # share of entries that are not bitwise what they were
    "cosine",  # between this update and the one before
    "radial",  # cosine between the update and the previous value: -1 shrinks, +1 grows
    "displacement",  # norm of value - first value: what a resumed run began with is its first
    "initial_norm",  # norm of the first value
    "initial_std",
    "unit_spread",  # deviation of units from their mean, over the mean absolute weight: 0 if all units are equal
    "duplicates",  # share of units whose weights have a cosine above 0.99 with an earlier unit
    "epsilon",  # spacing of the dtype at 1
    "lost",  # share of entries with a gradient other than 0 that did not change
    "gradient_norm",
    "gradient_mean_abs",
    "gradient_zeros",
    "gradient_nonfinite",
    "gradient_cosine",  # between the negative gradient and the update
    "fan_in",
    "fan_out",
    "first_step",  # of the first value: 0, or where a resumed run began; it counts as the start up to 1
)
"""A row a variable. "Previous" is the value `gap` steps before; what is judged per single step is judged where gap is 1."""

LOSS_COLUMNS: tuple[str, ...] = ("steps_before", "loss")
"""A row a training step since the record before: its distance from the record's own step, and the loss."""

PROGRESS_COLUMNS: tuple[str, ...] = (
    "logged_steps",  # cumulative counts from here ...
    "seen_steps",
    "log_seconds",
    "train_seconds",
    "logged_bytes",
    "dropped_records",
    "first_loss",
    "lowest_loss",
    "lowest_loss_step",
    "largest_jump",  # largest ratio of a loss to the median of the 16 before it
    "largest_jump_step",
    "first_nonfinite_loss_step",  # ... to here, so that sampling loses nothing
    "loss",
    "learning_rate",
    "step_log_seconds",
    "step_logged_bytes",
    "stretch",  # factor by which the time budget stretches the interval; 1 is none
    "first_step",  # first record of what was counted: where a resumed run began to count anew, which readers add up
)
"""One row a logged step, of the run as a whole."""

INPUTS_ROW = "@inputs"
TARGETS_ROW = "@targets"
