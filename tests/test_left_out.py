"""One array that cannot be read costs only its own row: everything else of the step is there, and the run record says what is not."""

from __future__ import annotations

import collections
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.monitor.left_out import LeftOut
from tb_featuremap_plugin.monitor.progress import Losses, held, rate_of
from tests.support.known import layers_of, losses_of, progress_of, record_of, variables_of
from tests.support.monitored import layer_numbers, losses, numbers, picture_names, picture_steps, progress, read_run

KERNEL = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
MAPS = np.random.default_rng(1).random((2, 4, 4, 3)).astype(np.float32)


class Broken:
    shape, dtype = (3,), np.dtype(np.float32)

    def __array__(self, dtype=None, copy=None):
        raise OSError("the file is gone")


def fails():
    raise ZeroDivisionError("division by zero")


def logged(tmp_path, steps=3, **given):
    """A run in which one argument, or one array of it, is odd; with the warnings."""
    arguments: dict[str, Any] = {
        "inputs": {"x": MAPS},
        "targets": {"y": np.arange(2)},
        "activations": {"a": MAPS},
        "weights": {"w": KERNEL},
    }
    arguments |= {"gradients": {"w": KERNEL}}
    for name, value in given.items():
        odd = isinstance(value, dict) and name in arguments
        arguments[name] = {**arguments[name], **value} if odd else value
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with fm.Monitor(tmp_path, every=1) as monitor:
            for step in range(steps):
                monitor.log(step, **{"loss": 1.0, "learning_rate": 0.5, **arguments})
    return read_run(tmp_path), [str(one.message) for one in said if "feature maps" in str(one.message)]


def warnings_of(action):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        action()
    return [str(one.message) for one in said]


def assert_all_else_is_there(run, without=()):
    everything = [0, 1, 2]
    assert progress_of(run).steps.tolist() == everything
    if "weights" not in without:
        assert variables_of(run).steps.tolist() == everything
        assert numbers(run, "w", "size") == {0: 12, 1: 12, 2: 12}
        assert picture_steps(run, "filters", "w") == everything
    if "activations" not in without:
        assert layer_numbers(run, "a", "units") == {0: 3, 1: 3, 2: 3}
        assert picture_steps(run, "maps", "a") == everything
    if "gradients" not in without and "weights" not in without:
        assert numbers(run, "w", "gradient_norm")[2] == pytest.approx(np.linalg.norm(KERNEL), rel=1e-5)
    if "inputs" not in without:
        assert "x" in picture_names(run, "inputs")
        assert layer_numbers(run, "@inputs", "samples")[2] == 2
    if "loss" not in without:
        assert losses_of(run).steps.tolist() == everything
    assert progress(run, "learning_rate") == ([0.5] * 3 if "learning_rate" not in without else [pytest.approx(np.nan, nan_ok=True)] * 3)


ODD = {
    "text": np.array(["a", "b"]),
    "objects": np.array([object(), None]),
    "dates": np.array(["2020-01-01"], "datetime64[D]"),
    "a struct": np.zeros(2, [("a", int)]),
    "a broken array": Broken(),
}


@pytest.mark.parametrize("argument", ["inputs", "targets", "activations", "weights", "gradients"])
@pytest.mark.parametrize("kind", ODD)
def test_an_array_without_numbers_costs_itself_alone(tmp_path, argument, kind):
    weights = {"weights": {"w": KERNEL, "odd": KERNEL}} if argument == "gradients" else {}
    run, said = logged(tmp_path, **weights, **{argument: {"odd": ODD[kind]}})
    assert_all_else_is_there(run)
    assert len(said) == 1
    assert f"{argument}/odd" in said[0]
    left_out = record_of(run).left_out
    assert list(left_out) == [f"{argument}/odd"]
    assert left_out[f"{argument}/odd"].startswith(f"TypeError: {argument}['odd'] is a ")
    assert any(f"{argument}/odd" in note for note in record_of(run).notes)
    assert "odd" not in (*layers_of(run).rows, *(variables_of(run).rows if argument == "weights" else ()))


