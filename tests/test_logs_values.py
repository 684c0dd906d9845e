"""Every array that is logged is read back equal, within the error that is stated."""

from __future__ import annotations

import itertools
import math
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tb_featuremap_plugin as fm

DTYPES = ("float16", "float32", "float64", "int8", "uint8", "int32", "bool")
MAP_LAYOUTS = ("NHWC", "NCHW", "NWC", "NCW", "NDHWC", "NCDHW", "NC")
KERNEL_LAYOUTS = ("HWIO", "OIHW", "HWOI", "IOHW", "HWIM", "WIO", "OIW", "DHWIO", "OIDHW", "IO", "OI")
ODD = (math.nan, math.inf, -math.inf)
MAX_FLOAT16 = 65504.0


def array_of(seed: int, shape: tuple[int, ...], dtype: str, magnitude: float, odd: bool) -> np.ndarray:
    """Numbers of any kind; `odd` puts NaN and infinities among those of floating point."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if not dtype.startswith("float"):
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    values = rng.normal(0, 1, shape) * 10.0**magnitude + rng.integers(-2, 3)
    if dtype == "float16":
        values = np.clip(values, -MAX_FLOAT16, MAX_FLOAT16)
    values = np.asarray(values, dtype)
    if odd and values.size:
        values.reshape(-1)[rng.integers(0, values.size, 4)] = rng.choice(ODD, 4)
    return values


def in_order(array: np.ndarray, layout: str, order: str, single: type = np.float32) -> dict[tuple[int, ...], float]:
    """Each entry as the float32 that it is, by its place along the axes of `order`: one by one."""
    axes = order[:2] + "".join(axis for axis in "DHW" if axis in layout)
    entries = {}
    with np.errstate(over="ignore"):
        for place in np.ndindex(*array.shape):
            at = dict(zip(layout, place, strict=True))
            entries[tuple(at[axis] for axis in axes)] = float(single(array[place]))
    return entries


def assert_within(picture: fm.Picture, expected: dict[tuple[int, ...], float]) -> None:
    values, error = picture.values, np.broadcast_to(picture.error, picture.shape)
    assert values.dtype == (np.float64 if picture.precision == "float64" else np.float32)
    assert picture.error.dtype == np.float32
    assert values.size == len(expected)
    for place, wanted in expected.items():
        found, bound = float(values[place]), float(error[place])
        if math.isfinite(wanted):
            assert found == wanted or abs(found - wanted) <= bound, (place, found, wanted, bound)
        else:
            assert found == wanted or (math.isnan(found) and math.isnan(wanted)), (place, found, wanted)


sizes = st.lists(st.integers(1, 4), min_size=5, max_size=5)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(MAP_LAYOUTS),
    sizes,
    st.sampled_from(DTYPES),
    st.floats(-30, 30),
    st.booleans(),
    st.sampled_from(("uint8", "float16", "float32")),
    st.integers(1, 5),
)
def test_maps_come_back(seed, layout, size, dtype, magnitude, odd, precision, kept) -> None:
    maps = array_of(seed, tuple(size[: len(layout)]), dtype, magnitude, odd)
    with tempfile.TemporaryDirectory() as folder:
        with fm.Writer(folder) as writer:
            writer.feature_maps("a", maps, 3, layout=layout, precision=precision, max_images=kept, max_channels=kept)
        picture = fm.open(folder)["."].maps("a")
    axes = dict(zip(layout, maps.shape, strict=True))
    assert picture.step == 3
    assert picture.images.tolist() == list(range(min(axes["N"], kept)))
    assert picture.channels.tolist() == list(range(min(axes["C"], kept)))
    assert picture.precision == precision
    assert picture.logged_shape == (axes["N"], axes["C"], *(axes[axis] for axis in "DHW" if axis in axes))
    expected = in_order(maps, layout, "NC")
    assert_within(picture, {place: value for place, value in expected.items() if place[0] < kept and place[1] < kept})
    if precision == "float32":
        assert not picture.error.any()
    for channel in range(axes["C"]):
        finite = [value for place, value in expected.items() if place[1] == channel and math.isfinite(value)]
        low, high = picture.stats["min"][channel], picture.stats["max"][channel]
        assert (low, high) == (min(finite), max(finite)) if finite else np.isnan([low, high]).all()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(KERNEL_LAYOUTS), sizes, st.sampled_from(DTYPES), st.floats(-30, 30), st.booleans())
def test_small_kernels_come_back_exactly(seed, layout, size, dtype, magnitude, odd) -> None:
    kernel = array_of(seed, tuple(size[: len(layout)]), dtype, magnitude, odd)
    axes = dict(zip(layout, kernel.shape, strict=True))
    filters = axes["I"] * axes["M"] if "M" in axes else axes["O"]
    bias = np.arange(filters, dtype=np.float32) - 1
    with tempfile.TemporaryDirectory() as folder:
        with fm.Writer(folder) as writer:
            writer.filters("a/kernel", kernel, 0, layout=layout, bias=bias, layer="a")
        picture = fm.open(folder)["."].filters("a/kernel")
    if "M" in layout:  # filter i * multiplier + m belongs to channel i
        by_channel = in_order(kernel, layout, "IM")
        expected = {(channel * axes["M"] + multiple, 0, *place): value for (channel, multiple, *place), value in by_channel.items()}
    else:
        expected = in_order(kernel, layout, "OI")
    assert not picture.error.any()
    assert_within(picture, expected)
    assert picture.bias is not None
    assert picture.bias.tolist() == bias.tolist()
    assert (picture.layer, picture.norms) == ("a", None)


@pytest.mark.parametrize("precision", ["uint8", "float16", "float32"])
def test_large_maps_are_means_of_squares(tmp_path, precision) -> None:
    maps = np.random.default_rng(0).normal(0, 3, (1, 2, 130, 257)).astype(np.float32)
    with fm.Writer(tmp_path) as writer:
        writer.feature_maps("a", maps, 0, layout="NCHW", precision=precision)
    picture = fm.open(tmp_path)["."].maps("a")
    assert (picture.reduced, picture.shape, picture.logged_shape) == (3, (1, 2, 44, 86), maps.shape)
    for channel, row, column in itertools.product(range(2), range(44), range(86)):
        square = maps[0, channel, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3].astype(np.float64)
        bound = float(picture.error[0, channel, 0, 0]) + 1e-5
        assert abs(float(picture.values[0, channel, row, column]) - square.mean()) <= bound


def test_what_float16_cannot_hold_has_no_bound(tmp_path) -> None:
    with fm.Writer(tmp_path) as writer:
        writer.feature_maps("a", np.array([[1.0, 1e6], [2.0, 3.0]], np.float32), 0, layout="NC", precision="float16", max_images=2)
    picture = fm.open(tmp_path)["."].maps("a")
    assert picture.values.tolist() == [[1, math.inf], [2, 3]]
    assert picture.error[0, 1] == math.inf
    assert picture.error[0, 0] < 2e-3


def test_norms_are_not_mistaken_for_weights(tmp_path) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 3, 3, 600, 60)).astype(np.float32)
    with fm.Monitor(tmp_path, every=1, layers=[fm.Layer("a", weights=("a/kernel",))]) as monitor:
        monitor.log(0, weights={"a/kernel": first})
        monitor.log(1, weights={"a/kernel": second})
    picture = fm.open(tmp_path)["."].filters("a/kernel")
    assert picture.shape == (60, 600, 3, 3)
    assert not np.isnan(picture.stats["norm"]).any()
    for read in (lambda: picture.values, lambda: np.asarray(picture)):
        with pytest.raises(ValueError, match="more than 1 MB"):
            read()
    norms = picture.norms
    assert norms is not None
    assert norms.blocks == (1, 2)
    exact = [[math.sqrt(float((second[:, :, i, o].astype(np.float64) ** 2).sum())) for i in range(600)] for o in range(3)]
    blocks = [[math.sqrt((row[2 * i] ** 2 + row[2 * i + 1] ** 2) / 2) for i in range(300)] for row in exact]
    np.testing.assert_allclose(norms.norms[:3], blocks, rtol=1e-6)
    assert norms.slice_inputs[:3].tolist() == [int(np.argmax(row)) for row in exact]
    np.testing.assert_array_equal(norms.slices[2], second[:, :, norms.slice_inputs[2], 2])
    assert norms.first_step == 0
    assert norms.first_difference is not None
    change = second.astype(np.float64)[:, :, :2, 0] - first[:, :, :2, 0]
    assert norms.first_difference[0, 0] == pytest.approx(math.sqrt((change**2).sum() / 2), rel=1e-6)


@pytest.mark.parametrize("precision", ["uint8", "float16", "float32"])
def test_what_float32_cannot_hold_comes_back_as_float64_and_warns_nobody(tmp_path, precision) -> None:
    """Whatever the precision; also where the program makes errors of such casts. Statistics are float32."""
    random = np.random.default_rng(0)
    maps, kernel, dense = (random.normal(size=shape) * 1e200 for shape in ((2, 4, 4, 3), (3, 3, 2, 4), (8, 5)))
    maps[0, 0, 0] = 1.0, 2.0, -3.0
    with np.errstate(all="raise"):
        with fm.Monitor(tmp_path / "a", every=1, precision=precision) as monitor:
            for step in range(2):
                weights = {"l/kernel": kernel * (1 + step)}
                monitor.log(step, inputs=maps, activations={"l": maps, "d": dense}, weights=weights, loss=1e300, learning_rate=1e300)
        with fm.Writer(tmp_path / "b") as writer:
            writer.feature_maps("l", maps, 0, inputs=maps, layout="NHWC", precision=precision)
            writer.filters("l/kernel", kernel, 0, layout="HWIO", bias=kernel[0, 0, 0])
        logs = fm.open(tmp_path)
        for run in logs.values():
            found = run.maps("l")
            assert_within(found, in_order(maps[: len(found.images)], "NHWC", "NCHW", np.float64))
            assert_within(run.filters("l/kernel", 0), in_order(kernel, "HWIO", "OIHW", np.float64))
            assert found.figure() is not None
            run.findings()
