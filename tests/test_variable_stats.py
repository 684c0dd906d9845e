"""Statistics of variables and of their change against a slow float64 oracle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tb_featuremap_plugin.arrays.layouts import canonical_kernel
from tb_featuremap_plugin.arrays.short_rows import FEW
from tb_featuremap_plugin.measures.weights import accumulator as running_sums
from tb_featuremap_plugin.measures.weights import few_entries
from tb_featuremap_plugin.measures.weights import variable as variables
from tb_featuremap_plugin.measures.weights.accumulator import InitialSums
from tb_featuremap_plugin.measures.weights.variable import Change, variable_row
from tb_featuremap_plugin.schema.columns import VARIABLE_COLUMNS
from tests.support import oracles

PERCENTILES = {"p07": 7, "p16": 16, "p31": 31, "p50": 50, "p69": 69, "p84": 84, "p93": 93}
OF_ARRAYS = set(VARIABLE_COLUMNS) - set(PERCENTILES)
OF_ARRAYS -= {"ordinal", "trainable", "gap", "unit_spread", "duplicates", "epsilon", "fan_in", "fan_out"}


def row_of(value, change=None, **options):
    return dict(zip(VARIABLE_COLUMNS, variable_row(value, change, **options).tolist(), strict=True))


def assert_matches_oracle(value, rtol=3e-6, **others):
    row, expected = row_of(value, Change(**others)), oracles.variable(value, **others)
    for column in OF_ARRAYS:
        loose = {"mean": 1e-6 * expected.get("std", 0), "radial": 3e-6, "cosine": 3e-6, "gradient_cosine": 3e-6}.get(column, 0)
        assert row[column] == pytest.approx(expected.get(column, math.nan), rel=rtol, abs=loose, nan_ok=True), column


def training(rng, shape, scale=0.05, dtype=np.float32):
    """Value, previous, initial, previous update and gradient as a training would make them."""
    initial = (rng.normal(0, scale, shape)).astype(dtype)
    previous = (initial + rng.normal(0, scale / 10, shape)).astype(dtype)
    update = rng.normal(0, scale / 1000, shape).astype(dtype)
    value = (previous + update).astype(dtype)
    gradient = (-update * 100 + rng.normal(0, scale / 100, shape)).astype(dtype)
    previous_update = (update * 0.5 + rng.normal(0, scale / 1000, shape)).astype(dtype)
    return value, {"previous": previous, "initial": initial, "previous_update": previous_update, "gradient": gradient}


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 3, 4, 8), (200, 300), (40, 50, 60)])
def test_a_training_step(shape):
    value, others = training(np.random.default_rng(0), shape)
    assert_matches_oracle(value, **others)


@pytest.mark.parametrize("block", [64, 100, 1000])
@pytest.mark.parametrize("bad", [False, True])
def test_many_blocks_give_what_one_does(block, bad, monkeypatch):
    monkeypatch.setattr(variables, "_BLOCK", block)
    monkeypatch.setattr(running_sums, "_SUMMED_AT_ONCE", 30)
    monkeypatch.setattr(running_sums, "_ROW", 8)
    value, others = training(np.random.default_rng(13), (2500,))
    value[::9], value[130:170], value[500:600] = 0, others["previous"][130:170], -0.0
    if bad:
        value[[701, 2004]] = others["previous"][[701, 1501]] = np.nan
    assert_matches_oracle(value, **others)
    assert row_of(value)["p50"] == pytest.approx(np.sort(value[np.isfinite(value)])[round((np.isfinite(value).sum() - 1) / 2)])


def test_a_previous_value_that_is_tiny_beside_the_update():
    value, others = training(np.random.default_rng(14), (3000,))
    assert_matches_oracle(value, previous=others["previous"] * np.float32(1e-4))
    assert_matches_oracle(value, previous=np.zeros_like(value))
    assert_matches_oracle(value, previous=value * np.float32(0.5))


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_dtypes(dtype):
    value, others = training(np.random.default_rng(1), (30, 40), scale=1, dtype=dtype)
    assert_matches_oracle(value, **others)


@pytest.mark.parametrize("scale", [1e-25, 1e-15, 1e15, 1e25])
def test_magnitudes_whose_squares_float32_cannot_hold(scale):
    value, others = training(np.random.default_rng(2), (50, 60), scale=scale)
    assert_matches_oracle(value, **others)


def test_gradients_that_vanish_are_still_measured():
    value, others = training(np.random.default_rng(3), (50, 60))
    others["gradient"] = others["gradient"] * np.float32(1e-25)
    assert_matches_oracle(value, **others)


def test_a_mean_far_from_zero():
    rng = np.random.default_rng(4)
    value = (1 + rng.normal(0, 1e-3, 100_000)).astype(np.float32)
    assert_matches_oracle(value, previous=value - np.float32(1e-4), initial=np.ones_like(value))


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_order_does_not_matter(order):
    value, others = training(np.random.default_rng(5), (20, 30, 7))
    assert_matches_oracle(np.array(value, order=order), **{name: np.array(other, order="C") for name, other in others.items()})
    assert_matches_oracle(value[::2, ::-1], **{name: other[::2, ::-1] for name, other in others.items()})


ALIKE = {"mean", "std", "min", "max", "zeros", "update_ratio", "update_max", "changed", "cosine", "radial", "lost"}
DTYPES = st.sampled_from([np.float16, np.float32, np.float64])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, FEW), st.floats(-20, 20), st.booleans(), DTYPES)
def test_few_entries_are_measured_as_many_are(seed, size, magnitude, zeros, dtype):
    rng = np.random.default_rng(seed)
    value, others = training(rng, (size,), scale=10**magnitude if dtype != np.float16 else 1, dtype=dtype)
    value[::2] = others["previous"][::2]
    if zeros:
        others["gradient"][::3] = value[1::4] = 0
    assert few_entries.entries(value, others) is not None
    row = row_of(value, Change(**others))
    repeated: dict[str, Any] = {name: np.repeat(other, FEW + 1) for name, other in others.items()}
    many = row_of(np.repeat(value, FEW + 1), Change(**repeated))
    scale = abs(many["max"]) + abs(many["min"])
    for column in ALIKE:
        assert row[column] == pytest.approx(many[column], rel=2e-5, abs=1e-5 * (scale if column == "mean" else 1), nan_ok=True), column
    assert [row[column] for column in PERCENTILES] == [
        np.float32(np.sort(value)[round(p / 100 * (size - 1))]) for p in PERCENTILES.values()
    ]
    assert_matches_oracle(value, **others)


def test_unchanged_frozen_and_zero():
    value = np.random.default_rng(6).normal(0, 1, (4, 5)).astype(np.float32)
    row = row_of(value, Change(previous=value.copy(), gap=3), trainable=False, ordinal=9)
    assert (row["update_norm"], row["changed"], row["trainable"], row["gap"], row["ordinal"]) == (0, 0, 0, 3, 9)
    assert math.isnan(row["radial"])
    assert_matches_oracle(np.zeros((4, 5), np.float32), previous=np.zeros((4, 5), np.float32), gradient=np.zeros((4, 5), np.float32))


def test_alone_it_says_nothing_of_change():
    row = row_of(np.ones((2, 2), np.float32))
    assert all(math.isnan(row[column]) for column in ("update_norm", "displacement", "gradient_norm", "cosine", "lost", "gap", "fan_in"))


def test_lost_to_rounding():
    previous = np.full(1000, 1.0, np.float16)
    gradient = np.ones(1000, np.float32)
    gradient[:100] = 0
    value = previous.copy()
    value[500:] += np.float16(0.01)
    row = row_of(value, Change(previous=previous, gradient=gradient))
    assert row["lost"] == pytest.approx(0.4)
    assert row["changed"] == pytest.approx(0.5)
    assert row["epsilon"] == pytest.approx(2.0**-10)


def test_non_finite_entries():
    rng = np.random.default_rng(7)
    value = rng.normal(0, 1, 5000).astype(np.float32)
    value[[0, 4000]], value[10], value[20] = np.nan, np.inf, -np.inf
    assert_matches_oracle(value)
    row = row_of(value, Change(previous=value.copy(), gradient=value))
    assert row["changed"] == 0
    assert all(math.isnan(row[column]) for column in ("update_norm", "update_max", "radial"))
    assert row["gradient_nonfinite"] == 4
    assert row["gradient_norm"] == pytest.approx(np.linalg.norm(value[np.isfinite(value)]), rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nothing_finite(bad):
    row = row_of(np.full(10, bad, np.float32))
    assert row["nan"] + row["pos_inf"] == 10
    assert all(math.isnan(row[column]) for column in ("norm", "mean", "std", "min", "max", *PERCENTILES))


def test_empty():
    row = row_of(np.zeros((0, 3), np.float32), layout="IO")
    assert row["size"] == 0
    assert math.isnan(row["norm"])


def test_percentiles_are_within_their_stated_error():
    value = np.random.default_rng(8).normal(0, 1, 300_000).astype(np.float32)
    row = row_of(value)
    for column, percent in PERCENTILES.items():
        share = percent / 100
        slack = 500 * math.sqrt(share * (1 - share) / variables.SAMPLED_VALUES) + 0.1
        low, high = np.percentile(value, [percent - slack, percent + slack])
        assert low <= row[column] <= high, column
    assert math.isnan(row_of(value, percentiles=False)["p50"])


def test_percentiles_of_few_entries_are_exact():
    row = row_of(np.random.default_rng(9).permutation(101).astype(np.float32))
    assert [row[column] for column in PERCENTILES] == list(PERCENTILES.values())


@pytest.mark.parametrize(("layout", "shape", "expected"), [
    ("HWIO", (3, 3, 16, 32), (144, 288)), ("OIHW", (32, 16, 3, 3), (144, 288)), ("IO", (100, 10), (100, 10)),
    ("HWIM", (5, 5, 8, 2), (25, 50)), ("HWOI", (2, 2, 4, 6), (24, 16)), ("DHWIO", (2, 3, 4, 5, 6), (120, 144)),
])  # fmt: skip
def test_fans(layout, shape, expected):
    row = row_of(np.ones(shape, np.float32), layout=layout)
    assert (row["fan_in"], row["fan_out"]) == expected


@pytest.mark.parametrize(("layout", "shape"), [("HWIO", (3, 3, 4, 20)), ("OIHW", (20, 4, 3, 3)), ("HWIM", (3, 3, 5, 4)), ("IO", (30, 12))])
def test_units_against_the_oracle(layout, shape):
    rng = np.random.default_rng(10)
    kernel = rng.normal(0.01, 0.1, shape).astype(np.float32)
    filters = canonical_kernel(kernel, layout).reshape(-1, math.prod(shape) // canonical_kernel(kernel, layout).shape[0])
    row, expected = row_of(kernel, layout=layout), oracles.units(filters)
    assert row["unit_spread"] == pytest.approx(expected["unit_spread"], rel=1e-5)
    assert row["duplicates"] == pytest.approx(expected["duplicates"])


def test_copies_among_many_large_filters_are_found():
    rng = np.random.default_rng(11)
    kernel = rng.normal(0, 0.1, (3, 3, 128, 200)).astype(np.float32)
    kernel[..., 100:150] = kernel[..., :50] * 2
    row = row_of(kernel, layout="HWIO")
    assert row["duplicates"] == pytest.approx(0.25)
    assert row_of(np.broadcast_to(kernel[..., :1], kernel.shape), layout="HWIO")["unit_spread"] == 0
    assert row_of(np.zeros((2, 2, 3, 4), np.float32), layout="HWIO")["unit_spread"] == 0


@pytest.mark.parametrize(("dtype", "epsilon"), [("bfloat16", 2**-7), ("float16", 2**-10), ("float32", 2**-23), ("float64", 2**-52)])
def test_epsilon_is_that_of_the_dtype_in_which_it_is_kept(dtype, epsilon):
    assert row_of(np.ones(3, np.float32), dtype=dtype)["epsilon"] == pytest.approx(epsilon)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.floats(-8, 8), st.floats(-8, 8))
def test_any_scale_and_offset(seed, size, magnitude, offset):
    rng = np.random.default_rng(seed)
    value, others = training(rng, (size,), scale=10**magnitude)
    shift = np.float32(10**offset)
    value, others["previous"], others["initial"] = value + shift, others["previous"] + shift, others["initial"] + shift
    assert_matches_oracle(value, rtol=1e-5, **others)


@pytest.mark.parametrize("scale", [1.0, 1e-14, 1e20])
def test_sums_over_the_first_value_are_taken_once_and_stay_true(scale):
    rng = np.random.default_rng(11)
    initial = (rng.normal(3, 1, (90, 100)) * scale).astype(np.float32)
    sums = InitialSums()
    for step in range(1, 4):
        value = (initial * (1 + 0.01 * step)).astype(np.float32)
        kept = variable_row(value, Change(initial=initial, initial_step=0, initial_sums=sums))
        np.testing.assert_array_equal(kept, variable_row(value, Change(initial=initial, initial_step=0)))
        truth = initial.astype(np.float64)
        assert kept[VARIABLE_COLUMNS.index("initial_norm")] == pytest.approx(np.sqrt((truth**2).sum()), rel=1e-5)
        assert kept[VARIABLE_COLUMNS.index("initial_std")] == pytest.approx(truth.std(), rel=1e-5)