@pytest.mark.parametrize("argument", ["inputs", "targets", "activations", "weights", "gradients", "learning_rate"])
@pytest.mark.parametrize("given", [fails, "text", 3j])
def test_an_argument_that_fails_costs_itself_alone(tmp_path, argument, given):
    run, said = logged(tmp_path, **{argument: given})
    if (argument, given) == ("gradients", "text") or (argument, given) == ("gradients", 3j):
        return  # gradients that hold no array are those of unused variables
    assert_all_else_is_there(run, without=(argument,))
    assert len(said) == 1
    assert list(record_of(run).left_out) == [argument]


@pytest.mark.parametrize("loss", [{"a": 1.0}, (1.0, 2.0), "text", b"text", object(), np.array(["a"]), Broken(), fails, [], {}])
def test_a_loss_that_is_none_costs_itself_alone(tmp_path, loss):
    run, said = logged(tmp_path, loss=loss)
    assert_all_else_is_there(run, without=("loss",))
    assert len(said) == 1
    assert list(record_of(run).left_out) == ["loss"]


@pytest.mark.parametrize("loss", [2.5, np.float32(2.5), np.full(3, 2.5), {"loss": 2.5, "accuracy": 0.1}, [2.5], np.array([[2.5]])])
def test_a_loss_of_any_shape_is_one_number(tmp_path, loss):
    run, said = logged(tmp_path, loss=loss)
    assert not said
    assert set(losses(run).values()) == {2.5}


def test_losses_of_the_frameworks_are_held_as_they_were():
    tf, torch = pytest.importorskip("tensorflow"), pytest.importorskip("torch")
    total, variable, array = torch.ones(2, requires_grad=True).sum(), tf.Variable(2.0), np.full(1, 2.0)
    losses = Losses()
    for step, loss in enumerate((total, variable, array, tf.constant([1.0, 3.0]))):
        losses.add(step, loss)
    with torch.no_grad():
        total += 5
    variable.assign(7.0)
    array[:] = 7
    taken = losses.take(4)
    assert taken is not None
    assert taken[:, 1].tolist() == [2, 2, 2, 2]
    assert not held(total).requires_grad


def test_complex_variables_are_measured_in_both_parts(tmp_path):
    values = [np.exp(1j * step) * np.ones(4, np.complex64) for step in range(3)]
    with fm.Monitor(tmp_path, every=1, strict=True) as monitor:
        for step, value in enumerate(values):
            monitor.log(step, weights={"phase": value}, gradients={"phase": value * 0.5})
    run = read_run(tmp_path)
    moved = np.linalg.norm(values[2].astype(np.complex128) - values[1])
    assert numbers(run, "phase", "update_norm")[2] == pytest.approx(moved, rel=1e-5)
    assert numbers(run, "phase", "norm")[2] == pytest.approx(2, rel=1e-5)
    assert numbers(run, "phase", "mean")[2] == pytest.approx(1, rel=1e-5)
    assert numbers(run, "phase", "size")[2] == 4
    assert numbers(run, "phase", "gradient_norm")[2] == pytest.approx(1, rel=1e-5)
    assert numbers(run, "phase", "displacement")[2] == pytest.approx(np.linalg.norm(values[2].astype(np.complex128) - 1), rel=1e-5)


def test_a_gradient_is_compared_as_far_as_it_is_real(tmp_path):
    masked = np.ma.masked_array(KERNEL, KERNEL > 0)
    run, said = logged(tmp_path, weights={"v": KERNEL, "u": KERNEL}, gradients={"v": KERNEL * 1j, "u": masked})
    assert not said
    assert numbers(run, "v", "gradient_norm")[2] == pytest.approx(np.linalg.norm(KERNEL), rel=1e-5)
    assert np.isnan(numbers(run, "u", "gradient_norm")[2])


def test_statistics_of_masked_and_ragged_arrays_are_of_real_entries(tmp_path):
    masked = np.ma.masked_array(np.array([[1.0, 2.0], [50.0, 60.0]]), [[False, False], [True, True]])
    ragged = np.empty(2, object)
    ragged[:] = [np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[2.0, 5.0]])]
    run, said = logged(tmp_path, activations={"r": ragged, "m": masked}, weights={"v": masked, "whole": np.ma.masked_array(KERNEL)})
    assert_all_else_is_there(run)
    assert (layer_numbers(run, "r", "mean")[2], layer_numbers(run, "r", "units")[2], layer_numbers(run, "r", "nan")[2]) == (3.5, 2, 0)
    assert (layer_numbers(run, "m", "max")[2], numbers(run, "v", "max")[2], numbers(run, "v", "size")[2]) == (2, 2, 2)
    assert numbers(run, "v", "update_norm")[2] == 0
    assert "whole" in picture_names(run, "filters")
    assert {"maps/r", "maps/m", "filters/v"} == set(record_of(run).left_out)
    assert ["maps/r" in said[0], "filters/v" in said[1]] == [True, True]
    assert len(said) == 2


