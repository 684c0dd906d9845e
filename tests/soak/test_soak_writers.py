"""100,000 logged steps, and 200 kills: `make soak`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tb_featuremap_plugin.reading.events import EventSource
from tests.support import children
from tests.support.killing import assert_all_there, write_until_killed
from tests.support.known import layers_of
from tests.support.soaking import MEGABYTE, MONITOR, WRITER, WRITERS, assert_flat, report, size_of, soak

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]

STEPS = 100_000
KILLS = 200


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    monkeypatch.setattr(children, "SECONDS", 7000)


def test_a_monitor_of_100_000_logged_steps(tmp_path):
    samples, _ = soak(MONITOR, tmp_path / "logs", STEPS, 1000)
    print(report("Monitor, every step logged", samples))
    assert_flat(samples, 20 * MEGABYTE)
    (run,) = EventSource(tmp_path / "logs").runs()
    assert len(layers_of(run).steps) == STEPS + 1
    assert run.problems == ()


def test_a_writer_of_100_000_steps_with_a_cap(tmp_path):
    cap = 20 * MEGABYTE
    samples, [[failed, dropped, caught]] = soak(WRITER, tmp_path / "run", STEPS, 1000, cap)
    print(report("Writer, cap of 20 MiB", samples), f"disk {size_of(tmp_path) / MEGABYTE:.1f} MiB, {dropped:,} records dropped")
    assert_flat(samples, 20 * MEGABYTE)
    assert size_of(tmp_path) < 2 * cap + MEGABYTE
    assert (failed, len(caught)) == (0, 1)


def test_10_000_writers_one_after_the_other(tmp_path):
    samples, _ = soak(WRITERS, tmp_path, 10_000, 200)
    print(report("Writers opened, every other one forgotten", samples))
    assert_flat(samples, 20 * MEGABYTE)


def test_200_kills_lose_no_flushed_step(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        lasts = list(pool.map(lambda seed: write_until_killed(tmp_path / f"run{seed}", 1000 + seed), range(KILLS)))
    source = EventSource(tmp_path)
    for seed, last in enumerate(lasts):
        assert_all_there(source, f"run{seed}", last)
    print(f"{KILLS} writers killed after {min(lasts)} to {max(lasts)} flushed steps, {sum(lasts) + KILLS:,} in all: 0 lost")
