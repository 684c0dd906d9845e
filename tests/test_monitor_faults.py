"""Logging never breaks training: what fails costs one warning, or an exception where that was asked for."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.reading.events import EventSource
from tests.support import children
from tests.support.known import layers_of, losses_of, progress_of, record_of, variables_of
from tests.support.monitored import layer_numbers, numbers, picture_names, progress, read_run

X = np.ones((2, 4, 4, 1), np.float32)


def log_all(monitor, steps, **arguments):
    for step in steps:
        monitor.log(step, **arguments)


def fails():
    raise RuntimeError("the probe does not fit")


def test_a_failing_callable_is_one_warning_and_costs_itself_alone(tmp_path):
    monitor = fm.Monitor(tmp_path, every=1)
    with pytest.warns(RuntimeWarning, match="RuntimeError: the probe does not fit") as caught:
        log_all(monitor, range(3), activations=fails, weights={"w": X}, loss=1.0)
    assert len(caught) == 1
    monitor.log(3, activations={"conv": X})
    monitor.close()
    run = read_run(tmp_path)
    assert layers_of(run).steps.tolist() == [3]
    assert variables_of(run).steps.tolist() == [0, 1, 2]
    assert losses_of(run).steps.tolist() == [0, 1, 2]
    assert progress(run, "dropped_records") == [0, 0, 0, 0]
    assert record_of(run).left_out == {"activations": "RuntimeError: the probe does not fit"}


def test_a_failure_is_raised_where_that_was_asked_for(tmp_path):
    monitor = fm.Monitor(tmp_path, strict=True)
    with pytest.raises(RuntimeError, match="does not fit"):
        monitor.log(0, activations=fails)
    monitor.close()


def test_what_one_layer_spoils_the_others_keep(tmp_path):
    monitor = fm.Monitor(tmp_path, layouts={"bad": "NCW"}, every=1)
    monitor.log(0, activations={"bad": X, "good": X}, weights={"w": np.ones(3)})
    with pytest.warns(RuntimeWarning, match="NCW"):
        monitor.flush()
    monitor.close()
    run = read_run(tmp_path)
    assert layer_numbers(run, "good", "mean") == {0: 1.0}
    assert picture_names(run, "maps") == {"good"}
    assert numbers(run, "w", "size") == {0: 3.0}


def test_an_unwritable_logdir_is_one_warning_and_training_finishes(tmp_path):
    (tmp_path / "file").write_text("a file where a folder should be")
    with pytest.warns(RuntimeWarning, match="logging to") as caught, fm.Monitor(tmp_path / "file", every=1) as monitor:
        log_all(monitor, range(20), activations={"conv": X}, weights={"w": np.ones(3)})
    assert len(caught) == 1


@pytest.mark.parametrize("steps", [(3, 3), (3, 2), (-1,)])
def test_steps_must_increase(tmp_path, steps):
    monitor = fm.Monitor(tmp_path, strict=True)
    with pytest.raises(ValueError, match="step is"):
        log_all(monitor, steps)
    monitor.close()


def test_a_step_is_a_whole_number(tmp_path):
    monitor = fm.Monitor(tmp_path, strict=True)
    with pytest.raises(TypeError, match=r"step is 1\.5; allowed are whole numbers"):
        monitor.log(1.5)
    monitor.log(np.int64(2))
    monitor.close()


def test_closing_twice_is_fine_and_logging_afterwards_is_not(tmp_path):
    monitor = fm.Monitor(tmp_path)
    monitor.log(0, weights={"w": np.ones(3)})
    monitor.close()
    monitor.close()
    with pytest.warns(RuntimeWarning, match="after close"):
        monitor.log(1, weights={"w": np.ones(3)})
    assert variables_of(read_run(tmp_path)).steps.tolist() == [0]


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"every": 0}, ValueError, "every is 0"),
        ({"every": "often"}, TypeError, "every is 'often'"),
        ({"layers": ["conv"]}, TypeError, "layers holds 'conv'"),
        ({"layers": [fm.Layer("a"), fm.Layer("a")]}, ValueError, "two layers named 'a'"),
        ({"run_name": "../elsewhere"}, ValueError, "run_name is"),
        ({"run_name": ""}, ValueError, "run_name is"),
        ({"run_name": None}, TypeError, "run_name is None"),
        ({"max_overhead": 0}, ValueError, "max_overhead is 0"),
        ({"max_overhead": 1.5}, ValueError, "max_overhead is 1.5"),
        ({"max_bytes": 0}, ValueError, "max_bytes is 0"),
        ({"max_bytes": 1e6}, TypeError, "max_bytes is 1000000.0"),
        ({"max_images": 0}, ValueError, "max_images is 0"),
        ({"max_channels": True}, TypeError, "max_channels is True"),
        ({"precision": "int8"}, ValueError, "precision is 'int8'"),
        ({"layouts": "NHWC"}, ValueError, "layouts is 'NHWC'"),
        ({"layouts": {"*": "NHWC"}}, ValueError, "layouts is"),
        ({"layouts": {"conv": "XX"}}, ValueError, "layout is 'XX'"),
        ({"optimizer": object()}, TypeError, "optimizer is a object; allowed is its name"),
        ({"loss": len}, TypeError, "loss is a builtin_function_or_method"),
        ({"from_logits": "yes"}, TypeError, "from_logits is 'yes'"),
        ({"weight_decay": "a"}, TypeError, "weight_decay is 'a'"),
        ({"weight_decay": -1}, ValueError, "weight_decay is -1"),
    ],
)
def test_wrong_arguments_are_told_at_once(tmp_path, arguments, error, says):
    with pytest.raises(error, match=says):
        fm.Monitor(tmp_path, **arguments)


@pytest.mark.parametrize("logdir", [None, 3])
def test_a_logdir_is_a_path(logdir):
    with pytest.raises(TypeError, match=f"logdir is {logdir}"):
        fm.Monitor(logdir)


@pytest.mark.parametrize(
    ("arguments", "error"), [({"name": 3}, TypeError), ({"groups": 0}, ValueError), ({"strides": "a"}, TypeError), ({"kind": 2}, TypeError)]
)
def test_a_layer_is_made_of_names_and_sizes(arguments, error):
    with pytest.raises(error, match=next(iter(arguments))):
        fm.Layer(**{"name": "conv", **arguments})


@pytest.mark.parametrize("tree", [{"a": "q"}, {"a": None}, "abc", 3])
def test_what_holds_no_array_is_told(tmp_path, tree):
    monitor = fm.Monitor(tmp_path, strict=True)
    with pytest.raises(TypeError, match=r"activations is .* holds no array"):
        monitor.log(0, activations=tree)
    monitor.log(1, activations={}, weights=[], gradients={"w": None})
    monitor.close()


def test_bad_numbers_are_recorded_as_what_they_are(tmp_path):
    bad = np.array([[np.nan, np.inf, -np.inf, 0]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fm.Monitor(tmp_path, every=1, strict=True) as monitor:
            for step in range(2):
                monitor.log(step, inputs=bad, activations={"a": bad}, weights={"w": bad * (step + 1)}, gradients={"w": bad}, loss=np.nan)
    run = read_run(tmp_path)
    assert [layer_numbers(run, row, "nan")[1] for row in ("@inputs", "a")] == [1, 1]
    assert numbers(run, "w", "pos_inf")[1] == 1
    assert numbers(run, "w", "gradient_nonfinite")[1] == 3
    assert progress(run, "first_nonfinite_loss_step") == [0, 0]


def test_gradients_that_are_none_or_of_another_shape_are_left_out(tmp_path):
    with fm.Monitor(tmp_path, strict=True) as monitor:
        monitor.log(0, weights={"a": np.ones(3), "b": np.ones(3)}, gradients={"a": None, "b": np.ones(4), "c": np.ones(2)})
    run = read_run(tmp_path)
    assert np.isnan([numbers(run, name, "gradient_norm")[0] for name in ("a", "b")]).all()


KILLED = """
monitor = fm.Monitor(sys.argv[1], every=1)
weights = np.ones(100)
for step in range(10**9):
    monitor.log(step, activations={"conv": np.full((1, 8, 8, 4), step, np.float32)}, weights={"w": weights * (step + 1)}, loss=step)
    monitor.flush()
    print(step, flush=True)
