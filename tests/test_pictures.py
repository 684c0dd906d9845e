"""Pictures: what is stored of maps, inputs and kernels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.images import pictures
from tb_featuremap_plugin.images.options import FilterOptions, MapOptions
from tb_featuremap_plugin.measures.activations.joining import merge
from tb_featuremap_plugin.measures.activations.measure import measure
from tb_featuremap_plugin.measures.activations.measured import describe
from tb_featuremap_plugin.schema.errors import LayoutError
from tests.support import oracles


def read(blob):
    found = record.decode(blob)
    return found.header, {name: found.array(name) for name in found.sections}


def stats_of(header, arrays):
    return dict(zip(header["stats"], arrays["stats"], strict=True))


def channels_of(header, arrays):
    return header.get("channels", list(range(arrays["pixels"].shape[1])))


def decoded(header, arrays):
    stats, codes = stats_of(header, arrays), arrays["pixels"].astype(np.float64)
    shape = (1, -1) + (1,) * (codes.ndim - 2)
    low, high = (stats[name][: codes.shape[1]].astype(np.float64).reshape(shape) for name in ("low", "high"))
    return low + (high - low) * codes / 252


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_maps_keep_pixels_to_within_a_code_and_exact_statistics(layout):
    data = np.random.default_rng(0).normal(0, 2, (3, 9, 8, 20) if layout == "NHWC" else (3, 20, 9, 8)).astype(np.float32)
    canonical = np.moveaxis(data, -1, 1) if layout == "NHWC" else data
    header, arrays = read(
        pictures.maps_record("conv", data, MapOptions(layout, "relu", max_images=2, max_channels=7), ordinal=4, inputs="x")
    )
    assert (header["kind"], header["name"], header["layout"], header["shape"]) == ("maps", "conv", layout, [3, 20, 9, 8])
    assert (header["images"], channels_of(header, arrays), header["reduced"]) == ([0, 1], list(range(7)), 1)
    assert (header["ordinal"], header["activation"], header["inputs"]) == (4, "relu", "x")
    stored = canonical[:2, :7].astype(np.float64)
    step = (stored.max((0, 2, 3)) - stored.min((0, 2, 3))) / 252
    assert (np.abs(decoded(header, arrays) - stored) <= 0.501 * step[:, None, None]).all()
    for index in range(20):
        truth = oracles.channel(canonical, index)
        for name, value in truth.items():
            assert stats_of(header, arrays)[name][index] == pytest.approx(value, rel=1e-5, abs=1e-6), name


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 8),
    st.sampled_from([(), (1,), (8,), (2, 4), (2, 2, 2)]),
    st.sampled_from(["uint8", "float16", "float32"]),
    st.integers(1, 9),
    st.sampled_from([0.0, 1e-30, 1.0, 1e30]),
)
def test_pictures_of_few_values_are_those_of_many(seed, channels, space, precision, stored, scale):
    data = (np.random.default_rng(seed).normal(size=(1, channels, *space)) * scale).astype(np.float32)
    layout = {0: "NC", 1: "NCW", 2: "NCHW", 3: "NCDHW"}[len(space)]
    options = MapOptions(layout, "relu", max_channels=stored, precision=precision)
    few, many = (
        record.decode(pictures.maps_record("a", data, options, statistics=statistics, ordinal=2, inputs="x"))
        for statistics in (describe(data), measure(data))
    )
    assert few.header == many.header
    np.testing.assert_array_equal(few.array("pixels"), many.array("pixels"))
    np.testing.assert_allclose(few.array("stats"), many.array("stats"), rtol=1e-5, atol=1e-6 * scale)


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_maps_of_higher_precision(precision):
    data = np.random.default_rng(1).normal(0, 1, (1, 4, 4, 3)).astype(np.float32)
    data[0, 0, 0, 0] = np.nan
    header, arrays = read(pictures.maps_record("conv", data, MapOptions(precision=precision)))
    assert arrays["pixels"].dtype == precision
    np.testing.assert_array_equal(arrays["pixels"], np.moveaxis(data, -1, 1).astype(precision))
    assert "low" not in header["stats"]


def test_statistics_of_a_larger_batch_may_be_given():
    data = np.random.default_rng(2).normal(0, 1, (6, 5, 4, 4)).astype(np.float32)
    joined = merge([measure(part, mergeable=True) for part in np.split(data, 3)])
    header, arrays = read(pictures.maps_record("conv", data[:2], MapOptions("NCHW"), statistics=joined))
    assert header["shape"] == [6, 5, 4, 4]
    np.testing.assert_allclose(stats_of(header, arrays)["max"], data.max((0, 2, 3)))
    np.testing.assert_allclose(stats_of(header, arrays)["high"], data[:1].max((0, 2, 3)))


def test_tiles_above_128_pixels_are_means_with_statistics_of_the_full_size():
    data = np.random.default_rng(3).normal(0, 1, (1, 200, 130, 2)).astype(np.float32)
    header, arrays = read(pictures.maps_record("conv", data))
    assert (header["reduced"], header["shape"], arrays["pixels"].shape) == (2, [1, 2, 200, 130], (1, 2, 100, 65))
    stats = stats_of(header, arrays)
    np.testing.assert_allclose(stats["max"], data.max((0, 1, 2)))
    assert (stats["high"] < stats["max"]).all()


@pytest.mark.parametrize(
    ("shape", "layout"), [((4, 10), "NHWC"), ((2, 9, 3), "NWC"), ((2, 3, 9), "NCW"), ((1, 2, 3, 4, 5), "NDHWC"), ((1, 5, 2, 3, 4), "NCDHW")]
)
def test_maps_of_any_dimension(shape, layout):
    header, arrays = read(pictures.maps_record("layer", np.random.default_rng(4).random(shape), MapOptions(layout, max_images=9)))
    assert list(arrays["pixels"].shape) == header["shape"]
    assert header["layout"] == ("NC" if len(shape) == 2 else layout)


@pytest.mark.parametrize("shape", [(0, 4, 4, 3), (2, 0, 4, 3), (2, 4, 4, 0)])
def test_empty_maps_are_recorded_as_such(shape):
    header, arrays = read(pictures.maps_record("conv", np.zeros(shape, np.float32)))
    assert arrays["pixels"].size == 0
    assert header["shape"] == [shape[0], shape[3], shape[1], shape[2]]


@pytest.mark.parametrize(
    ("layout", "shape"),
    [("HWIO", (3, 3, 4, 6)), ("OIHW", (6, 4, 3, 3)), ("HWOI", (3, 3, 6, 4)), ("IOHW", (4, 6, 3, 3)), ("WIO", (5, 4, 6)), ("IO", (4, 6))],
)
def test_small_kernels_are_exact(layout, shape):
    kernel = np.random.default_rng(5).normal(0, 1, shape).astype(np.float32)
    bias = np.arange(6, dtype=np.float64)
    header, arrays = read(pictures.filters_record("k", kernel, FilterOptions(layout, "conv", max_filters=5), bias=bias, ordinal=1))
    order = [layout.index(letter) for letter in "OI"] + [layout.index(letter) for letter in "HW" if letter in layout]
    np.testing.assert_array_equal(arrays["values"], kernel.transpose(order)[:5])
    np.testing.assert_array_equal(arrays["bias"], bias[:5])
    assert (header["layer"], header["filters"], header["shape"][:2]) == ("conv", [0, 1, 2, 3, 4], [6, 4])
    norms = np.sqrt((kernel.transpose(order)[:5].astype(np.float64) ** 2).reshape(5, -1).sum(1))
    np.testing.assert_allclose(stats_of(header, arrays)["norm"], norms, rtol=1e-6)


def test_large_kernels_are_norms_slices_and_exact_differences():
    rng = np.random.default_rng(6)
    kernel = rng.normal(0, 0.05, (3, 3, 300, 120)).astype(np.float32)
    initial, previous = rng.normal(0, 0.05, kernel.shape).astype(np.float32), kernel * np.float32(1.0001)
    header, arrays = read(pictures.filters_record("k", kernel, FilterOptions(max_filters=120), initial=initial, previous=previous))
    assert "values" not in arrays
    assert header["norms_reduced"] == [1, 1]

    def norms(values):
        return np.sqrt((values.astype(np.float64) ** 2).sum((0, 1))).T

    np.testing.assert_allclose(arrays["norms"], norms(kernel), rtol=1e-5)
    np.testing.assert_allclose(arrays["first_difference"], norms(kernel.astype(np.float64) - initial), rtol=1e-5)
    np.testing.assert_allclose(arrays["previous_difference"], norms(kernel.astype(np.float64) - previous), rtol=1e-5)
    strongest = norms(kernel).argmax(1)
    np.testing.assert_array_equal(arrays["slice_inputs"], strongest)
    for index in (0, 119):
        np.testing.assert_array_equal(arrays["slices"][index], kernel[:, :, strongest[index], index])


def test_norms_of_very_wide_kernels_are_reduced():
    header, arrays = read(pictures.filters_record("k", np.ones((1030, 300), np.float32), FilterOptions("IO", max_filters=300)))
    assert (header["norms_reduced"], arrays["norms"].shape) == ([1, 3], (300, 344))
    np.testing.assert_allclose(arrays["norms"], 1)


@pytest.mark.parametrize("options", [
    {"max_images": 0}, {"max_channels": -1}, {"max_images": True}, {"max_channels": 1.5}, {"precision": "uint16"}, {"precision": None},
])  # fmt: skip
def test_map_options_name_what_is_wrong(options):
    with pytest.raises(ValueError, match=rf"^{next(iter(options))} is .*; allowed are"):
        MapOptions(**options)


def test_filter_options_name_what_is_wrong():
    with pytest.raises(ValueError, match=r"^max_filters is 0; allowed are whole numbers from 1"):
        FilterOptions(max_filters=0)
    with pytest.raises(ValueError, match=r"^layout is 'NHWC'; kernels allow"):
        FilterOptions("NHWC")
    with pytest.raises(LayoutError):
        pictures.filters_record("k", np.ones((3, 4, 5)), FilterOptions("HWIO"))
