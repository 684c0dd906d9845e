"""The algebra of axes, against arrays whose entries say where they came from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tb_featuremap_plugin.arrays.layouts import canonical_maps
from tb_featuremap_plugin.integrations.common import axes
from tb_featuremap_plugin.integrations.common.arrangement import arrangement
from tb_featuremap_plugin.integrations.common.axis_labels import Labels, Origins, Role, Trust, merged, size_of

SIZES = st.sampled_from([1, 2, 3, 4, 6])


def numbered(shape):
    """An array of as many different numbers, its labels, and the axis of each origin."""
    origins = Origins()
    labels = axes.unknown(shape, origins)
    return np.arange(math.prod(shape)).reshape(shape), labels, origins


def assert_true(array, labels, shape):
    """Each axis' factors are the digits of the first array's indices that its entries really have."""
    assert labels.shape == array.shape
    known = dict(enumerate(np.unravel_index(array, shape)))
    for at, axis in enumerate(labels.axes):
        index = np.arange(array.shape[at]).reshape([-1 if other == at else 1 for other in range(array.ndim)])
        inner = array.shape[at]
        for factor in axis:
            inner //= factor.size
            said = index // inner % factor.size
            if factor.origin in known:
                assert np.all(known[factor.origin] // factor.stride % factor.size == said), (labels, at, factor)


@st.composite
def shapes_of(draw, size):
    """A shape of an array of this size."""
    shape: list[int] = []
    rest = size
    while rest > 1 or not shape:
        divisors = [n for n in range(1, rest + 1) if rest % n == 0]
        shape.append(draw(st.sampled_from(divisors)))
        rest //= shape[-1]
        if len(shape) > 5:
            shape[-1] *= rest
            break
    return tuple(shape)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_labels_say_where_entries_came_from_through_any_moves(data):
    shape = tuple(data.draw(st.lists(SIZES, min_size=1, max_size=4)))
    array, labels, origins = numbered(shape)
    for _ in range(data.draw(st.integers(1, 6))):
        move = data.draw(st.sampled_from(["reshape", "permute", "insert", "select", "expand", "stack"]))
        if move == "reshape":
            new = data.draw(shapes_of(array.size))
            array, labels = array.reshape(new), axes.reshape(labels, new, origins)
        elif move == "permute":
            order = data.draw(st.permutations(range(array.ndim)))
            array, labels = array.transpose(order), axes.permute(labels, order)
        elif move == "insert":
            at = data.draw(st.integers(0, array.ndim))
            array, labels = np.expand_dims(array, at), axes.insert(labels, at)
        elif move == "select" and array.ndim > 1:
            at = data.draw(st.integers(0, array.ndim - 1))
            array, labels = array.take(0, at), axes.select(labels, at)
        elif move == "expand" and array.size < 500:
            grown = tuple(3 if size == 1 else size for size in array.shape)
            array, labels = np.broadcast_to(array, grown), axes.expand(labels, grown, origins)
        elif move == "stack" and array.size < 500:
            array, labels = np.stack([array, array], 0), axes.stack([labels, labels], 0, origins)
        assert_true(array, labels, shape)


def test_windows_put_together_again_are_the_height_again():
    shape = (2, 8, 6, 5)
    array, labels, origins = numbered(shape)
    for new, order in (
        ((2, 2, 4, 3, 2, 5), (0, 1, 3, 2, 4, 5)),
        ((12, 8, 5), None),
        ((2, 2, 3, 4, 2, 5), (0, 1, 3, 2, 4, 5)),
        (shape, None),
    ):
        array, labels = array.reshape(new), axes.reshape(labels, new, origins)
        if order:
            array, labels = array.transpose(order), axes.permute(labels, order)
    assert labels == axes.unknown(shape, Origins())


def test_a_view_that_cuts_through_axes_knows_nothing_of_them_and_all_of_the_rest():
    _, labels, origins = numbered((5, 4, 6))
    cut = axes.reshape(labels, (5, 3, 8), origins)
    assert cut.axes[0] == labels.axes[0]
    assert {factor.origin for axis in cut.axes[1:] for factor in axis}.isdisjoint(range(3))


@pytest.mark.parametrize(("one", "other"), [((3, 4), (4,)), ((3, 1), (3, 6)), ((3, 6), (1, 1)), ((2, 1, 5), (3, 1)), ((1,), (1,))])
def test_joined_axes_have_the_shape_of_broadcasting(one, other):
    origins = Origins()
    joined = axes.join([axes.unknown(one, origins), axes.unknown(other, origins)], origins)
    assert joined.shape == np.broadcast_shapes(one, other)


def laid_out(labels, origins):
    found = arrangement(labels, origins)
    assert found is not None
    return found


def sample_and_channel(shape, sample, channel):
    origins = Origins()
    labels = axes.unknown(shape, origins)
    labels = axes.replace_axis(labels, sample, [(origins.samples(shape[sample]),)])
    return axes.anchored(labels, channel, Trust.NORMALISATION, origins), origins


@pytest.mark.parametrize(
    ("shape", "sample", "channel", "layout"),
    [
        ((3, 4), 0, 1, "NC"), ((3, 7, 4), 0, 2, "NWC"), ((3, 4, 7), 0, 1, "NCW"), ((7, 3, 4), 1, 2, "WNC"), ((3, 4, 8, 9), 0, 1, "NCHW"),
        ((3, 8, 9, 4), 0, 3, "NHWC"), ((3, 4, 7, 8, 9), 0, 1, "NCDHW"), ((3, 7, 8, 9, 4), 0, 4, "NDHWC"), ((1, 4, 1, 9), 0, 1, "NCHW"),
    ],
)  # fmt: skip
def test_axes_that_are_in_order_are_left_as_they_are(shape, sample, channel, layout):
    labels, origins = sample_and_channel(shape, sample, channel)
    found = laid_out(labels, origins)
    assert (found.layout, found.order) == (layout, ())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_arrangement_has_samples_first_and_channels_second(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=5)))
    sample, channel = data.draw(st.permutations(range(len(shape))))[:2]
    labels, origins = sample_and_channel(shape, sample, channel)
    array = np.arange(math.prod(shape)).reshape(shape)
    order = data.draw(st.permutations(range(len(shape))))
    array, labels = array.transpose(order), axes.permute(labels, order)
    at = data.draw(st.integers(0, len(shape) - 2))
    together = {order[at], order[at + 1]} == {sample, channel}
    if data.draw(st.booleans()) and not together and channel not in (order[at], order[at + 1]):
        new = (*array.shape[:at], array.shape[at] * array.shape[at + 1], *array.shape[at + 2 :])
        array, labels = array.reshape(new), axes.reshape(labels, new, origins)
    if 1 in shape and arrangement(labels, origins) is None:
        return  # which axis of one entry a reshape has left out is not known
    found = laid_out(labels, origins)
    if found.order:
        array = array.reshape(found.split).transpose(found.order).reshape(found.joined)
    view = canonical_maps(array, found.layout)
    index = np.unravel_index(view, shape)
    assert view.shape[:2] == (shape[sample], shape[channel])
    assert np.all(index[sample] == np.arange(view.shape[0]).reshape(-1, *[1] * (view.ndim - 1)))
    assert np.all(index[channel] == np.arange(view.shape[1]).reshape(1, -1, *[1] * (view.ndim - 2)))


@pytest.mark.parametrize(
    ("shape", "merged", "layout"), [((1, 3, 4), (3, 4), "NWC"), ((1, 7, 3, 4), (7, 3, 4), "NHWC"), ((1, 3, 1), (3, 1), "NWC")]
)
def test_one_sample_that_a_reshape_merges_into_positions_is_still_the_sample(shape, merged, layout):
    labels, origins = sample_and_channel(shape, 0, len(shape) - 1)
    found = laid_out(axes.reshape(labels, merged, origins), origins)
    assert (found.layout, found.joined) == (layout, shape)


def test_without_samples_or_channels_nothing_is_certain():
    origins = Origins()
    assert arrangement(axes.unknown((3, 4), origins), origins) is None
    labels = axes.replace_axis(axes.unknown((3, 4, 5), origins), 0, [(origins.samples(3),)])
    assert arrangement(labels, origins) is None
    origins.claim(labels.axes[1][0], Role.CHANNEL, Trust.DENSE)
    assert laid_out(labels, origins).layout == "NCW"


def test_half_of_the_samples_are_not_the_samples():
    labels, origins = sample_and_channel((4, 3), 0, 1)
    assert arrangement(axes.resized(labels, (2, 3), origins), origins) is None
    both = axes.concatenate([labels, labels], 0, 8, origins)
    assert laid_out(both, origins).joined == (4, 2, 3)


def test_a_convolution_wins_over_a_dense_layer_that_takes_positions_for_channels():
    labels, origins = sample_and_channel((3, 5, 8, 8), 0, 1)
    tokens = axes.permute(axes.reshape(axes.convolve(labels, (3, 6, 4, 4), 1, origins), (3, 6, 16), origins), (0, 2, 1))
    mixed = axes.dense(axes.permute(tokens, (0, 2, 1)), 16, origins)
    assert laid_out(mixed, origins).layout == "NWC"
    assert laid_out(axes.join([tokens, axes.permute(mixed, (0, 2, 1))], origins), origins).layout == "NHWC"


def test_a_product_with_a_weight_makes_channels_of_channels_and_positions_of_positions():
    labels, origins = sample_and_channel((3, 7, 4), 0, 2)
    weight = axes.unknown((3, 4, 9), origins)
    channels = axes.matrix_product(labels, weight, origins, (False, True))
    positions = axes.matrix_product(axes.permute(labels, (0, 2, 1)), axes.unknown((3, 7, 9), origins), origins, (False, True))
    assert (laid_out(channels, origins).layout, laid_out(positions, origins).layout) == ("NWC", "NCW")


def test_neighbouring_digits_are_one_factor():
    origins = Origins()
    whole = origins.new(12)
    split = axes.reshape(Labels(((whole,),)), (2, 3, 2), origins)
    digits = [factor for axis in split.axes for factor in axis]
    assert (merged(digits), size_of(digits)) == ((whole,), 12)
    assert merged(digits[::-1]) == tuple(digits[::-1])
