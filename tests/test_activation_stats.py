"""Statistics of activations against a slow float64 oracle, and joined from parts against the whole."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tb_featuremap_plugin.arrays.short_rows import FEW
from tb_featuremap_plugin.measures.activations import measure as activations
from tb_featuremap_plugin.measures.activations import percentiles
from tb_featuremap_plugin.measures.activations.accumulator import ActivationAccumulator
from tb_featuremap_plugin.measures.activations.joining import join, merge
from tb_featuremap_plugin.measures.activations.measure import measure
from tb_featuremap_plugin.measures.activations.measured import FewValues, channel_stats, describe, extremes, layer_row
from tb_featuremap_plugin.schema.columns import CHANNEL_COLUMNS, LAYER_COLUMNS
from tests.support import oracles
from tests.support.known import known

PERCENTILES = {"p01": 1, "p05": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95, "p99": 99}


def row_of(partial, ordinal=math.nan):
    return dict(zip(LAYER_COLUMNS, layer_row(partial, ordinal).tolist(), strict=True))


def channels_last(data):
    """The same values, with memory as TensorFlow lays it out."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(data, 1, -1)), -1, 1)


def assert_matches_oracle(data, activation=None, rtol=2e-6, measure=measure):
    partial = measure(data, activation)
    row, expected = row_of(partial), oracles.layer(data, activation)
    scale = max(abs(expected["min"]), abs(expected["max"])) if math.isfinite(expected["min"]) else 1.0
    for column in set(LAYER_COLUMNS) - set(PERCENTILES) - {"ordinal"}:
        truth = expected.get(column, math.nan)
        loose = scale * 1e-7 if column in ("mean", "std", "rms") else 0
        assert row[column] == pytest.approx(truth, rel=rtol, abs=loose, nan_ok=True), column
    stats = channel_stats(partial)
    for index in range(data.shape[1]):
        truths = oracles.channel(data, index)
        for name, value in zip(CHANNEL_COLUMNS, stats[:, index].tolist(), strict=True):
            loose = scale * 1e-7 if name in ("mean", "std", "spread") else 0
            assert value == pytest.approx(truths[name], rel=rtol, abs=loose, nan_ok=True), (index, name)


def network_output(rng, shape, dtype=np.float32):
    return np.maximum(rng.normal(0.1, 1, shape), 0).astype(dtype)


@pytest.mark.parametrize("order", [np.ascontiguousarray, channels_last, lambda data: data[:, ::-1]], ids=["first", "last", "strided"])
@pytest.mark.parametrize("shape", [(1, 5, 9, 7), (4, 3, 8, 8), (3, 40, 5, 4), (2, 6, 17), (2, 3, 4, 5, 6), (32, 10), (1, 64), (300, 2, 3)])
@pytest.mark.parametrize("activation", [None, "relu"])
def test_any_shape_and_memory_order(shape, order, activation):
    rng = np.random.default_rng(len(shape))
    data = network_output(rng, shape)
    data[:, 0] = 0
    assert_matches_oracle(order(data), activation)


@pytest.fixture(params=[1, 10, 64])
def small_blocks(request, monkeypatch):
    """Blocks of so few values that small arrays are made of many, some of them cut off in the midst of a channel."""
    monkeypatch.setattr(activations, "_BLOCK", request.param * 4)
    monkeypatch.setattr(activations, "_SITES", request.param * 2)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("order", [np.ascontiguousarray, channels_last])
@pytest.mark.parametrize("shape", [(1, 5, 9, 7), (4, 3, 8, 8), (32, 10), (70, 2, 3)])
@pytest.mark.parametrize("bad", [0, 0.02])
def test_many_blocks_give_what_one_does(shape, order, bad):
    rng = np.random.default_rng(len(shape))
    data = network_output(rng, shape)
    data[rng.random(shape) < bad] = rng.choice([np.nan, np.inf, -np.inf])
    assert_matches_oracle(order(data), "relu")


