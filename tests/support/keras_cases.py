"""What the Keras callback must do on every backend; `test_keras.py` runs these on each."""

from __future__ import annotations

import re
import warnings

import keras
import numpy as np
import pytest
from keras import layers as L

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.arrays.tensors import snapshot
from tb_featuremap_plugin.integrations.keras.guarded_pass import Guard
from tb_featuremap_plugin.integrations.keras.layer_selection import choose
from tb_featuremap_plugin.integrations.keras.leaf_layers import blocks, named_layers
from tb_featuremap_plugin.integrations.keras.probe_pass import ProbePass
from tb_featuremap_plugin.integrations.keras.probes import as_tensors
from tb_featuremap_plugin.integrations.keras.readings import reader
from tests.support.keras_models import MODELS, TARGETS, X, compiled, fit, weights_of
from tests.support.known import layers_of, record_of, variables_of
from tests.support.monitored import layer_numbers, losses, numbers, picture, picture_names, picture_steps, pixels, progress, read_run

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
BACKEND = keras.backend.backend()


def callback(folder, model=None, **options):
    inputs = {"left": X[:4], "right": X[4:8]} if getattr(model, "name", "") == "two_inputs" else X[:4]
    return fm.keras.FeatureMapCallback(folder, inputs, **{"every": 2, "strict": True, **options})


@pytest.mark.parametrize("kind", MODELS)
def test_one_line_logs_everything_and_training_stays_the_same_to_the_last_bit(kind, tmp_path):
    without = fit(compiled(kind))
    model = compiled(kind)
    fit(model, callback(tmp_path, model))
    for plain, watched in zip(weights_of(without), weights_of(model), strict=True):
        np.testing.assert_array_equal(plain, watched)
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == [0, 1, 2, 4, 6]
    assert set(variables_of(run).rows) == {variable.path for variable in model.weights}
    convolutions = {layer.name for layer in record_of(run).layers if "conv" in (layer.kind or "")}
    assert convolutions
    assert convolutions <= picture_names(run, "maps")
    kernels = {variable.path for variable in model.trainable_variables if len(variable.shape) > 1}
    assert picture_names(run, "filters") == kernels
    owned = [name for layer in record_of(run).layers for name in (*layer.weights, *layer.state)]
    assert sorted(owned) == sorted(variables_of(run).rows)
    assert all(np.isfinite(losses(run)[step]) for step in range(1, 7))


def test_maps_are_those_of_the_model(tmp_path):
    model = compiled("sequential")
    fit(model, callback(tmp_path, precision="float32"))
    outputs = np.asarray(keras.ops.convert_to_numpy(model(X[:4], training=False)))
    name = next(layer.name for layer in record_of(read_run(tmp_path)).layers if layer.role == "output")
    np.testing.assert_allclose(pixels(picture(tmp_path, "maps", name, 6)), outputs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True] if BACKEND == "tensorflow" else ["auto"])
def test_what_was_read_of_a_model_stays_what_it_was(jit_compile):
    model = compiled("sequential", jit_compile=jit_compile)
    model.train_on_batch(X, TARGETS)
    read = reader()
    taken = [snapshot(read(variable), "weights") for variable in model.weights]
    before = weights_of(model)
    for _ in range(3):
        model.train_on_batch(X, TARGETS)
    assert any(not np.array_equal(old, new) for old, new in zip(before, weights_of(model), strict=True))
    for old, kept in zip(before, taken, strict=True):
        np.testing.assert_array_equal(kept, old)


def test_a_network_between_convolution_and_activation_gives_maps_before_and_after(tmp_path):
    fit(compiled("sequential"), callback(tmp_path))
    run = read_run(tmp_path)
    kinds = [layer.kind for layer in record_of(run).layers if layer.name in record_of(run).layer_rows]
    assert kinds == ["conv2d", "batch_normalization", "relu", "dense"]
    normalisation = next(layer for layer in record_of(run).layers if layer.kind == "batch_normalization")
    assert [name.rpartition("/")[2] for name in normalisation.weights] == ["gamma", "beta"]
    assert [name.rpartition("/")[2] for name in normalisation.state] == ["moving_mean", "moving_variance"]
    assert {numbers(run, name, "trainable")[4] for name in normalisation.state} == {0.0}


def test_connections_geometry_and_roles(tmp_path):
    fit(compiled("branches"), callback(tmp_path))
    layers = {layer.name: layer for layer in record_of(read_run(tmp_path)).layers}
    assert layers["three"].inputs == ("stem",)
    assert set(layers["join"].inputs) == {"one", "three"}
    assert (layers["three"].kernel_size, layers["three"].strides, layers["three"].padding, layers["three"].dilation) == (
        (3, 3),
        (1, 1),
        "same",
        (1, 1),
    )
    assert layers["pool"].kernel_size == (2, 2)
    assert (layers["main"].role, layers["aux_head"].role, layers["stem"].role) == ("output", "auxiliary", "hidden")
    assert list(layers).index("stem") < list(layers).index("three") < list(layers).index("main")
    assert (layers["main"].activation, layers["stem"].activation) == ("softmax", "relu")


