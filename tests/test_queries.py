"""Both of TensorBoard's loaders, and the event files themselves, give the same runs."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorboard.context import RequestContext
from tensorboard.util import tensor_util

from tb_featuremap_plugin.format import values
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.reading.queries import Memory, ProviderSource
from tb_featuremap_plugin.reading.run import MissingError
from tb_featuremap_plugin.schema import limits, tags
from tests.support import logdirs
from tests.support.known import layers_of, losses_of, progress_of
from tests.support.providers import LOADERS, loaded
from tests.support.same import assert_same_run, assert_same_runs

both_loaders = pytest.mark.parametrize("loader", LOADERS)


def check_same(loader, logdir):
    """Runs, outlines and pictures through a loader are those of the event files."""
    expected = EventSource(logdir)
    with loaded(loader, logdir) as held:
        source = held.source()
        assert_same_runs(source.runs(), expected.runs())
        check_outlines(source, expected)
        for run in expected.runs():
            assert_same_run(source.run(run.name), run)
            for series in run.pictures:
                place = (run.name, series.kind, series.name, series.steps.tolist())
                assert source.map_pictures(*place, bytes) == expected.map_pictures(*place, bytes)


def check_outlines(source, expected):
    ours, theirs = source.outlines(), expected.outlines()
    assert [outline.name for outline in ours] == [outline.name for outline in theirs]
    for own, other in zip(ours, theirs, strict=True):
        assert own.steps.tolist() == other.steps.tolist()
        assert own.logged_steps == other.logged_steps
        assert (own.layer_rows, own.variable_rows) == (other.layer_rows, other.variable_rows)
        assert [series.name for series in own.pictures] == [series.name for series in other.pictures]


@both_loaders
def test_monitored_runs(loader, tmp_path):
    logdirs.write_monitored(tmp_path / "asked" / "featuremaps", [0, 1, 2, 5, 10])
    logdirs.write_monitored(tmp_path / "mended" / "featuremaps", [0, 100], layers=["conv10", "conv2"])
    logdirs.EventLog(tmp_path / "asked").scalar("loss", 0, 1.0)
    check_same(loader, tmp_path)


@both_loaders
def test_single_calls_in_the_root(loader, tmp_path):
    log = logdirs.EventLog(tmp_path)
    for step in range(4):
        log.tensor("featuremaps/layers/conv1", step, np.full((1, 30), step, np.float32))
        log.tensor("featuremaps/variables/conv1/kernel", step, np.full((1, 20), step, np.float32))
        log.maps("conv1", step)
        log.maps("block/conv 2 \u00e9", step)
    check_same(loader, tmp_path)


@both_loaders
def test_a_run_resumed_at_an_earlier_step(loader, tmp_path):
    logdirs.write_monitored(tmp_path / "featuremaps", [0, 10, 20, 30, 40])
    logdirs.write_monitored(tmp_path / "featuremaps", [20, 25], start=logdirs.START_TIME + 5000)
    check_same(loader, tmp_path)
    (run,) = EventSource(tmp_path).runs()
    assert layers_of(run).steps.tolist() == [0, 10, 20, 25]
    assert [series.steps.tolist() for series in run.pictures] == [[0, 10, 20, 25]] * 2
    assert losses_of(run).steps.tolist() == [-1, 0, 9, 10, 19, 20, 24, 25]
    assert run.pictures[0].wall_times[2] > logdirs.START_TIME + 5000


@both_loaders
def test_a_resumed_run_that_no_longer_logs_a_layer(loader, tmp_path):
    logdirs.write_monitored(tmp_path / "featuremaps", [0, 10, 20, 30])
    logdirs.write_monitored(tmp_path / "featuremaps", [20], layers=["conv1"], start=logdirs.START_TIME + 5000)
    check_same(loader, tmp_path)
    (run,) = EventSource(tmp_path).runs()
    assert {series.name: series.steps.tolist() for series in run.pictures} == {"conv1": [0, 10, 20], "conv2": [0, 10]}


@both_loaders
def test_a_resumed_run_whose_clock_went_back(loader, tmp_path):
    first = logdirs.write_monitored(tmp_path / "featuremaps", [0, 10, 20, 30], start=logdirs.START_TIME + 5000)
    second = logdirs.write_monitored(tmp_path / "featuremaps", [20, 40], start=logdirs.START_TIME)
    second.path.rename(first.path.with_name(first.path.name + ".later"))
    check_same(loader, tmp_path)
    (run,) = EventSource(tmp_path).runs()
    assert [series.steps.tolist() for series in run.pictures] == [[0, 10, 20, 40]] * 2


@both_loaders
def test_steps_that_go_back_in_a_shared_file(loader, tmp_path):
    """No start event stands there, so the step that is written again is what tells."""
    log = logdirs.EventLog(tmp_path)
    for step in (0, 5, 10, 15, 3, 4):
        log.tensor("featuremaps/layers/conv1", step, np.full((1, 30), log.wall_time % 1000, np.float32))
        log.maps("conv1", step)
    check_same(loader, tmp_path)
    (run,) = EventSource(tmp_path).runs()
    assert layers_of(run).steps.tolist() == [0, 3, 4]
    assert run.pictures[0].steps.tolist() == [0, 3, 4]


@both_loaders
def test_negative_huge_and_repeated_steps(loader, tmp_path):
    log = logdirs.EventLog(tmp_path)
    for step in (-(2**53), -5, 0, 0, 7, 7, 2**53 - 1, 2**62):
        log.tensor("featuremaps/layers/conv1", step, np.full((1, 30), log.wall_time % 1000, np.float32))
    log.maps("conv1", -5)
    check_same(loader, tmp_path)
    (run,) = EventSource(tmp_path).runs()
    assert layers_of(run).steps.tolist() == [-(2**53), -5, 0, 7, 2**53 - 1]


@both_loaders
def test_several_files_in_one_run(loader, tmp_path):
    for index, steps in enumerate([[0, 1], [2, 3], [4]]):
        log = logdirs.EventLog(tmp_path, start=logdirs.START_TIME + 100 * index)
        for step in steps:
            log.maps("conv1", step)
    check_same(loader, tmp_path)


@both_loaders
def test_a_run_that_grows_and_is_deleted(loader, tmp_path):
    log = logdirs.write_monitored(tmp_path / "live" / "featuremaps", [0, 1])
    logdirs.EventLog(tmp_path / "kept").maps("conv1", 0)
    with loaded(loader, tmp_path) as held:
        memory = held.source()
        assert memory.run("live/featuremaps").pictures[0].steps.tolist() == [0, 1]
        log.maps("conv1", 2)
        log.maps("conv2", 2)
        held.until(lambda source: [2 in series.steps for series in source.run("live/featuremaps").pictures] == [True, True])
        assert memory.run("live/featuremaps").pictures[0].steps.tolist() == [0, 1, 2]
        log.path.unlink()
        log.path.parent.rmdir()
        log.path.parent.parent.rmdir()
        held.until(lambda source: [outline.name for outline in source.outlines()] == ["kept"])
        with pytest.raises(KeyError, match="live"):
            memory.run("live/featuremaps")
        with pytest.raises(KeyError, match="live"):
            memory.picture("live/featuremaps", "maps", "conv1", 2)
        assert memory.map_pictures("live/featuremaps", "maps", "conv1", [0, 1], len) == [None, None]


@both_loaders
def test_one_bad_tensor_costs_its_series(loader, tmp_path):
    log = logdirs.write_monitored(tmp_path / "featuremaps", [0, 1])
    bad = tensor_util.make_tensor_proto(np.ones((2, 30), np.float32))
    bad.tensor_shape.dim[0].size = 77
    log.value("featuremaps/layers/broken", 1, bad, values.tensor_metadata())
    log.value(tags.VARIABLES_TAG, 2, bad, values.tensor_metadata())
    with loaded(loader, tmp_path) as held:
        (run,) = held.source().runs()
        assert layers_of(run).steps.tolist() == [0, 1]
        assert progress_of(run).steps.tolist() == [0, 1]
        assert run.variables is None
        assert {problem.tag for problem in run.problems} == {"featuremaps/layers/broken", tags.VARIABLES_TAG}
        (outline,) = held.source().outlines()
        assert outline.logged_steps == 2


@both_loaders
def test_a_blob_that_claims_a_trillion_elements_is_left_out(loader, tmp_path):
    log = logdirs.EventLog(tmp_path)
    log.maps("conv1", 0)
    lying = tensor_util.make_tensor_proto([b"x"])
    lying.tensor_shape.dim[0].size = 10**12
    log.value("featuremaps/maps/conv2", 0, lying, values.blob_metadata())
    with loaded(loader, tmp_path) as held:
        (run,) = held.source().runs()
        assert "conv1" in [series.name for series in run.pictures]
        assert held.source().picture(".", "maps", "conv1", 0)


@both_loaders
def test_scalars_of_siblings(loader, tmp_path):
    logdirs.write_monitored(tmp_path / "asked" / "featuremaps", [0])
    train = logdirs.EventLog(tmp_path / "asked" / "train")
    for step in range(3):
        train.scalar("loss", step, step + 0.5)
        train.legacy_scalar("accuracy", step, 0.25)
    logdirs.EventLog(tmp_path / "other").scalar("loss", 0, 9.0)
    expected = EventSource(tmp_path)
    with loaded(loader, tmp_path) as held:
        source = held.source()
        assert source.scalar_names("asked/featuremaps") == expected.scalar_names("asked/featuremaps")
        for tag in ("loss", "accuracy"):
            own, other = source.scalar("asked/train", tag), expected.scalar("asked/train", tag)
            assert (own.steps.tolist(), own.values.tolist()) == (other.steps.tolist(), other.values.tolist())
        for run, tag in [("asked/train", "nothing"), ("nothing", "loss")]:
            with pytest.raises(KeyError, match="no scalar"):
                source.scalar(run, tag)
        with pytest.raises(KeyError, match="no run"):
            source.scalar_names("other")


@both_loaders
def test_at_least_a_hundred_pictures_and_every_number_of_300_steps_are_kept(loader, tmp_path):
    logdirs.write_many_steps(tmp_path, 300)
    with loaded(loader, tmp_path) as held:
        (run,) = held.source().runs()
        assert layers_of(run).steps.tolist() == list(range(300))
        (series,) = run.pictures
        assert len(series.steps) >= 100
        assert {0, 299} <= set(series.steps.tolist())
        expected = EventSource(tmp_path)
        for step in (0, 299, int(series.steps[50])):
            assert held.source().picture(".", "maps", "conv1", step) == expected.picture(".", "maps", "conv1", step)


def random_history(seed, folder):
    """Sessions of a run, each resumed at any step, that log what they like and end when they like."""
    chance = random.Random(seed)
    first_step, wall_time = 0, logdirs.START_TIME
    for _ in range(chance.randint(1, 4)):
        steps = sorted({first_step, *(first_step + chance.randint(0, 12) for _ in range(chance.randint(0, 6)))})
        log = logdirs.EventLog(folder, start=wall_time)
        log.start(steps[0])
        for step in steps:
            for tag in chance.sample(["a", "b", "c"], chance.randint(1, 3)):
                log.maps(tag, step)
                log.tensor(f"featuremaps/layers/{tag}", step, np.full((1, 30), log.wall_time % 1000, np.float32))
        wall_time = log.wall_time + 100
        first_step = chance.randint(0, steps[-1])


@both_loaders
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(seeds=st.lists(st.integers(0, 2**32), min_size=6, max_size=6, unique=True))
def test_resumed_runs_read_the_same_whatever_they_logged(loader, tmp_path_factory, seeds):
    logdir = tmp_path_factory.mktemp("histories")
    for index, seed in enumerate(seeds):
        random_history(seed, logdir / f"run{index}")
    check_same(loader, logdir)


@both_loaders
def test_many_pictures_that_are_gone_hold_nothing_up(loader, tmp_path):
    """More of them than there are threads: each looked the run up again, in a thread, and waited for a thread to do it."""
    logdirs.write_monitored(tmp_path / "run", [0, 1, 2])
    with loaded(loader, tmp_path) as held:
        gone = list(range(1000, 1040))
        assert held.source().map_pictures("run", "maps", "conv1", [0, *gone], len)[1:] == [None] * len(gone)
        assert held.source().map_pictures("nowhere", "maps", "conv1", gone, len) == [None] * len(gone)


@both_loaders
def test_of_a_run_that_grows_only_the_latest_reading_is_kept(loader, tmp_path):
    """Each reload makes another run of it: over hours, all of them together would fill the memory."""
    log, memory = logdirs.write_monitored(tmp_path / "run", [0, 1]), Memory()
    with loaded(loader, tmp_path) as held:
        for step in range(2, 6):
            log.maps("conv1", step)
            held.until(partial(_shows, step))
            source = ProviderSource(held.provider, RequestContext(), "", memory)
            assert source.derive("run", _last_step) == source.outline("run").steps[-1] == step
    assert [len(kept) for kept in (memory.runs, memory.outlines, memory.derived, memory.listed)] == [1, 1, 1, 1]


@both_loaders
def test_two_runs_are_compared_once_until_one_of_them_grows(loader, tmp_path):
    log, memory, compared = logdirs.write_monitored(tmp_path / "a", [0, 1]), Memory(), []
    logdirs.write_monitored(tmp_path / "b", [0, 1])

    def last_steps(a, b, pictures):
        assert pictures.picture("a", "maps", "conv1", 0) == pictures.picture("b", "maps", "conv1", 0)
        compared.append((_last_step(a), _last_step(b)))
        return compared[-1]

    with loaded(loader, tmp_path) as held:

        def derived(a, b):
            return ProviderSource(held.provider, RequestContext(), "", memory).derive_pair(a, b, last_steps)

        assert derived("a", "b") == derived("a", "b") == (1, 1)
        log.maps("conv1", 2)
        held.until(lambda source: 2 in source.run("a").pictures[0].steps)
        assert derived("a", "b") == derived("a", "b") == (2, 1)
        assert derived("b", "a") == (1, 2)
        assert compared == [(1, 1), (2, 1), (1, 2)]
        with pytest.raises(MissingError, match="nowhere"):
            derived("a", "nowhere")


def _shows(step, source):
    return step in source.run("run").pictures[0].steps


def _last_step(run):
    return int(run.pictures[0].steps[-1])


@both_loaders
def test_a_tensor_that_claims_numbers_it_does_not_have_costs_its_point(loader, tmp_path):
    """TensorBoard fills the shape before a reader sees it: what comes out is too large for a table, and goes again."""
    log = logdirs.EventLog(tmp_path / "run")
    for step, name in enumerate(["good", "lying"]):
        log.tensor(f"featuremaps/layers/{name}", step, np.full((1, 30), step, np.float32))
    lying = tensor_util.make_tensor_proto(np.array([[1]], np.float32))
    lying.tensor_shape.dim[1].size = limits.MAX_TABLE_CELLS + 1
    log.value("featuremaps/layers/lying", 2, lying, values.tensor_metadata())
    with loaded(loader, tmp_path) as held:
        run = held.source().run("run")
    assert layers_of(run).steps.tolist() == [0, 1]
    assert layers_of(run).rows == ("good", "lying")
    (problem,) = run.problems
    assert (problem.tag, str(limits.MAX_TABLE_CELLS + 1) in problem.message) == ("featuremaps/layers/lying", True)


@pytest.mark.parametrize("call", ["list_blob_sequences", "list_tensors", "read_blob_sequences", "read_tensors"])
def test_a_series_that_the_loader_is_just_taking_in_is_asked_for_again(tmp_path, call):
    """Between a series' name and its first point, TensorBoard's Python loader raises KeyError."""
    logdirs.write_monitored(tmp_path / "run", [0, 1])

    class TakingIn:
        def __init__(self, provider):
            self.provider, self.raised = provider, 0

        def __getattr__(self, name):
            def asked(*args, **kwargs):
                if name == call and self.raised < 2:
                    self.raised += 1
                    raise KeyError("Key . was not found in Reservoir")
                return getattr(self.provider, name)(*args, **kwargs)

            return asked

    with loaded("python", tmp_path) as held:
        taking = TakingIn(held.provider)
        expected, found = (ProviderSource(one, RequestContext(), "", Memory()) for one in (held.provider, taking))
        assert [outline.name for outline in found.outlines()] == ["run"]
        assert_same_run(found.run("run"), expected.run("run"))
    assert taking.raised == 2
