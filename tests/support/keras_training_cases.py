"""What is said of a Keras training is true: steps, losses, learning rates, last weights; `test_keras_training.py` runs this."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as L

import tb_featuremap_plugin as fm
from tests.support.known import record_of, variables_of
from tests.support.monitored import losses, numbers, picture_names, progress, read_run

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
BACKEND = keras.backend.backend()
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(20, 6)).astype(np.float32)
Y = (RANDOM.normal(size=(20, 1)) * np.linspace(1, 6, 20)[:, None]).astype(np.float32)
BATCHES = ((0, 8), (8, 16), (16, 20))


def network(**options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), L.Dense(5, activation="relu", name="a"), L.Dense(1, name="o")])
    model.compile(**{"optimizer": keras.optimizers.SGD(0.01), "loss": "mse", "jit_compile": False, **options})
    return model


def fit(model, folder, *callbacks, epochs=2, every=1, before=(), **options):
    watcher = fm.keras.FeatureMapCallback(folder, X[:4], every=every, strict=True)
    model.fit(X, Y, **{"batch_size": 8, "shuffle": False, "verbose": 0, **options}, epochs=epochs, callbacks=[*before, watcher, *callbacks])
    return read_run(folder)


class Seen(keras.callbacks.Callback):
    """What the model itself has just before another callback sees it."""

    def __init__(self):
        super().__init__()
        self.norms, self.steps = {}, []

    def on_train_batch_end(self, batch, logs=None):
        model = self.model
        self.steps.append(int(keras.ops.convert_to_numpy(model.optimizer.iterations)))
        self.norms = {variable.path: float(np.linalg.norm(keras.ops.convert_to_numpy(variable))) for variable in model.weights}


def errors_of(model):
    return ((keras.ops.convert_to_numpy(model(X)) - Y) ** 2)[:, 0]


@pytest.mark.parametrize("weighted", ["", "sample_weight", "class_weight"])
def test_losses_are_those_of_ragged_and_weighted_batches(weighted, tmp_path):
    model = network(optimizer=keras.optimizers.SGD(0.0))
    factors = np.linspace(0.1, 3, 20).astype(np.float32) if weighted == "sample_weight" else np.ones(20, np.float32)
    options: dict[str, Any] = {"sample_weight": factors} if weighted == "sample_weight" else {}
    targets = Y
    if weighted == "class_weight":
        targets = (np.arange(20) % 2).astype(np.float32)[:, None]
        options, factors = {"class_weight": {0: 0.5, 1: 4.0}}, np.where(np.arange(20) % 2, 4.0, 0.5).astype(np.float32)
    watcher = fm.keras.FeatureMapCallback(tmp_path, X[:4], every=1, strict=True)
    model.fit(X, targets, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=[watcher], **options)
    squared = ((keras.ops.convert_to_numpy(model(X)) - targets) ** 2)[:, 0] * factors
    expected = [float(squared[first:last].mean()) for first, last in BATCHES] * 2
    found = losses(read_run(tmp_path))
    assert [found[step] for step in range(1, 7)] == pytest.approx(expected, rel=1e-4)


def test_metrics_that_are_reset_in_the_midst_of_an_epoch(tmp_path):
    class Reset(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 1:
                self.model.reset_metrics()

    model = network(optimizer=keras.optimizers.SGD(0.0))
    found = losses(fit(model, tmp_path, Reset()))
    errors = errors_of(model)
    assert [found[step] for step in (1, 2, 3)] == pytest.approx([float(errors[a:b].mean()) for a, b in BATCHES], rel=1e-4)


def test_batches_that_only_accumulate_are_no_updates(tmp_path):
    model = network(optimizer=keras.optimizers.Adam(1e-3, gradient_accumulation_steps=2))
    run = fit(model, tmp_path, epochs=4)
    assert variables_of(run).steps.tolist() == list(range(7))
    assert min(numbers(run, model.weights[0].path, "update_norm")[step] for step in range(1, 7)) > 0
    assert set(losses(run)) == set(range(1, 7))


@pytest.mark.parametrize("place", ["begin", "end"])
@pytest.mark.parametrize("order", ["before", "after"])
def test_the_learning_rate_is_the_one_that_the_update_used(place, order, tmp_path):
    class Rates(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.count = 0

        def change(self):
            self.count += 1
            self.model.optimizer.learning_rate = 0.01 / (1 + self.count)

        def on_train_batch_begin(self, batch, logs=None):
            if place == "begin":
                self.change()

        def on_train_batch_end(self, batch, logs=None):
            if place == "end":
                self.change()

    rates = Rates()
    run = fit(network(), tmp_path, *([] if order == "before" else [rates]), before=[rates] if order == "before" else ())
    first = 2 if place == "begin" else 1
    assert progress(run, "learning_rate")[1:] == pytest.approx([0.01 / (first + index) for index in range(6)], rel=1e-5)


def test_a_schedule_is_asked_for_the_update_that_was_made(tmp_path):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    run = fit(network(optimizer=keras.optimizers.SGD(schedule)), tmp_path)
    assert progress(run, "learning_rate") == pytest.approx([0.1, *[0.1 * 0.5**step for step in range(6)]], rel=1e-5)


@pytest.mark.parametrize("what", ["early stopping", "early stopping after", "averaged", "loaded"])
def test_the_last_record_is_of_the_weights_of_the_last_update(what, tmp_path):
    class Load(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            self.model.set_weights([np.zeros(variable.shape, np.float32) for variable in self.model.weights])

    stop = keras.callbacks.EarlyStopping(monitor="loss", mode="max", patience=2, restore_best_weights=True)
    optimizer = keras.optimizers.SGD(0.01, use_ema=what == "averaged", ema_momentum=0.9)
    before = {"early stopping": [stop], "loaded": [Load()]}.get(what, [])
    seen, model = Seen(), network(optimizer=optimizer)
    run = fit(model, tmp_path, *([stop] if what.endswith("after") else []), before=[*before, seen], epochs=5, every=100)
    last = int(variables_of(run).steps[-1])
    assert last == seen.steps[-1]
    assert {path: numbers(run, path, "norm")[last] for path in seen.norms} == pytest.approx(seen.norms, rel=1e-4)


def test_a_second_fit_after_compiling_again_goes_on(tmp_path):
    model, watcher = network(), fm.keras.FeatureMapCallback(tmp_path, X[:4], every=1, strict=True)
    model.fit(X, Y, batch_size=8, epochs=1, verbose=0, callbacks=[watcher])
    model.compile("adam", "mse", jit_compile=False)
    model.fit(X, Y, batch_size=8, epochs=1, verbose=0, callbacks=[watcher])
    assert variables_of(read_run(tmp_path)).steps.tolist() == list(range(7))


def test_copies_of_a_callback_log_as_a_new_one_does(tmp_path):
    original = fm.keras.FeatureMapCallback(tmp_path / "original", X[:4], every=1, strict=True, layers="a")
    network().fit(X, Y, batch_size=8, epochs=1, verbose=0, callbacks=[original])
    for name, duplicate in (("pickled", pickle.loads(pickle.dumps(original))), ("copied", copy.deepcopy(original))):
        duplicate._log_dir = tmp_path / name
        duplicate._begin_anew()
        network().fit(X, Y, batch_size=8, epochs=1, verbose=0, callbacks=[duplicate])
        run = read_run(tmp_path / name)
        assert variables_of(run).steps.tolist() == [0, 1, 2, 3]
        assert picture_names(run, "maps") == {"a"}


def test_an_adapter_given_between_two_fits_is_seen(tmp_path):
    model, watcher = network(), fm.keras.FeatureMapCallback(tmp_path, X[:4], every=1, strict=True)
    model.fit(X, Y, batch_size=8, epochs=1, verbose=0, callbacks=[watcher])
    layer = model.get_layer("a")
    layer.enable_lora(2)
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(X, Y, batch_size=8, epochs=1, verbose=0, callbacks=[watcher])
    run, kernel = read_run(tmp_path), layer._kernel.path
    assert numbers(run, f"{kernel}:base", "trainable")[6] == 0
    assert numbers(run, f"{kernel}:base", "update_norm")[6] == 0
    assert numbers(run, layer.lora_kernel_b.path, "update_norm")[6] > 0
    described = {found.name: found for found in record_of(run).layers}["a"]
    assert (described.frozen, described.state) == ((f"{kernel}:base",), (kernel,))


def test_a_head_that_is_replaced_is_followed(tmp_path):
    watcher = fm.keras.FeatureMapCallback(tmp_path, X[:4], every=1, strict=True)
    model = network()
    model.fit(X, Y, batch_size=8, epochs=1, verbose=0, callbacks=[watcher])
    model.pop()
    model.add(L.Dense(3, name="new"))
    model.add(L.Dense(1, name="head"))
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(X, Y, batch_size=8, epochs=1, verbose=0, callbacks=[watcher])
    run = read_run(tmp_path)
    assert {"a", "o", "new", "head"} <= picture_names(run, "maps")
    assert [layer.name for layer in record_of(run).layers][:3] == ["a", "new", "head"]


def test_two_callbacks_follow_one_training_and_leave_its_function_as_it_was(tmp_path):
    model = network()
    watchers = [fm.keras.FeatureMapCallback(tmp_path / name, X[:4], every=1, strict=True) for name in "ab"]
    model.fit(X, Y, batch_size=8, epochs=1, verbose=0, callbacks=watchers)
    first, second = (read_run(tmp_path / name) for name in "ab")
    assert losses(first) == losses(second)
    model.fit(X, Y, batch_size=8, epochs=1, verbose=0)
    for _ in range(2):
        model.fit(X, Y, batch_size=8, epochs=1, verbose=0, callbacks=watchers[:1])
    depth, function = 0, model.train_function
    while hasattr(function, "inner"):
        depth, function = depth + 1, function.inner
    assert depth <= 2


def test_a_data_set_as_a_probe_is_told_in_its_words(tmp_path):
    with pytest.raises(TypeError, match=r"probe is a generator; .*take one batch"):
        fm.keras.FeatureMapCallback(tmp_path, (batch for batch in [X]))


def test_a_large_probe_is_cut_and_said_once(tmp_path):
    with pytest.warns(RuntimeWarning, match="the first 256 are used") as caught:
        watcher = fm.keras.FeatureMapCallback(tmp_path, np.zeros((600, 6), np.float32))
    assert len(caught) == 1
    assert watcher._probe.inputs.shape == (256, 6)


class Pair(keras.Model):
    """Two networks that only a `train_step` knows, which compiles to nothing here: their losses are made by `compute_loss`."""

    def __init__(self):
        super().__init__()
        self.coder = keras.Sequential([keras.Input((6,)), L.Dense(3, activation="relu", name="code")], name="first")
        self.decoder = keras.Sequential([keras.Input((3,)), L.Dense(6, name="restored")], name="second")


def test_inner_networks_are_given_probes_by_name():
    from tb_featuremap_plugin.integrations.keras.probes import ProbeError, parts_of

    pair = Pair()
    named = parts_of(pair, {"coder": X[:2], "second": X[:2, :3]})
    assert [(part.name, part.network) for part in named] == [("coder", pair.coder), ("second", pair.decoder)]
    assert [part.name for part in parts_of(pair, X[:2])] == ["coder"]
    with pytest.raises(ProbeError, match=r"Pair has no call of its own.*\{'coder'"):
        parts_of(pair, X[:2, :2])
    model = network()
    assert [part.name for part in parts_of(model, {"coder": X[:2]})] == [""]


def test_what_a_layer_moves_and_cannot_be_put_back_is_named(tmp_path):
    class Stream(L.Layer):
        def __init__(self):
            super().__init__(name="stream")
            self.numbers = (float(number) for number in range(100))

        def call(self, x):
            return x + 0 * next(self.numbers)

    model = keras.Sequential([keras.Input((6,)), Stream(), L.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    watcher = fm.keras.FeatureMapCallback(tmp_path, X[:4], every=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[watcher])
    told = [str(warning.message) for warning in caught if "cannot be put back" in str(warning.message)]
    assert len(told) == 1
    assert "'stream' changes a generator" in told[0]


def test_callbacks_are_saved_with_nothing_of_a_training():
    watcher = fm.keras.FeatureMapCallback("/nowhere", X[:4])
    stream = io.BytesIO()
    pickle.dump(watcher, stream)
    assert stream.tell() < 10_000
