"""Quantised and averaged pixels, against plain NumPy in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tb_featuremap_plugin.images import tiles


def channels_last(maps):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(maps, 1, -1)), -1, 1)


def decode(codes, span):
    shape = (1, -1) + (1,) * (codes.ndim - 2)
    low, high = span.low.astype(np.float64).reshape(shape), span.high.astype(np.float64).reshape(shape)
    values = low + (high - low) * codes / 252
    values = np.where(codes == 253, -np.inf, values)
    values = np.where(codes == 254, np.inf, values)
    return np.where(codes == 255, np.nan, values)


def assert_faithful(maps):
    span = tiles.measure_range(maps)
    codes = tiles.quantise(maps, span)
    decoded, truth = decode(codes, span), maps.astype(np.float64)
    finite = np.isfinite(truth)
    np.testing.assert_array_equal(decoded[~finite], truth[~finite])
    step = np.broadcast_to(((span.high.astype(np.float64) - span.low) / 252).reshape((1, -1) + (1,) * (maps.ndim - 2)), maps.shape)
    rounding = np.abs(truth) * 2.0**-23
    assert (np.abs(decoded[finite] - truth[finite]) <= (0.5001 * step + rounding)[finite]).all()
    return codes


@pytest.mark.parametrize("order", [np.ascontiguousarray, channels_last, lambda maps: maps[:, ::2]])
@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 40, 30, 20), (2, 20, 300, 260), (3, 32), (1, 2, 9), (1, 18, 4, 5, 6)])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64, np.int32, np.uint8, np.bool_])
def test_codes_are_the_nearest(shape, order, dtype):
    maps = (np.random.default_rng(0).normal(0, 50, shape)).astype(dtype)
    assert_faithful(order(maps))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-44, 37), st.floats(-10, 10), st.booleans())
def test_any_range(seed, magnitude, offset, last):
    maps = np.random.default_rng(seed).normal(0, 1, (1, 20, 4, 4)) * 10.0**magnitude + 10.0**offset * (seed % 2)
    maps = maps.astype(np.float32)
    assert_faithful(channels_last(maps) if last else maps)


@pytest.mark.parametrize("order", [np.ascontiguousarray, channels_last])
def test_non_finite_values_have_codes_of_their_own(order):
    rng = np.random.default_rng(1)
    maps = rng.normal(0, 1, (2, 20, 6, 6)).astype(np.float32)
    for bad in (np.nan, np.inf, -np.inf):
        maps[rng.random(maps.shape) < 0.1] = bad
    maps[:, 3], maps[:, 4] = np.nan, -np.inf
    codes = assert_faithful(order(maps))
    assert set(np.unique(codes[:, 3])) == {255}
    assert set(np.unique(codes[:, 4])) == {253}


def test_a_constant_channel_is_code_zero():
    maps = np.full((1, 2, 3, 3), 7.5, np.float32)
    span = tiles.measure_range(maps)
    assert not tiles.quantise(maps, span).any()
    np.testing.assert_array_equal(span.low, [7.5, 7.5])


@pytest.mark.parametrize("shape", [(0, 3), (3, 2, 0, 4), (2, 0, 4, 4)])
def test_empty(shape):
    maps = np.zeros(shape, np.float32)
    assert tiles.quantise(tiles.average(maps, 2), tiles.measure_range(maps)).size == 0


@pytest.mark.parametrize(("space", "side"), [((), 1), ((128, 128), 1), ((129, 5), 2), ((256, 256), 2), ((224, 224), 2), ((1000,), 8)])
def test_tiles_above_128_pixels_are_reduced(space, side):
    assert tiles.reduction(space) == side


@pytest.mark.parametrize("order", [np.ascontiguousarray, channels_last])
@pytest.mark.parametrize(("space", "side"), [((9, 12), 3), ((10, 7), 4), ((5,), 2), ((4, 5, 6), 2), ((3, 3), 5)])
def test_averages_over_squares_and_what_is_left_at_the_edges(space, side, order):
    maps = np.random.default_rng(2).normal(0, 1, (2, 3, *space)).astype(np.float32)
    averaged = tiles.average(order(maps), side)
    for place in np.ndindex(*averaged.shape[2:]):
        covered: tuple[Any, ...] = (..., *(slice(at * side, (at + 1) * side) for at in place))
        square = maps[covered].astype(np.float64)
        one: tuple[Any, ...] = (..., *place)
        np.testing.assert_allclose(averaged[one], square.reshape(2, 3, -1).mean(-1), rtol=1e-5, atol=1e-6)


def test_a_square_with_nan_is_nan():
    maps = np.zeros((1, 1, 4, 4), np.float32)
    maps[0, 0, 0, 1] = np.nan
    np.testing.assert_array_equal(np.isnan(tiles.average(maps, 2))[0, 0], [[True, False], [False, False]])