@pytest.mark.parametrize("order", [np.ascontiguousarray, channels_last])
@pytest.mark.parametrize("shape", [(1, 20, 130, 111), (3, 4, 160, 150), (70, 33, 6, 5), (1, 1, 600, 500), (2, 200000)])
def test_arrays_of_many_blocks(shape, order):
    rng = np.random.default_rng(1)
    data = order(rng.normal(-3, 0.5, shape).astype(np.float32))
    partial = measure(data)
    truth = data.astype(np.float64)
    row = row_of(partial)
    assert row["mean"] == pytest.approx(truth.mean(), rel=1e-6)
    assert row["std"] == pytest.approx(truth.std(), rel=2e-6)
    assert row["below_zero"] == pytest.approx((truth < 0).mean(), rel=1e-7)
    axes = (0, *range(2, data.ndim))
    stats = dict(zip(CHANNEL_COLUMNS, channel_stats(partial), strict=True))
    np.testing.assert_allclose(stats["mean"], truth.mean(axes), rtol=1e-6)
    np.testing.assert_allclose(stats["std"], truth.std(axes), rtol=5e-6, atol=1e-7)
    np.testing.assert_array_equal(stats["min"], truth.min(axes).astype(np.float32))
    if len(data) > 1:
        spread = truth.std(0)
        np.testing.assert_allclose(stats["spread"], spread.mean(tuple(range(1, spread.ndim))), rtol=5e-6)


@pytest.mark.parametrize(
    "activation", ["sigmoid", "hard_sigmoid", "Hardsigmoid", "tanh", "hard_tanh", "Hardtanh", "softsign", "relu6", "Sigmoid"]
)
def test_saturation(activation):
    rng = np.random.default_rng(2)
    low, high = known(oracles.limits(activation), f"limits of {activation}")
    data = np.clip(rng.normal((low + high) / 2, high - low, (8, 12, 3, 3)), low, high).astype(np.float32)
    data[:, 0] = high
    data[:, 1] = low
    row, expected = row_of(measure(data, activation)), oracles.layer(data, activation)
    for column in ("saturated", "saturated_units", "dead_units"):
        assert row[column] == pytest.approx(expected[column], rel=1e-6), column
    assert row["saturated_units"] > 0


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
    st.integers(1, 10),
    st.sampled_from(["normal", "relu", "softmax", "whole", "one-hot"]),
    st.sampled_from([None, "relu", "relu6", "tanh", "sigmoid", "softmax"]),
    st.booleans(),
)
def test_few_values_are_measured_as_many_are(seed, channels, positions, kind, activation, last):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (1, channels, positions, 1))
    made = {
        "normal": logits,
        "relu": np.maximum(logits, 0),
        "softmax": np.exp(logits) / np.exp(logits).sum(1, keepdims=True),
        "whole": np.rint(logits),
        "one-hot": (logits == logits.max(1, keepdims=True)).astype(float),
    }[kind].astype(np.float32)
    data = channels_last(made) if last else made
    few = describe(data, activation)
    assert isinstance(few, FewValues)
    assert_matches_oracle(data, activation, rtol=1e-5, measure=describe)
    many = measure(data, activation)
    np.testing.assert_allclose(layer_row(few, 3), layer_row(many, 3), rtol=2**-8, atol=1e-6 * np.abs(data).max())
    np.testing.assert_array_equal(extremes(few), extremes(many))


@pytest.mark.parametrize(
    "data",
    [
        np.array([[1, np.nan, 2]], np.float32),
        np.array([[1, np.inf, -np.inf]], np.float32),
        np.ones((2, 3), np.float32),
        np.ones((1, FEW + 1), np.float32),
        np.ones((1, 3), np.float64),
        np.zeros((1, 0), np.float32),
    ],
    ids=["nan", "inf", "samples", "many", "float64", "empty"],
)
def test_what_is_not_few_finite_values_of_a_sample_is_measured_in_general(data):
    np.testing.assert_array_equal(layer_row(describe(data)), layer_row(measure(data)))
    np.testing.assert_array_equal(channel_stats(describe(data)), channel_stats(measure(data)))


