"""The runs of `make soak` in small: memory that stays flat, nothing leaked, a disk that is not filled."""

from __future__ import annotations

import pytest

from tb_featuremap_plugin.reading.events import EventSource
from tests.support.known import layers_of, variables_of
from tests.support.soaking import MEGABYTE, MONITOR, WRITER, WRITERS, assert_flat, report, size_of, soak

pytest.importorskip("psutil")


def test_a_monitor_holds_no_more_after_thousands_of_steps(tmp_path):
    samples, _ = soak(MONITOR, tmp_path / "logs", 1000, 50)
    print(report("Monitor", samples))
    assert_flat(samples, 8 * MEGABYTE)
    (run,) = EventSource(tmp_path / "logs").runs()
    assert layers_of(run).steps.tolist() == list(range(1001))
    assert run.problems == ()


def test_a_writer_with_a_cap_holds_its_disk_and_its_memory(tmp_path):
    cap = 500_000
    samples, [[failed, dropped, caught]] = soak(WRITER, tmp_path / "run", 2500, 100, cap)
    print(report("Writer", samples))
    assert_flat(samples, 8 * MEGABYTE)
    assert cap < size_of(tmp_path) < 2 * cap + 10_000
    assert failed == 0
    assert dropped > 1000
    assert len(caught) == 1
    run = EventSource(tmp_path).run("run")
    assert run.pictures[0].steps.tolist() == list(range(len(run.pictures[0].steps)))
    assert len(variables_of(run).steps) > len(run.pictures[0].steps) > 100


def test_writers_that_are_closed_or_forgotten_leave_no_thread_and_no_handle(tmp_path):
    samples, _ = soak(WRITERS, tmp_path, 300, 30)
    print(report("Writers opened", samples))
    assert_flat(samples, 8 * MEGABYTE)
    assert samples[-1].threads <= samples[0].threads + 1  # on a busy machine the last one's may be about to end
