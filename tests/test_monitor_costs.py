"""What logging may cost, and what it keeps in memory."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.monitor.progress import Losses, LossSummary
from tb_featuremap_plugin.monitor.schedule import FREE_RECORDS, TimeBudget
from tb_featuremap_plugin.monitor.snapshots import Snapshots, change_of
from tests.support.known import known, variables_of
from tests.support.monitored import progress, read_run


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def train(budget, clock, steps, *, step_seconds, log_seconds):
    """Every step is scheduled; returns those that were logged, with the stretch of each."""
    logged = {}
    budget.start()
    for step in range(steps):
        if budget.allows():
            with budget.holding():
                clock.now += log_seconds
            logged[step] = budget.stretch()
        clock.now += step_seconds
    return logged


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3])
def test_the_time_budget_is_kept(share):
    clock = Clock()
    budget = TimeBudget(share, clock)
    logged = train(budget, clock, 20_000, step_seconds=0.01, log_seconds=0.02)
    assert budget.log_seconds / clock.now == pytest.approx(share, rel=0.1)
    assert budget.log_seconds + budget.train_seconds == pytest.approx(clock.now)
    assert list(logged)[:FREE_RECORDS] == list(range(FREE_RECORDS))
    assert sum(logged.values()) == max(logged) + 1


def test_no_budget_holds_nothing_back():
    clock = Clock()
    assert set(train(TimeBudget(None, clock), clock, 50, step_seconds=0.0, log_seconds=1.0).values()) == {1}


def test_work_behind_the_loop_counts_and_does_not_hold_it():
    clock = Clock()
    budget = TimeBudget(0.5, clock)
    budget.start()
    with budget.behind():
        clock.now += 3
    assert (budget.log_seconds, budget.train_seconds) == (3, 3)


def test_a_monitor_stretches_its_interval_and_says_so(tmp_path):
    monitor = fm.Monitor(tmp_path, every=1, max_overhead=1e-9, strict=True)
    for step in range(60):
        monitor.log(step, weights={"w": np.ones(1000)})
    monitor.close()
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist()[-1] == 59
    assert FREE_RECORDS + 1 <= len(variables_of(run).steps) <= FREE_RECORDS + 4
    assert progress(run, "stretch")[-1] >= 50
    assert progress(run, "seen_steps")[-1] == 60


def test_costs_are_reported(tmp_path):
    with fm.Monitor(tmp_path, every=1, strict=True) as monitor:
        for step in range(4):
            monitor.log(step, activations={"conv": np.random.default_rng(step).random((2, 8, 8, 4))})
    run = read_run(tmp_path)
    size = next(tmp_path.rglob("*tfevents*")).stat().st_size
    total = progress(run, "logged_bytes")
    assert total[-1] == pytest.approx(sum(progress(run, "step_logged_bytes")))
    assert 0.8 * size < total[-1] < size
    seconds = progress(run, "log_seconds")
    assert seconds == sorted(seconds)
    assert all(0 < step <= so_far for step, so_far in zip(progress(run, "step_log_seconds"), seconds, strict=True))


@pytest.mark.parametrize(("keep_first", "copies"), [(True, 3), (False, 2)])
def test_at_most_three_copies_of_the_weights_are_kept(keep_first, copies):
    snapshots, living = Snapshots(keep_first=keep_first), []
    for step in range(10):
        value = np.full(10, step)
        living.append(weakref.ref(value))
        snapshots.keep(step, "w", value, owned=True)
        del value
        gc.collect()
        assert sum(reference() is not None for reference in living) <= copies


def test_between_logged_steps_nothing_is_kept_of_a_step(tmp_path):
    monitor = fm.Monitor(tmp_path, every=lambda step: step == 0, strict=True)
    monitor.log(0)
    maps, gradient = np.ones(3), np.ones(3)
    living = [weakref.ref(maps), weakref.ref(gradient)]
    monitor.log(1, activations={"a": maps}, gradients={"a": gradient})
    del maps, gradient
    gc.collect()
    assert [reference() for reference in living] == [None, None]
    monitor.close()


def change_after(snapshots, step, value, gradient=None):
    """What a read of a variable is compared with."""
    known = snapshots.known(step, "w", value)
    snapshots.keep(step, "w", value, owned=True)
    return change_of(known, gradient)


def test_updates_over_unequal_gaps_are_not_compared():
    snapshots = Snapshots(keep_first=True)
    changes = [change_after(snapshots, step, np.array([float(step) ** 2])) for step in (0, 1, 3, 5)]
    assert [change.gap for change in changes][1:] == [1, 2, 2]
    assert ["previous_update" in change.compared() for change in changes] == [False, False, False, True]
    assert changes[3].compared()["previous_update"] == 8


def test_a_variable_that_changes_its_shape_starts_anew():
    snapshots = Snapshots(keep_first=True)
    change_after(snapshots, 0, np.ones(3))
    change = change_after(snapshots, 1, np.ones(4), np.ones(3))
    assert (change.previous, change.initial, change.gradient) == (None, None, None)


def test_updates_of_whole_numbers_and_of_half_precision_do_not_wrap():
    for dtype in (np.uint8, np.float16):
        snapshots = Snapshots(keep_first=False)
        for step, value in enumerate((200, 100, 250)):
            change = change_after(snapshots, step, np.array([value], dtype))
        assert change.compared()["previous_update"] == -100


def test_very_many_losses_between_records_are_bounded_in_tensors():
    class Scalar(float):
        living = 0

        def __init__(self, value):
            Scalar.living += 1

        def __del__(self):
            Scalar.living -= 1

    losses = Losses()
    for step in range(20_000):
        losses.add(step, Scalar(step))
    assert Scalar.living <= 8192
    assert known(losses.take(19_999), "loss")[:, 1].tolist() == list(range(20_000))
    assert losses.take(20_000) is None


def test_jumps_are_relative_to_the_median_of_sixteen():
    summary = LossSummary()
    for step, loss in enumerate([100.0] * 20 + [1.0] * 16 + [10.0]):
        summary.add(step, loss)
    assert (summary.largest_jump, summary.largest_jump_step) == (10.0, 36)