def test_softmax_sums_to_one_and_is_seen_at_its_top():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 8, (64, 10))
    data = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert_matches_oracle(data.astype(np.float32), "softmax", rtol=1e-5)
    row = row_of(measure(data, "softmax"))
    assert row["channel_sum_min"] == pytest.approx(1) == row["channel_sum_max"]
    assert 0 < row["top_share"] < 1


@pytest.mark.parametrize("order", [np.ascontiguousarray, channels_last])
def test_non_finite_values_are_counted_and_left_out(order):
    rng = np.random.default_rng(4)
    data = rng.normal(0, 1, (4, 6, 5, 5)).astype(np.float32)
    data[rng.random(data.shape) < 0.2] = np.nan
    data[rng.random(data.shape) < 0.1] = np.inf
    data[rng.random(data.shape) < 0.1] = -np.inf
    data[:, 2] = np.nan
    data[0, 3] = -np.inf
    assert_matches_oracle(order(data))
    assert_matches_oracle(order(data), "relu")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nothing_finite(value):
    data = np.full((2, 3, 4, 4), value, np.float32)
    row = row_of(measure(data, "relu"))
    assert row["nan"] + row["pos_inf"] + row["neg_inf"] == data.size
    assert all(math.isnan(row[column]) for column in ("mean", "std", "rms", "min", "max", "input_share", *PERCENTILES))
    assert np.isnan(channel_stats(measure(data))[:4]).all()


@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 0, 4, 4), (2, 3, 0, 4), (0, 5)])
def test_empty(shape):
    partial = measure(np.zeros(shape, np.float32), "relu")
    row = row_of(partial, 7)
    assert (row["ordinal"], row["samples"], row["units"]) == (7, shape[0], shape[1])
    assert math.isnan(row["mean"])
    assert channel_stats(partial).shape == (len(CHANNEL_COLUMNS), shape[1])


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8, np.uint8, np.int32, np.int64, np.bool_])
def test_dtypes(dtype):
    rng = np.random.default_rng(5)
    data = rng.normal(0, 40, (3, 4, 6, 6)).astype(dtype)
    assert_matches_oracle(data)


@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1e18, 1e36])
def test_magnitudes_whose_squares_float32_cannot_hold(scale):
    rng = np.random.default_rng(6)
    assert_matches_oracle((rng.normal(1, 1, (4, 3, 8, 8)) * scale).astype(np.float32), rtol=1e-5)


@pytest.mark.parametrize("samples", [2, 16, 64])
def test_a_spread_that_plain_float32_sums_lose(samples):
    rng = np.random.default_rng(7)
    base = rng.normal(1, 0.3, (1, 16, 12, 12))
    data = (base + rng.normal(0, 5e-6, (samples, 16, 12, 12))).astype(np.float32)
    truth = oracles.layer(data)["input_share"]
    assert 2e-6 < truth < 8e-6
    for ordered in (data, channels_last(data)):
        assert row_of(measure(ordered))["input_share"] == pytest.approx(truth, rel=1e-4)
        parts = [measure(part, mergeable=True) for part in np.array_split(ordered, 2)]
        assert row_of(merge(parts))["input_share"] == pytest.approx(truth, rel=1e-4)


def test_one_sample_says_nothing_about_the_input():
    row = row_of(measure(np.random.default_rng(8).random((1, 4, 5, 5), np.float32)))
    assert math.isnan(row["input_share"])
    assert math.isnan(row["constant_units"])


def test_all_zero_output_depends_on_nothing():
    row = row_of(measure(np.zeros((4, 3, 2, 2), np.float32), "relu"))
    assert (row["input_share"], row["dead_units"], row["constant_units"], row["rms"]) == (0, 1, 1, 0)