def test_shared_and_nested_layers(tmp_path):
    fit(compiled("two_inputs"), callback(tmp_path, compiled("two_inputs")))
    run = read_run(tmp_path)
    assert {"shared", "shared:2", "inner_conv"} <= picture_names(run, "maps")
    layers = {layer.name: layer for layer in record_of(run).layers}
    assert layers["shared"].weights == ("shared/kernel", "shared/bias")
    assert layers["shared:2"].weights == ()
    assert picture_names(run, "inputs") == {"left", "right"}
    assert layers_of(run).rows[:2] == ("@inputs", "@inputs/right")


def test_loss_and_optimizer_are_read_from_the_model(tmp_path):
    model = compiled("sequential", optimizer=keras.optimizers.AdamW(2e-3, weight_decay=0.05))
    fit(model, callback(tmp_path))
    run = read_run(tmp_path)
    record = record_of(run)
    assert (record.loss, record.from_logits, record.optimizer) == ("categorical_crossentropy", False, "adamw")
    assert record.weight_decay == pytest.approx(0.05)
    assert progress(run, "learning_rate") == [pytest.approx(2e-3)] * 5
    assert record.versions["keras"] == keras.__version__


def test_losses_are_those_of_each_step(tmp_path):
    model = compiled("plain")
    expected = {}
    for step in range(1, 7):
        batch = slice(8 * ((step - 1) % 3), 8 * ((step - 1) % 3) + 8)
        expected[step] = float(model.train_on_batch(X[batch], TARGETS[batch]))
        model.reset_metrics()
    fit(compiled("plain"), callback(tmp_path))
    found = losses(read_run(tmp_path))
    assert found == {step: pytest.approx(loss, rel=1e-4) for step, loss in expected.items()}


def test_update_norm_of_plain_descent_is_rate_times_gradient_norm(tmp_path):
    model = compiled("plain", optimizer=keras.optimizers.SGD(0.1))
    watcher = fm.keras.FeatureMapCallback(tmp_path, (X, TARGETS), every=1, gradients=True, strict=True)
    model.fit(X, TARGETS, batch_size=len(X), epochs=4, verbose=0, callbacks=[watcher])
    run = read_run(tmp_path)
    for variable in model.trainable_variables:
        update, gradient, norm = (numbers(run, variable.path, column) for column in ("update_norm", "gradient_norm", "norm"))
        for step in range(1, 5):
            assert update[step] == pytest.approx(0.1 * gradient[step - 1], rel=2e-5, abs=2.0**-23 * max(norm[step], 1e-3))


def test_a_frozen_layer_reads_exactly_zero(tmp_path):
    model = compiled("plain", freeze=True)
    fit(model, callback(tmp_path))
    run = read_run(tmp_path)
    frozen = next(layer for layer in record_of(run).layers if not layer.trainable)
    assert len(frozen.weights) == 2
    for name in frozen.weights:
        assert numbers(run, name, "trainable")[6] == 0
        assert [numbers(run, name, "update_norm")[step] for step in (1, 2, 4, 6)] == [0, 0, 0, 0]


def test_fit_twice_goes_on(tmp_path):
    model, watcher = compiled("plain"), callback(tmp_path)
    fit(model, watcher)
    fit(model, watcher)
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == [0, 1, 2, 4, 6, 8, 10, 12]
    assert set(losses(run)) == set(range(1, 13))
    assert {step: gap for step, gap in numbers(run, model.weights[0].path, "gap").items() if step} == dict.fromkeys(
        [1, 2, 4, 6, 8, 10, 12], 1
    )


def test_a_layer_frozen_between_two_fits_is_marked(tmp_path):
    model, watcher = compiled("plain"), callback(tmp_path)
    fit(model, watcher)
    model.layers[0].trainable = False
    model.compile("sgd", "categorical_crossentropy", jit_compile=False)
    fit(model, watcher)
    run = read_run(tmp_path)
    kernel = model.layers[0].kernel.path
    assert [numbers(run, kernel, "trainable")[step] for step in (4, 6, 8, 12)] == [1, 1, 0, 0]
    assert [numbers(run, kernel, "update_norm")[step] == 0 for step in (4, 6, 8, 12)] == [False, False, True, True]
    assert record_of(run).optimizer == "sgd"


def test_resumed_training_counts_on(tmp_path):
    model = compiled("plain")
    fit(model)
    model.fit(X, TARGETS, batch_size=8, initial_epoch=2, epochs=4, shuffle=False, verbose=0, callbacks=[callback(tmp_path)])
    assert variables_of(read_run(tmp_path)).steps.tolist() == [6, 8, 10, 12]
    fresh = compiled("plain")
    fresh.fit(
        X, TARGETS, batch_size=8, initial_epoch=2, epochs=3, shuffle=False, verbose=0, callbacks=[callback(tmp_path / "weights_only")]
    )
    assert variables_of(read_run(tmp_path / "weights_only")).steps.tolist() == [6, 8, 9]