@pytest.mark.parametrize("value", [np.float32(3), np.zeros((0, 3)), np.zeros((2, 0, 4, 1)), np.ones((1,) * 12), np.ones((2, 3), bool)])
def test_arrays_of_any_shape_have_rows(tmp_path, value):
    run, said = logged(tmp_path, activations={"odd": value}, weights={"odd": value}, gradients={"odd": value}, inputs={"odd": value})
    assert_all_else_is_there(run)
    assert numbers(run, "odd", "size")[2] == value.size
    assert "odd" in layers_of(run).rows
    assert not said


def test_a_layout_that_does_not_fit_costs_its_own_row(tmp_path):
    def log():
        with fm.Monitor(tmp_path, every=1, layouts={"bad": "NCW"}) as monitor:
            for step in range(3):
                monitor.log(step, activations={"bad": MAPS, "good": MAPS})
                monitor.flush()

    said = warnings_of(log)
    assert len(said) == len(set(said)) == 2, "one of the numbers, one of the picture"
    assert "activations/bad" in said[0]
    assert picture_steps(read_run(tmp_path), "maps", "good") == [0, 1, 2]


def test_different_failures_are_told_once_each(tmp_path):
    problems = iter([ValueError("first"), ValueError("second 1"), ValueError("second 2"), KeyError("third")])

    def activations():
        raise next(problems)

    def log():
        with fm.Monitor(tmp_path, every=1) as monitor:
            for step in range(4):
                monitor.log(step, activations=activations, weights={"w": KERNEL})

    assert [text.partition(": ")[2] for text in warnings_of(log)] == ["ValueError: first", "ValueError: second 1", "KeyError: 'third'"]


def test_many_arrays_that_fail_alike_are_one_warning():
    left_out = LeftOut()
    for index in range(50):
        left_out.add(f"weights/layer{index}/kernel", TypeError(f"weights['layer{index}/kernel'] is a Thing"))
    (sentence,), (error,) = left_out.take()
    assert "weights/layer0/kernel, weights/layer1/kernel, weights/layer2/kernel and 47 more" in sentence
    assert isinstance(error, TypeError)
    assert left_out.take() == ([], [])
    assert len(left_out.reasons) == 50
    assert len(left_out.notes()) == 11


def test_names_that_become_equal_are_both_kept_and_told(tmp_path):
    tree = {"a/b": np.ones(3), "a": {"b": np.ones(5)}, "a/b:2": np.ones(7)}

    def log():
        with fm.Monitor(tmp_path, every=1) as monitor:
            for step in range(2):
                monitor.log(step, weights=tree)

    (said,) = warnings_of(log)
    assert "two arrays of weights are called 'a/b': the second is logged as 'a/b:3'" in said
    run = read_run(tmp_path)
    assert {name: numbers(run, name, "size")[1] for name in variables_of(run).rows} == {"a/b": 3, "a/b:3": 5, "a/b:2": 7}


def test_steps_that_begin_anew_are_one_warning_with_the_remedy(tmp_path):
    def log():
        with fm.Monitor(tmp_path) as monitor:
            for _ in range(3):
                for batch in range(4):
                    monitor.log(batch, loss=1.0)

    (said,) = warnings_of(log)
    assert "steps must increase" in said
    assert "epoch * steps_per_epoch" in said