"""


def test_a_killed_process_leaves_every_flushed_step(tmp_path):
    with children.running(KILLED, tmp_path) as process:
        lines = [children.output_of(process).readline() for _ in range(25)]
        process.kill()
        lines += children.output_of(process).readlines()
    last = children.last_number(lines)
    run = EventSource(str(tmp_path)).run("featuremaps")
    assert not run.problems
    for steps in (layers_of(run).steps, variables_of(run).steps, losses_of(run).steps, progress_of(run).steps):
        assert steps.tolist()[: last + 1] == list(range(last + 1))
    assert [layer_numbers(run, "conv", "mean")[step] for step in range(last + 1)] == list(range(last + 1))


REMOTE = """
monitor = fm.Monitor(sys.argv[1], every=2, strict=True)
for step in range(5):
    monitor.log(step, activations={"conv": np.ones((1, 4, 4, 2))}, weights={"w": np.ones(3)}, loss=1.0)
monitor.close()
"""


def test_remote_paths_through_fsspec(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").store.clear()
    with fm.Monitor("memory://bucket/logs", every=2, strict=True) as monitor:
        for step in range(5):
            monitor.log(step, activations={"conv": X}, weights={"w": np.ones(3)}, loss=1.0)
    system = fsspec.filesystem("memory")
    (name,) = [entry for entry in system.ls("/bucket/logs/featuremaps", detail=False) if "tfevents" in entry]
    folder = tmp_path / "featuremaps"
    folder.mkdir()
    (folder / Path(name).name).write_bytes(system.cat(name))
    assert layers_of(read_run(tmp_path)).steps.tolist() == [0, 1, 2, 4]


def test_remote_paths_through_gfile(tmp_path):
    tf = pytest.importorskip("tensorflow")
    with fm.Monitor("ram://bucket/logs", every=2, strict=True) as monitor:
        for step in range(5):
            monitor.log(step, activations={"conv": X}, loss=1.0)
    (name,) = tf.io.gfile.listdir("ram://bucket/logs/featuremaps")
    folder = tmp_path / "featuremaps"
    folder.mkdir()
    (folder / name).write_bytes(tf.io.gfile.GFile(f"ram://bucket/logs/featuremaps/{name}", "rb").read())
    assert layers_of(read_run(tmp_path)).steps.tolist() == [0, 1, 2, 4]


def test_a_local_path_loads_no_framework_and_no_remote_file_system(tmp_path):
    ending = "print(sorted({'tensorflow', 'torch', 'jax', 'keras', 'fsspec'} & set(sys.modules)))"
    finished = children.run(REMOTE + ending, tmp_path)
    assert (finished.returncode, finished.stdout.strip()) == (0, "[]"), finished.stderr
    assert losses_of(read_run(tmp_path)).steps.tolist() == list(range(5))


def test_no_thread_is_left_after_closing(tmp_path):
    before = threading.active_count()
    for number in range(5):
        with fm.Monitor(tmp_path / str(number), strict=True) as monitor:
            monitor.log(0, weights={"w": np.ones(3)})
    assert threading.active_count() <= before + 1