def test_the_last_step_is_logged_when_fit_ends(tmp_path):
    fit(compiled("plain"), callback(tmp_path, every=4))
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == [0, 1, 2, 4, 6]
    assert numbers(run, variables_of(run).rows[0], "gap")[6] == 2


def test_evaluate_and_predict_are_untouched(tmp_path):
    model, watcher = compiled("sequential"), callback(tmp_path)
    fit(model, watcher)
    size = next(tmp_path.rglob("*tfevents*")).stat().st_size
    before = [model.evaluate(X, TARGETS, verbose=0, return_dict=True), model.predict(X, verbose=0)]
    after = [model.evaluate(X, TARGETS, verbose=0, return_dict=True, callbacks=[watcher]), model.predict(X, verbose=0, callbacks=[watcher])]
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    assert next(tmp_path.rglob("*tfevents*")).stat().st_size == size


def test_validation_in_between_changes_nothing(tmp_path):
    model = compiled("sequential")
    model.fit(
        X, TARGETS, batch_size=8, epochs=2, shuffle=False, verbose=0, validation_data=(X[:8], TARGETS[:8]), callbacks=[callback(tmp_path)]
    )
    assert set(losses(read_run(tmp_path))) == set(range(1, 7))


def test_mixed_precision(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = compiled("sequential")
        fit(model, callback(tmp_path))
    finally:
        keras.config.set_dtype_policy("float32")
    run = read_run(tmp_path)
    assert record_of(run).optimizer == "adam"
    assert set(record_of(run).variable_dtypes.values()) == {"float32"}
    assert set(layer_numbers(run, layers_of(run).rows[1], "nan").values()) == {0.0}


@pytest.mark.skipif(BACKEND == "torch", reason="torch has no steps_per_execution")
def test_several_steps_an_execution_are_marked_as_such(tmp_path):
    fit(compiled("plain", steps_per_execution=3), callback(tmp_path))
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == [0, 3, 6]
    assert [numbers(run, variables_of(run).rows[0], "gap")[step] for step in (3, 6)] == [3, 3]


@pytest.mark.skipif(BACKEND == "torch", reason="Keras on torch compiles with another compiler")
def test_compiled_training(tmp_path):
    fit(compiled("plain", jit_compile=True), callback(tmp_path))
    assert len(variables_of(read_run(tmp_path)).steps) == 5


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("stem", {"stem"}),
        ("(one|three)", {"one", "three"}),
        (re.compile("head"), {"aux_head"}),
        (L.MaxPooling2D, {"pool"}),
        (lambda layer: layer.name == "join", {"join"}),
        (["stem", L.Dense], {"stem", "main", "aux_head"}),
    ],
)
def test_layers_are_chosen_by_name_pattern_class_or_function(choice, names):
    model = compiled("branches")

    def select(trace):
        return choose(trace, choice)

    found = ProbePass(model, as_tensors(X[:2]), named_layers(model), blocks(model), select, Guard(model))
    assert set(found.names) == names


def test_a_choice_that_fits_nothing_is_told_when_fit_begins(tmp_path):
    with pytest.raises(ValueError, match="'conv9', which fits none of"):
        fit(compiled("branches"), callback(tmp_path, layers="conv9"))


def test_gradients_need_targets(tmp_path):
    with pytest.raises(ValueError, match="probe has no targets"):
        fm.keras.FeatureMapCallback(tmp_path, X[:4], gradients=True)


def test_a_probe_that_does_not_fit_is_one_warning(tmp_path):
    with pytest.warns(RuntimeWarning, match="feature maps are not logged") as caught:
        model = fit(compiled("plain"), fm.keras.FeatureMapCallback(tmp_path, np.zeros((2, 5), np.float32)))
    assert len([warning for warning in caught if "feature maps" in str(warning.message)]) == 1
    for plain, watched in zip(weights_of(fit(compiled("plain"))), weights_of(model), strict=True):
        np.testing.assert_array_equal(plain, watched)


def test_an_unwritable_logdir_is_one_warning_and_training_finishes(tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(RuntimeWarning, match="logging to") as caught:
        fit(compiled("plain"), callback(tmp_path / "file", strict=False))
    assert len(caught) == 1


def test_beside_keras_own_callback(tmp_path):
    if BACKEND != "tensorflow":
        pytest.importorskip("tensorflow")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(compiled("plain"), keras.callbacks.TensorBoard(tmp_path), callback(tmp_path))
    assert {path.parent.name for path in tmp_path.rglob("*tfevents*")} == {"train", "featuremaps"}
    assert picture_steps(read_run(tmp_path), "maps", "first") == [0, 1, 2, 4, 6]
