"""A sane size by default: what a step and a run may take is shared out from shapes, so that what tells most is always pictured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.monitor.picture_budget import NormsDemand, TiledDemand, share_out
from tb_featuremap_plugin.monitor.picture_sizes import filters_demand
from tb_featuremap_plugin.monitor.remarkable import chosen_channels, remarkable_channels
from tb_featuremap_plugin.monitor.run_budget import RunBudget, stride
from tb_featuremap_plugin.schema.columns import CHANNEL_COLUMNS
from tests.support.known import record_of, variables_of
from tests.support.monitored import picture, picture_names, picture_steps, progress, read_run

TILES = st.builds(
    TiledDemand,
    st.text("abc./_", min_size=1, max_size=8),
    st.integers(1, 600),
    st.integers(1, 4),
    st.integers(1, 20_000),
    st.integers(100, 50_000),
    st.integers(0, 20),
    st.integers(1, 2),
)
NORMS = st.builds(
    NormsDemand,
    st.text("xyz./_", min_size=1, max_size=8),
    st.integers(1, 256),
    st.integers(1, 30_000),
    st.integers(1, 3),
    st.just(512),
    st.just(900),
)


@given(st.lists(st.one_of(TILES, NORMS), max_size=30, unique_by=lambda demand: demand.key), st.integers(0, 30_000_000))
def test_shares_stay_within_the_budget_and_within_what_there_is(demands, budget):
    shares = share_out(demands, budget)
    assert sum(share.size for share in shares.values()) <= budget
    for demand in demands:
        if demand.key in shares:
            assert 1 <= shares[demand.key].units <= demand.units
            assert shares[demand.key].size <= demand.most().size
    if sum(demand.most().size for demand in demands) <= budget:
        assert shares == {demand.key: demand.most() for demand in demands}


def test_no_limit_leaves_nothing_out():
    demands = [TiledDemand(str(index), 256, 4, 10_000, 5_000) for index in range(100)]
    assert share_out(demands, math.inf) == {demand.key: demand.most() for demand in demands}


def test_one_picture_a_block_spread_over_depth_and_the_last_one_always():
    names = [
        f"maps/stage{stage}.{block}.{leaf}" for stage in range(4) for block in range(15) for leaf in ("conv1", "bn1", "conv2", "bn2", "out")
    ]
    demands = [TiledDemand(name, 64, 4, 12_000, 4_000) for name in names]
    kept = list(share_out(demands, 12_100_000))
    assert {name.rpartition(".")[2] for name in kept} == {"out"}
    assert len(kept) == 60
    fewer = [names.index(name) for name in share_out(demands, 2_000_000)]
    assert fewer[-1] == len(names) - 1
    assert np.diff([0, *fewer]).max() <= 2 * np.diff(fewer).min() + 5
    flat = [TiledDemand(f"maps/layer{index}", 64, 4, 12_000, 4_000) for index in range(300)]
    places = [int(name.removeprefix("maps/layer")) for name in share_out(flat, 2_000_000)]
    assert places[-1] == 299
    assert np.diff(places).max() - np.diff(places).min() <= 1


def test_remarkable_units_have_a_picture_in_whatever_layer_they_are():
    demands = [TiledDemand(f"maps/block{index // 5}.{index}", 64, 4, 12_544, 4_000, 3 if index == 41 else 0) for index in range(300)]
    shares = share_out(demands, 12_000_000)
    assert shares["maps/block8.41"].units >= 3
    everywhere = [TiledDemand(f"maps/{index}", 64, 4, 12_544, 4_000, 60) for index in range(300)]
    shares = share_out(everywhere, 12_000_000)
    assert len(shares) >= 200
    assert sum(share.size for share in shares.values()) <= 12_000_000


def stats_of(channels):
    table = np.zeros((len(CHANNEL_COLUMNS), channels), np.float32)
    rng = np.random.default_rng(channels)
    mean, std = rng.normal(0, 0.1, channels), rng.uniform(0.5, 1.5, channels)
    for name, values in {"mean": mean, "std": std, "min": mean - 3 * std, "max": mean + 3 * std}.items():
        table[CHANNEL_COLUMNS.index(name)] = values
    return table


def row(table, name):
    return table[CHANNEL_COLUMNS.index(name)]


def test_dead_extreme_changed_and_broken_channels_are_remarkable():
    before, after = stats_of(512), stats_of(512)
    assert remarkable_channels(after, before, rectifies=False) == []
    row(after, "zeros")[400] = 1
    for name in ("mean", "std", "min", "max"):
        row(after, name)[400] = 0
        row(after, name)[401] *= 1000
        row(before, name)[401] *= 1000
    row(after, "mean")[402] += 5
    row(after, "nan")[403] = 1
    assert remarkable_channels(after, before, rectifies=False) == [403, 400, 401, 402]
    assert set(remarkable_channels(after, None, rectifies=False)) >= {400, 401, 403}
    assert remarkable_channels(np.full_like(after, np.nan), before, rectifies=True) == []


@pytest.mark.parametrize("seed", range(20))
def test_healthy_layers_have_next_to_no_remarkable_channels(seed):
    rng = np.random.default_rng(seed)
    x = np.maximum(rng.normal(size=(64, 100)) @ rng.normal(size=(100, 200)), 0)
    y = np.maximum(x * 1.02 + rng.normal(0, 0.1, x.shape), 0)
    tables = []
    for values in (x, y):
        found = {"mean": values.mean(0), "std": values.std(0), "min": values.min(0), "max": values.max(0), "zeros": (values == 0).mean(0)}
        table = np.zeros((len(CHANNEL_COLUMNS), 200), np.float32)
        for name, numbers in found.items():
            row(table, name)[:] = numbers
        tables.append(table)
    assert remarkable_channels(tables[1], tables[0], rectifies=True) == []


def test_remarkable_channels_come_first_and_are_stored_in_order():
    assert chosen_channels([], 4, 10) is None
    assert chosen_channels([2, 1], 4, 10) is None
    assert chosen_channels([9, 7], 4, 10) == (0, 1, 7, 9)
    assert chosen_channels([9, 8, 7], 2, 10) == (8, 9)


def network(layers: int, channels: int, side: int, step: int) -> dict[str, np.ndarray]:
    """What 300 layers put out; the last one has a dead, an extreme and, from step 1 on, a changed channel."""
    rng = np.random.default_rng(0)
    maps = {}
    for index in range(layers):
        maps[f"stage{index // 75}.{index // 5}.layer{index}"] = rng.random((4, channels, side, side), dtype=np.float32) + 0.5
    last = maps[f"stage3.59.layer{layers - 1}"]
    last[:, 33] = 0
    last[:, 44] *= 1000
    last[:, 55] += 3 * step
    return maps


def test_planted_channels_of_the_last_of_300_layers_are_pictured_within_the_bytes_of_a_step(tmp_path):
    with fm.Monitor(tmp_path, every=1, layouts="channels_first", max_bytes=800_000, strict=True) as monitor:
        for step in range(2):
            monitor.log(step, activations=network(300, 64, 14, step))
    run = read_run(tmp_path)
    assert max(progress(run, "step_logged_bytes")) <= 800_000
    blob = picture(tmp_path, "maps", "stage3.59.layer299", 1)
    assert {33, 44, 55} <= set(blob.header["channels"])
    low, high = (blob.array("stats")[blob.header["stats"].index(name)] for name in ("low", "high"))
    place = blob.header["channels"].index(44)
    codes = blob.array("pixels")[0, place].astype(float)
    truth = network(300, 64, 14, 1)["stage3.59.layer299"][0, 44]
    np.testing.assert_allclose(low[44] + (high[44] - low[44]) * codes / 252, truth, atol=(high[44] - low[44]) / 250)
    assert np.isnan(low[1]) or 1 in blob.header["channels"]
    left_out = record_of(run).left_out
    assert left_out["maps/stage0.0.layer0"].startswith(
        "no picture, to stay within max_bytes=800_000; a larger max_bytes, or fewer layers=[...], brings more"
    )
    assert left_out["maps/stage3.59.layer299"].startswith("only some of 64 channels or of 4 images")
    places = sorted(int(name.rpartition("layer")[2]) for name in picture_names(run, "maps"))
    assert places[-1] == 299
    assert np.diff(places).max() < 30


@pytest.mark.parametrize("shape", [(64, 64, 3, 3), (2048, 512), (256, 4096), (3, 3)])
def test_sizes_of_kernels_from_shapes_are_never_too_small(tmp_path, shape):
    kernel = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with fm.Monitor(tmp_path, every=1, layouts="channels_first", strict=True, max_bytes=None) as monitor:
        for step in range(3):
            monitor.log(step, weights={"w": kernel + step})
    size = len(EventBytes(tmp_path).of("filters", "w", 2))
    layout = "OIHW" if len(shape) == 4 else "OI"
    most = filters_demand("filters/w", shape, layout, None, 2, first=False).most().size
    assert size <= most
    assert size > 0.2 * most or most < 3000


class EventBytes:
    def __init__(self, logdir):
        from tb_featuremap_plugin.reading.events import EventSource

        self.source = EventSource(str(logdir))

    def of(self, kind, name, step):
        return self.source.picture("featuremaps", kind, name, step)


def test_kernels_have_a_quarter_of_a_step(tmp_path):
    rng = np.random.default_rng(0)
    weights = {f"layer{index}/kernel": rng.normal(size=(3, 3, 64, 64)).astype(np.float32) for index in range(12)}
    weights["fc/kernel"] = rng.normal(size=(600, 600)).astype(np.float32)
    maps = {"layer11": rng.random((4, 32, 32, 64), dtype=np.float32)}
    with fm.Monitor(tmp_path, every=1, max_bytes=1_000_000, strict=True) as monitor:
        for step in range(3):
            monitor.log(step, activations=maps, weights=weights)
    run = read_run(tmp_path)
    source = EventBytes(tmp_path)
    names = [series.name for series in run.pictures if series.kind == "filters"]
    assert all(picture_steps(run, "filters", name) == [0, 1, 2] for name in names), "the same ones at every step"
    assert sum(len(source.of("filters", name, 2)) for name in names) <= 250_000
    assert {"layer11/kernel", "fc/kernel"} & set(names)
    assert max(progress(run, "step_logged_bytes")) <= 1_000_000
    assert set(variables_of(run).rows) == set(weights)


def simulated(size, limit, steps):
    """Logged steps that have pictures of this size each, and the bytes of all."""
    budget, due = RunBudget(limit), []
    for step in range(steps):
        if budget.is_due() and size <= budget.left:
            due.append(step)
            budget.used += size
    return due, budget.used


def test_intervals_double_when_half_is_used():
    assert [stride(used, 100) for used in (0, 49, 50, 56, 57, 62, 63, 99)] == [1, 1, 2, 2, 4, 8, 8, 1 << 30]
    assert stride(10**12, None) == 1
    assert stride(100, 100) > 10**18


@pytest.mark.parametrize("size", [100_000, 1_000_000, 16_000_000])
def test_a_run_of_450_000_steps_has_pictures_to_its_end_within_its_bytes(size):
    logged = 7 + 4_500
    due, used = simulated(size, 512_000_000, logged)
    assert used <= 512_000_000
    gaps = np.diff([*due, logged])
    assert due[: min(logged, 256_000_000 // size)] == list(range(min(logged, 256_000_000 // size)))
    assert gaps.max() <= logged / 2, "the last picture is in the last half of the run"
    assert all(gap & (gap - 1) == 0 for gap in gaps[:-1].tolist()), "powers of two"
    assert (np.diff(gaps[:-1]) >= 0).all()


@given(st.integers(1, 50_000), st.integers(1, 3_000))
def test_a_run_never_takes_more_than_its_bytes(size, steps):
    assert simulated(size, 100_000, steps)[1] <= 100_000


def logged_run(folder, steps, limit, start=0):
    rng = np.random.default_rng(1)
    with fm.Monitor(folder, every=1, max_run_bytes=limit, strict=True) as monitor:
        for step in range(start, start + steps):
            monitor.log(step, activations={"a": rng.random((1, 16, 16, 8), dtype=np.float32)}, weights={"w": np.ones(3)})
    return read_run(folder)


def test_pictures_of_a_run_thin_out_and_numbers_do_not(tmp_path):
    run = logged_run(tmp_path, 60, 60_000)
    steps = picture_steps(run, "maps", "a")
    gaps = np.diff(steps)
    assert steps[0] == 0
    assert gaps[0] == 1
    assert gaps.max() >= 4
    assert (np.diff(gaps) >= 0).all()
    assert variables_of(run).steps.tolist() == list(range(60))
    assert sum(size.stat().st_size for size in tmp_path.rglob("*tfevents*")) < 60_000 + 60 * 1_200
    assert "max_run_bytes=60_000" in record_of(run).left_out["pictures"]


def test_a_run_that_is_resumed_goes_on_with_its_count(tmp_path):
    first = picture_steps(logged_run(tmp_path, 15, 120_000), "maps", "a")
    assert first == list(range(15))
    both = picture_steps(logged_run(tmp_path, 60, 120_000, start=15), "maps", "a")
    alone = picture_steps(logged_run(tmp_path / "alone", 75, 120_000), "maps", "a")
    assert both[:15] == first
    assert 15 < len(both) <= len(alone)
    assert np.diff(both).max() >= 2


def test_none_is_no_limit(tmp_path):
    with fm.Monitor(tmp_path, every=1, max_bytes=None, max_run_bytes=None, layouts="channels_first") as monitor:
        monitor.log(0, activations=network(300, 64, 14, 0))
    run = read_run(tmp_path)
    assert len(picture_names(run, "maps")) == 300
    assert record_of(run).left_out == {}
