"""A run that is resumed: every number says what it is of, whichever session wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.reading.run import Source
from tb_featuremap_plugin.schema import limits
from tb_featuremap_plugin.schema.network import RunRecord
from tests.support import logdirs
from tests.support.known import layers_of
from tests.support.monitored import layer_numbers, numbers, picture, progress
from tests.support.providers import LOADERS, loaded

RUN = "featuremaps"
LAST = 21
RESUMED_AT = 13
LOSSES = {step: float(loss) for step, loss in enumerate([0, 9, 8, 7, 6.5, 0.5, 6, 5, 4, 4, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2, 1, 1])}


def weights(step: int) -> np.ndarray:
    """A kernel that grows, and turns while it does."""
    return np.array([[1.0 + step, np.sin(step)]], np.float32)


def maps(layer: str, step: int) -> np.ndarray:
    return np.full((2, 3, 3, 2), step + 100 * len(layer), np.float32)


def train(logdir, first: int, last: int, layers: tuple[str, ...], *, targets: bool) -> None:
    """Logs every third step, and the first and last one."""
    with fm.Monitor(logdir, every=3) as monitor:
        for step in range(first, last + 1):
            monitor.log(
                step,
                inputs=np.full((2, 3), 7, np.float32),
                targets=np.full((2, 1), -step, np.float32) if targets else None,
                activations={name: maps(name, step) for name in layers},
                weights={"out/kernel": weights(step)},
                loss=LOSSES[step] if step else None,
            )


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    """Steps 0 to 21; resumed at 13 without targets and without the first layer, but with a new one before the other."""
    folder = tmp_path_factory.mktemp("resumed")
    train(folder, 0, LAST, ("first", "out"), targets=True)
    train(folder, RESUMED_AT, LAST, ("newer", "out"), targets=False)
    return folder


@contextmanager
def opened(how: str, folder) -> Iterator[Source]:
    if how == "files":
        yield EventSource(folder)
    else:
        with loaded(how, folder) as held:
            yield held.source()


@pytest.fixture(params=["files", *LOADERS])
def run(request, logdir):
    with opened(request.param, logdir) as source:
        return source.run(RUN)


BEFORE, AFTER = [0, 1, 2, 3, 6, 9, 12], [15, 18, 21]


def test_rows_are_those_that_the_session_named(run):
    """The second session's rows are others, in another order: no number of the first may stand under their names."""
    assert run.layers.steps.tolist() == [*BEFORE, *AFTER]
    everywhere = dict.fromkeys([*BEFORE, *AFTER], np.nan)
    expected = {
        "@inputs": dict.fromkeys([*BEFORE, *AFTER], 7),
        "@targets": everywhere | {step: -step for step in BEFORE},
        "first": everywhere | {step: step + 500 for step in BEFORE},
        "newer": everywhere | {step: step + 500 for step in AFTER},
        "out": {step: step + 300 for step in [*BEFORE, *AFTER]},
    }
    for row, means in expected.items():
        assert layer_numbers(run, row, "mean") == pytest.approx(means, nan_ok=True), row
    assert run.layers.rows[:3] == ("@inputs", "newer", "out")
    assert run.problems == ()


def test_displacement_says_from_which_value_it_is_measured(run):
    found, firsts = numbers(run, "out/kernel", "displacement"), numbers(run, "out/kernel", "first_step")
    assert firsts == dict.fromkeys(BEFORE, 0) | dict.fromkeys(AFTER, RESUMED_AT)
    expected = {step: np.linalg.norm(weights(step) - weights(int(firsts[step]))) for step in found}
    assert found == pytest.approx(expected, rel=1e-6)
    norms = {step: np.linalg.norm(weights(int(firsts[step]))) for step in found}
    assert numbers(run, "out/kernel", "initial_norm") == pytest.approx(norms, rel=1e-6)


def test_counts_and_losses_are_of_the_whole_run(run):
    """What the first session did after the step of the resume is gone, and was never counted."""
    assert progress(run, "logged_steps") == list(range(1, len(BEFORE) + len(AFTER) + 1))
    assert progress(run, "seen_steps") == [step + 1 for step in [*BEFORE, *AFTER]]
    assert progress(run, "first_loss")[1:] == [9.0] * (len(BEFORE) + len(AFTER) - 1)
    assert progress(run, "lowest_loss")[-1] == 0.5
    assert progress(run, "lowest_loss_step")[-1] == 5
    assert np.diff(progress(run, "logged_bytes")).min() > 0
    assert np.diff(progress(run, "log_seconds")).min() >= 0


def test_of_very_many_sessions_the_oldest_rows_are_named_by_the_oldest_record_that_is_read(tmp_path):
    """A job that is preempted again and again names the same rows each time; reading it costs a bounded number of records."""
    log = logdirs.EventLog(tmp_path)
    sessions = limits.MAX_SESSIONS + 5
    for step in range(sessions):
        log.start(step)
        log.run(RunRecord(layer_rows=("same", f"of {step}")), step)
        log.tensor("featuremaps/layers", step, np.full((2, 1), step, np.float32))
    (run,) = EventSource(tmp_path).runs()
    assert layer_numbers(run, "same", "ordinal") == {step: step for step in range(sessions)}
    oldest = sessions - limits.MAX_SESSIONS
    assert f"of {oldest - 1}" not in layers_of(run).rows
    kept = layer_numbers(run, f"of {oldest}", "ordinal")
    assert {step for step, number in kept.items() if not np.isnan(number)} == set(range(oldest + 1))
    assert run.problems == ()


def test_a_session_whose_record_is_damaged_costs_its_rows(tmp_path):
    log = logdirs.EventLog(tmp_path)
    for step, blob in enumerate([b"nonsense", None]):
        log.start(step)
        if blob:
            log.blob("featuremaps/run", step, blob)
        else:
            log.run(RunRecord(layer_rows=("conv",)), step)
        log.tensor("featuremaps/layers", step, np.full((1, 1), step + 1, np.float32))
    (run,) = EventSource(tmp_path).runs()
    assert layer_numbers(run, "conv", "ordinal") == {1: 2.0}
    assert "no run record that could be read names its rows" in [problem.message for problem in run.problems]


def test_the_picture_of_a_large_kernel_says_from_which_value_it_differs(tmp_path):
    def kernel(step: int) -> np.ndarray:
        return np.full((1200, 500), 1 + step, np.float32)

    for first, last in [(0, 4), (3, 6)]:
        with fm.Monitor(tmp_path, every=1) as monitor:
            for step in range(first, last + 1):
                monitor.log(step, activations={"out": np.zeros((1, 500), np.float32)}, weights={"out/kernel": kernel(step)})
    for step, first in [(2, 0), (3, 3), (6, 3)]:
        found = picture(tmp_path, "filters", "out/kernel", step)
        assert found.header["first_step"] == first
        differences = found.array("first_difference")
        assert differences.min() == differences.max() == step - first
