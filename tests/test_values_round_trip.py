"""Values come back through `fm.open` as they went in: of any dtype, scale and offset, against float64, one by one."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tb_featuremap_plugin as fm

FLOATS = ("float16", "float32", "float64", "longdouble")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
SMALL = ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz", "int4", "uint4")
DTYPES = (*FLOATS, *INTEGERS, *SMALL, "bool", "complex64", "complex128")
ORDERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "swapped": lambda array: array.astype(array.dtype.newbyteorder()),
}


def dtype_of(name):
    return np.dtype(getattr(ml_dtypes, name, name) if name in SMALL else name)


def array_of(dtype, seed, scale, offset):
    """[2, 3, 3, 4]; finite numbers as far as the dtype has them."""
    normal = np.random.default_rng(seed).normal(size=(2, 3, 3, 4)) * 10.0**scale + offset
    if dtype.kind in "iu" or dtype.name in ("int4", "uint4"):
        info = ml_dtypes.iinfo(dtype)
        span = (float(info.min), float(info.max) * (1 - 2.0**-52 if info.bits == 64 else 1))
        return np.clip(np.rint(normal), *span).astype(dtype)
    if dtype.kind == "b":
        return normal > offset
    if dtype.kind == "c":
        normal = np.clip(normal, -1e38, 1e38) if dtype == np.complex64 else normal
        return (normal + 1j * np.roll(normal, 1)).astype(dtype)
    limit = float(ml_dtypes.finfo(dtype).max) if dtype != np.longdouble else math.inf
    return np.clip(normal, -limit, limit).astype(dtype)


def truth_of(array):
    """The numbers as float64, of complex ones the magnitude."""
    return np.abs(array.astype(np.complex128)) if array.dtype.kind == "c" else array.astype(np.float64)


def assert_same(picture, truth, roundings=1):
    """Within the bound that the picture states, and what float32 rounds away where it is float32."""
    bound = np.broadcast_to(picture.error, truth.shape)
    single = 0.0 if picture.values.dtype == np.float64 else roundings * 2.0**-24
    for place in np.ndindex(*truth.shape):
        wanted, found = float(truth[place]), float(picture.values[place])
        assert math.isfinite(found) == math.isfinite(wanted), (place, wanted, found)
        if math.isfinite(wanted):
            assert abs(found - wanted) <= float(bound[place]) + single * abs(wanted) + 2.0**-149, (place, wanted, found)


@pytest.mark.parametrize("dtype", DTYPES)
def test_of_any_dtype_scale_and_offset(tmp_path_factory, dtype):
    @settings(max_examples=5, deadline=None, derandomize=True)
    @given(
        st.integers(0, 2**32 - 1),
        st.sampled_from((-300, -50, -20, -3, 0, 2, 8, 18, 40, 290)),
        st.sampled_from((0.0, 1000.0, -1.7e9, 2.0**60)),
        st.sampled_from(("uint8", "float32")),
        st.sampled_from(sorted(ORDERS)),
    )
    def check(seed, scale, offset, precision, order):
        array = array_of(dtype_of(dtype), seed, scale, offset)
        array = ORDERS[order](array) if dtype not in SMALL else array
        folder = tmp_path_factory.mktemp("values")
        with fm.Writer(folder) as writer:
            writer.feature_maps("maps", array, 0, precision=precision, max_images=2)
            writer.filters("kernel", array, 0, layout="HWIO")
        run = fm.open(folder)["."]
        with np.errstate(over="ignore"):
            truth = truth_of(array)
        roundings = 3 if dtype == "complex64" else 1  # its magnitude is computed in float32
        assert_same(run.maps("maps"), truth.transpose(0, 3, 1, 2), roundings)
        assert_same(run.filters("kernel"), truth.transpose(3, 2, 0, 1), roundings)

    check()


@pytest.mark.parametrize(("center", "spread"), [(1000, 1e-3), (300, 1e-4), (1.7e9, 60), (-1000, 1e-9), (1, 1e-15), (2.0**31, 1.0)])
@pytest.mark.parametrize("images", [1, 3])
def test_finite_numbers_far_from_zero_are_neither_infinite_nor_nan(tmp_path, center, spread, images):
    maps = center + spread * np.random.default_rng(0).normal(size=(images, 8, 8, 16))
    with fm.Writer(tmp_path) as writer:
        writer.feature_maps("maps", maps, 0, max_images=images)
    picture = fm.open(tmp_path)["."].maps("maps")
    assert np.isfinite(picture.values).all()
    assert_same(picture, maps.transpose(0, 3, 1, 2))


def test_what_is_not_finite_stays_apart_from_what_is(tmp_path):
    maps = 1000 + 1e-3 * np.random.default_rng(0).normal(size=(1, 4, 4, 3))
    maps[0, 0, 0] = math.nan, math.inf, -math.inf
    with fm.Writer(tmp_path) as writer:
        writer.feature_maps("maps", maps, 0)
    values = fm.open(tmp_path)["."].maps("maps").values.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(values[0, 0, 0], [math.nan, math.inf, -math.inf])
    assert np.isfinite(values[0, 1:]).all()


class Lazy:
    """Hands out its own memory, as duck arrays and tensors that are evaluated late do."""

    def __init__(self, buffer):
        self.buffer, self.shape, self.dtype = buffer, buffer.shape, buffer.dtype

    def __array__(self, dtype=None, copy=None):
        return self.buffer


@pytest.mark.parametrize("wrap", [lambda buffer: buffer, Lazy, memoryview, lambda buffer: buffer[::-1]])
def test_what_is_written_is_what_the_memory_held_at_the_call(tmp_path, wrap):
    gate = threading.Event()

    def held():
        assert gate.wait(60)
        return []

    maps, kernel = np.ones((1, 8, 8, 2), np.float32), np.ones((3, 3, 2, 4), np.float32)
    with fm.Writer(tmp_path) as writer:
        writer.submit(0, held)
        writer.feature_maps("maps", wrap(maps), 1, inputs=wrap(maps))
        writer.filters("kernel", wrap(kernel), 1, bias=wrap(kernel[0, 0, 0]))
        writer.weight_change("w", wrap(kernel), wrap(kernel), 1, gradient=wrap(kernel))
        for array in (maps, kernel):
            array.fill(9)
        gate.set()
    run = fm.open(tmp_path)["."]
    assert set(run.maps("maps").values.flat) == set(run.filters("kernel").values.flat) == {1.0}
    bias = run.filters("kernel").bias
    assert bias is not None
    assert set(bias.flat) == {1.0}


def test_masked_numbers_are_not_values(tmp_path):
    maps = np.ma.masked_array(np.ones((1, 4, 4, 2), np.float32), mask=np.arange(32).reshape(1, 4, 4, 2) % 3 == 0)
    with fm.Writer(tmp_path) as writer:
        writer.feature_maps("maps", maps, 0)
    values = fm.open(tmp_path)["."].maps("maps").values.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(np.isnan(values), np.ma.getmaskarray(maps))
    assert set(values[~np.isnan(values)]) == {1.0}