def test_percentiles_are_within_their_stated_error():
    rng = np.random.default_rng(9)
    data = rng.normal(0, 3, (4, 64, 40, 40)).astype(np.float32)
    row = row_of(measure(data))
    size = 4 * activations.SAMPLED_SITES * 0.9
    for column, percent in PERCENTILES.items():
        share = percent / 100
        slack = 100 * 5 * math.sqrt(share * (1 - share) / size)
        low, high = np.percentile(data, [max(0, percent - slack), min(100, percent + slack)])
        assert low - abs(low) / 128 <= row[column] <= high + abs(high) / 128, column


def test_percentiles_of_few_values_are_those_of_all():
    data = np.arange(-50, 51, dtype=np.float32).reshape(1, 101)
    row = row_of(measure(data))
    for column, percent in PERCENTILES.items():
        assert row[column] == pytest.approx(percent - 50, rel=2**-8, abs=0.5), column


@pytest.mark.parametrize("channels", [3, 4, 64, 100])
def test_sampled_sites_meet_every_channel_alike(channels):
    data = np.broadcast_to(np.arange(1, channels + 1, dtype=np.float32)[None, :, None, None], (1, channels, 200, 200))
    for ordered in (np.ascontiguousarray(data), channels_last(data)):
        found = [percentiles.from_key(int(key)) for key in measure(ordered).keys]
        counts = np.unique(found, return_counts=True)[1]
        assert len(counts) >= min(channels, 90)
        assert counts.max() < 3 * counts.min()


arrays = st.tuples(st.integers(0, 2**32 - 1), st.integers(2, 7), st.integers(1, 5), st.integers(1, 6), st.booleans(), st.floats(0, 0.5))


@settings(max_examples=60, deadline=None)
@given(arrays, st.integers(1, 4))
def test_parts_join_to_the_whole(case, workers):
    seed, samples, channels, side, last, bad = case
    rng = np.random.default_rng(seed)
    data = rng.normal(0, 1, (samples, channels, side, side)).astype(np.float32)
    data[rng.random(data.shape) < bad] = rng.choice([np.nan, np.inf, -np.inf, 0])
    data = channels_last(data) if last else data
    whole = measure(data, "tanh")
    cuts = np.sort(rng.integers(0, samples + 1, workers - 1))
    parts = [measure(part, "tanh", mergeable=True) for part in np.split(data, cuts)]
    for joined in (merge(parts), *join_all(parts)):
        np.testing.assert_allclose(layer_row(joined), layer_row(whole), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(channel_stats(joined), channel_stats(whole), rtol=1e-5, atol=1e-6)


def join_all(parts):
    """All workers at once: each call waits for the same call of the others."""
    import threading

    barrier = threading.Barrier(len(parts), timeout=60)
    vectors: dict[int, np.ndarray] = {}
    results: dict[int, ActivationAccumulator] = {}

    def work(rank):
        def all_reduce(vector, how):
            vectors[rank] = vector
            barrier.wait()
            gathered = [vectors[each] for each in range(len(parts))]
            joined = np.sum(gathered, axis=0) if how == "sum" else np.max(gathered, axis=0)
            barrier.wait()
            return joined

        results[rank] = join([parts[rank]], all_reduce)[0]

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[rank] for rank in range(len(parts))]


def test_join_covers_percentiles_and_channel_sums():
    rng = np.random.default_rng(10)
    data = rng.dirichlet(np.ones(6), (50,)).astype(np.float32)
    whole = row_of(measure(data, "softmax"))
    joined = row_of(merge([measure(part, "softmax", mergeable=True) for part in np.array_split(data, 3)]))
    assert joined == pytest.approx(whole, rel=1e-5, nan_ok=True)
    assert joined["channel_sum_max"] == pytest.approx(1, rel=1e-6)


def test_what_cannot_be_joined_is_refused():
    data = np.zeros((2, 3, 4, 4), np.float32)
    with pytest.raises(ValueError, match="mergeable=True"):
        merge([measure(data), measure(data)])
    with pytest.raises(ValueError, match="all must be alike"):
        merge([measure(data, mergeable=True), measure(data[:, :2], mergeable=True)])
