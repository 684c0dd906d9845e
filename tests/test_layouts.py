"""Axis letters."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tb_featuremap_plugin.arrays import layouts
from tb_featuremap_plugin.schema.errors import LayoutError

SIZES = {"N": 2, "C": 3, "O": 5, "I": 4, "M": 6, "D": 7, "H": 8, "W": 9}


def array_of(layout):
    return np.arange(np.prod([SIZES[letter] for letter in layout])).reshape([SIZES[letter] for letter in layout])


@pytest.mark.parametrize("layout", layouts.FEATURE_MAP_LAYOUTS)
def test_feature_maps_come_out_as_samples_channels_and_space(layout):
    view = layouts.canonical_maps(array_of(layout), layout)
    space = [letter for letter in "DHW" if letter in layout]
    assert view.shape == tuple(SIZES[letter] for letter in ["N", "C", *space])
    assert np.shares_memory(view, view.base)


KERNELS = ["".join(order) for space in ("", "W", "HW") for order in itertools.permutations("OI" + space)]


@pytest.mark.parametrize("layout", [*KERNELS, "DHWIO", "OIDHW", "IODHW"])
def test_kernels_come_out_as_filters_inputs_and_space(layout):
    kernel = array_of(layout)
    view = layouts.canonical_kernel(kernel, layout)
    space = [letter for letter in "DHW" if letter in layout]
    assert view.shape == tuple(SIZES[letter] for letter in ["O", "I", *space])
    index = {letter: SIZES[letter] - 1 - at for at, letter in enumerate("OIDHW")}
    assert view[tuple(index[letter] for letter in ["O", "I", *space])] == kernel[tuple(index[letter] for letter in layout)]
    assert layouts.filter_count(layout, kernel.shape) == SIZES["O"]


@pytest.mark.parametrize("layout", ["HWIM", "IMHW", "WIM", "DHWIM"])
def test_each_filter_of_a_depthwise_kernel_sees_one_input(layout):
    kernel = array_of(layout)
    view = layouts.canonical_kernel(kernel, layout)
    assert view.shape[:2] == (SIZES["I"] * SIZES["M"], 1)
    assert layouts.filter_count(layout, kernel.shape) == SIZES["I"] * SIZES["M"]
    ordered = np.moveaxis(kernel, [layout.index("I"), layout.index("M")], [0, 1])
    for channel, multiplier in itertools.product(range(SIZES["I"]), range(SIZES["M"])):
        np.testing.assert_array_equal(view[channel * SIZES["M"] + multiplier, 0], ordered[channel, multiplier])


def test_two_axes_are_a_dense_layer_whatever_the_letters_of_space():
    assert layouts.canonical_maps(np.ones((2, 3)), "NHWC").shape == (2, 3)
    assert layouts.canonical_kernel(np.ones((4, 5)), "HWIO").shape == (5, 4)
    assert layouts.canonical_kernel(np.ones((4, 5)), "OIHW").shape == (4, 5)


@pytest.mark.parametrize("layout", ["NHCW", "HWC", "nhwc", "", None, 3, "NHWCC"])
def test_an_unknown_feature_map_layout_says_what_is_allowed(layout):
    with pytest.raises(ValueError, match="NHWC, NCHW, NWC, NCW, NDHWC, NCDHW, NC"):
        layouts.feature_map_axes(layout, 4)


@pytest.mark.parametrize("layout", ["HWOO", "HW", "HWIOM", "HIO", "NHWC", "oihw", "", None, 3, "DWIO", "I", "MO"])
def test_an_unknown_kernel_layout_says_what_is_allowed(layout):
    with pytest.raises(ValueError, match="such as HWIO, OIHW, HWIM, IO"):
        layouts.kernel_axes(layout, 4)


def test_a_layout_of_other_axes_says_how_many():
    with pytest.raises(LayoutError, match="'NHWC' has 4 axes, the array has 3"):
        layouts.feature_map_axes("NHWC", 3)
    with pytest.raises(LayoutError, match="'HWIO' has 4 axes, the array has 5"):
        layouts.kernel_axes("HWIO", 5)


@pytest.mark.parametrize(("layout", "ndim", "expected"), [
    ("NHWC", 4, "NHWC"), ("NCHW", 4, "NCHW"), ("NCHW", 2, "NC"), ("NC", 4, "NHWC"), ("NCW", 3, "NCW"), ("NWC", 5, "NDHWC"),
])  # fmt: skip
def test_inputs_are_laid_out_as_the_maps_are(layout, ndim, expected):
    assert layouts.inputs_layout(layout, ndim) == expected


def test_inputs_without_samples_are_refused():
    with pytest.raises(LayoutError, match="2 to 5"):
        layouts.inputs_layout("NHWC", 1)


def test_memory_that_is_channels_last():
    assert layouts.is_channels_last(layouts.canonical_maps(np.ones((2, 4, 5, 3)), "NHWC"))
    assert not layouts.is_channels_last(np.ones((2, 3, 4, 5)))