def test_rates():
    schedule = lambda step: 0.1 * step  # noqa: E731  # as optax's are functions
    groups = [{"params": [], "lr": 0.5}, {"params": [], "lr": 0.5}]
    optimizers = [SimpleNamespace(param_groups=groups), SimpleNamespace(learning_rate=np.float32(0.5))]
    given = [0.5, np.float32(0.5), lambda: 0.5, [0.5, 0.5], {"a": 0.5}, np.array([0.5]), groups, *optimizers]
    assert [rate_of(rate, 3) for rate in given] == [0.5] * len(given)
    assert rate_of(schedule, 5) == 0.5
    assert np.isnan(rate_of(None, 0))
    for bad in (["a"], [0.1, 0.2], "0.1", {}, object()):
        with pytest.raises(TypeError, match=r"^learning_rate is .*; allowed are a number"):
            rate_of(bad, 0)


def test_models_and_their_parameters_are_weights(tmp_path):
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    names = ["0.weight", "0.bias", "1.weight", "1.bias"]
    forms = [model, model.named_parameters(), list(model.named_parameters()), dict(model.named_parameters()).items(), model.state_dict()]
    forms += [lambda: model.named_parameters(), lambda: model, {name: p.detach() for name, p in model.named_parameters()}.items()]
    model(torch.ones(1, 3)).sum().backward()
    for number, form in enumerate(forms):
        with fm.Monitor(tmp_path / str(number), every=1, strict=True) as monitor:
            monitor.log(0, weights=form, gradients=model)
        run = read_run(tmp_path / str(number))
        assert list(variables_of(run).rows) == names
        assert numbers(run, "0.weight", "gradient_norm")[0] > 0
    with fm.Monitor(tmp_path / "list", every=1, strict=True) as monitor:
        monitor.log(0, weights=model.parameters(), gradients=(p.grad for p in model.parameters()))
    assert list(variables_of(read_run(tmp_path / "list")).rows) == ["0", "1", "2", "3"]


class Loader:
    """As those of torch and TensorFlow."""

    def __iter__(self):
        raise AssertionError("a loader is not asked for a batch that the training would miss")


@pytest.mark.parametrize("argument", ["inputs", "targets", "activations"])
@pytest.mark.parametrize("given", [Loader(), iter([MAPS]), (batch for batch in [MAPS])])
def test_what_gives_batches_is_no_batch(tmp_path, argument, given):
    if argument == "activations" and not isinstance(given, Loader):
        return
    run, said = logged(tmp_path, **{argument: given})
    assert_all_else_is_there(run, without=(argument,))
    assert f"{argument} is a " in said[0]
    assert "next(iter(loader))" in said[0]


def test_the_message_names_what_was_given(tmp_path):
    torch, keras = pytest.importorskip("torch"), pytest.importorskip("keras")
    linen, nnx = pytest.importorskip("flax.linen"), pytest.importorskip("flax.nnx")
    dense = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="d")])
    run, said = logged(tmp_path / "keras", weights=dense)
    assert not said
    assert set(variables_of(run).rows) == {variable.path for variable in dense.weights}
    run, said = logged(tmp_path / "nnx", weights=nnx.Linear(3, 2, rngs=nnx.Rngs(0)))
    assert not said
    assert set(variables_of(run).rows) == {"kernel", "bias"}
    cases = [
        ({"weights": linen.Dense(2)}, "weights is a Dense, which does not hold its parameters"),
        ({"activations": torch.nn.Linear(3, 2)}, "activations is a model (Linear)"),
        ({"inputs": dense}, "inputs is a model (Sequential)"),
        ({"gradients": dense}, "gradients is a model (Sequential), which keeps none"),
        ({"weights": torch.optim.SGD([torch.ones(1)], 0.1)}, "weights is a torch.optim.sgd.SGD, which holds no array"),
    ]
    for number, (given, message) in enumerate(cases):
        _, said = logged(tmp_path / str(number), **given)
        assert message in said[0]


def test_optimizer_iterations_are_steps(tmp_path):
    tf = pytest.importorskip("tensorflow")
    counter = tf.Variable(0, dtype=tf.int64)
    with fm.Monitor(tmp_path, every=1, strict=True) as monitor:
        for step in range(3):
            counter.assign(step)
            monitor.log(counter if step else 0.0, weights={"w": KERNEL})
    assert variables_of(read_run(tmp_path)).steps.tolist() == [0, 1, 2]


def test_a_mapping_of_any_class_is_a_tree(tmp_path):
    run, said = logged(tmp_path, inputs=collections.UserDict(x=MAPS))
    assert not said
    assert_all_else_is_there(run)
