"""Rows of variables that are measured together, against the rows of each alone and the slow float64 oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tb_featuremap_plugin.measures.weights.many import variable_rows
from tb_featuremap_plugin.measures.weights.variable import Change, Variable
from tb_featuremap_plugin.schema.columns import VARIABLE_COLUMNS
from tests.support import oracles

FROM_SUMS = {"mean", "radial", "cosine", "gradient_cosine"}


def variable(seed, size, known, offset=0.0, dtype=np.float32, scale=0.05, **options):
    """As a training would make it; some entries are zero, some unchanged."""
    rng = np.random.default_rng(seed)
    previous = (rng.normal(0, scale, size) + offset).astype(dtype)
    value = (previous + rng.normal(0, scale / 100, size)).astype(dtype)
    value[::7], value[1::5] = previous[::7], 0
    others = {
        "previous": previous,
        "initial": (previous + rng.normal(0, scale, size)).astype(dtype),
        "previous_update": rng.normal(0, scale / 100, size).astype(dtype),
        "gradient": rng.normal(0, scale, size).astype(dtype),
    }
    others["gradient"][::3] = 0
    return Variable(value, Change(gap=seed, initial_step=seed + 1, **{name: others[name] for name in known}), **options)


def assert_rows_match(variables):
    rows = variable_rows(variables)
    assert rows.shape == (len(variables), len(VARIABLE_COLUMNS))
    for row, one in zip(rows, variables, strict=True):
        alone, scale = one.row(), float(np.abs(one.value.astype(np.float64)).max(initial=0, where=np.isfinite(one.value)))
        for name, number, expected in zip(VARIABLE_COLUMNS, row.tolist(), alone.tolist(), strict=True):
            loose = {"mean": 1e-6 * scale}.get(name, 1e-5) if name in FROM_SUMS else 0
            assert number == pytest.approx(expected, rel=1e-5, abs=loose, nan_ok=True), name


KNOWN = [
    (),
    ("previous",),
    ("previous", "previous_update"),
    ("initial",),
    ("gradient",),
    ("previous", "initial", "previous_update", "gradient"),
]


@pytest.mark.parametrize("known", KNOWN)
def test_rows_are_those_of_each_alone(known):
    assert_rows_match(
        [variable(seed, size, known, ordinal=seed) for seed, size in enumerate([64, 1, 300, 64, 300, 4096, 1, 64, 4096, 5000])]
    )


@pytest.mark.parametrize("known", KNOWN)
def test_rows_are_those_of_the_oracle(known):
    variables = [variable(seed, 257 + 2 * seed, known) for seed in range(5)]
    for row, one in zip(variable_rows(variables), variables, strict=True):
        numbers = dict(zip(VARIABLE_COLUMNS, row.tolist(), strict=True))
        for name, expected in oracles.variable(one.value, **one.change.compared()).items():
            assert numbers[name] == pytest.approx(expected, rel=1e-6, abs=1e-7, nan_ok=True), name
        assert numbers["p50"] == np.sort(one.value)[one.value.size // 2]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**31),
            st.integers(1, 200),
            st.sampled_from(KNOWN),
            st.sampled_from([0.0, 1.0, -300.0]),
            st.sampled_from([np.float16, np.float32, np.float64]),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_any_mixture(drawn):
    assert_rows_match([variable(*one) for one in drawn])


def test_a_whole_network():
    sizes = np.random.default_rng(2).integers(1, 5000, 60).tolist()
    assert_rows_match([variable(seed, size, KNOWN[-1], offset=seed % 3) for seed, size in enumerate(sizes)])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["value", "previous"])
def test_one_that_is_not_finite_leaves_the_others_right(bad, place):
    variables = [variable(seed, 100, ("previous",)) for seed in range(4)]
    array = variables[2].value if place == "value" else variables[2].change.previous
    array[[3, 50]] = bad
    assert_rows_match(variables)


def test_magnitudes_whose_squares_float32_cannot_hold():
    assert_rows_match([variable(seed, 100, KNOWN[-1], scale=scale) for seed in range(2) for scale in (1e-25, 1e25)])


def test_whole_numbers_none_at_all_and_other_memory_orders():
    matrix = variable(0, 600, ()).value.reshape(20, 30)
    variables = [Variable(array, Change()) for array in (matrix, matrix.T, np.asfortranarray(matrix), matrix[::-1, ::2])]
    variables += [
        Variable(np.arange(600), Change()),
        Variable(np.zeros((0, 3), np.float32), Change()),
        Variable(np.array([], np.float32), Change()),
    ]
    assert_rows_match(variables)


def test_kernels_keep_what_is_said_of_their_units():
    shape, rng = (3, 3, 4, 8), np.random.default_rng(1)
    kernels = [Variable(rng.normal(0, 1, shape).astype(np.float32), Change(), layout=layout) for layout in ("HWIO", None, "HWIO")]
    assert_rows_match(kernels)
    row = dict(zip(VARIABLE_COLUMNS, variable_rows(kernels)[2].tolist(), strict=True))
    assert (row["fan_in"], row["fan_out"]) == (36, 72)
    assert row["unit_spread"] > 0


def test_percentiles_can_be_left_out():
    rows = variable_rows([variable(seed, 80, ()) for seed in range(2)], percentiles=False)
    assert math.isnan(rows[0, VARIABLE_COLUMNS.index("p50")])
    assert variable_rows([]).shape == (0, len(VARIABLE_COLUMNS))
