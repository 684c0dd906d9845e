"""Keras models with a `train_step` of their own, and nested functions of TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

import keras  # noqa: E402

import tb_featuremap_plugin as fm  # noqa: E402
from tests.support.keras_models import TARGETS, X  # noqa: E402
from tests.support.known import layers_of, record_of, variables_of  # noqa: E402
from tests.support.monitored import losses, picture_names, read_run  # noqa: E402

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the steps are TensorFlow's"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


class OwnStep(keras.Model):
    """Returns the loss of the step itself, or, with a tracker, the mean over the epoch so far."""

    def __init__(self, *, tracked):
        super().__init__()
        self.conv, self.flat, self.head = keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(3)
        self.tracker = keras.metrics.Mean(name="loss") if tracked else None
        self.each = tf.Variable(tf.zeros(64), trainable=False)
        self.count = tf.Variable(0, trainable=False)

    def call(self, x):
        return self.head(self.flat(self.conv(x)))

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self(x, training=True) - y))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        self.each.scatter_nd_update([[self.count]], [loss])
        self.count.assign_add(1)
        if self.tracker is None:
            return {"loss": loss}
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result()}

    @property
    def metrics(self):
        return [] if self.tracker is None else [self.tracker]


@pytest.mark.parametrize("tracked", [True, False])
def test_losses_of_an_own_step(tmp_path, tracked):
    keras.utils.set_random_seed(0)
    model = OwnStep(tracked=tracked)
    model.compile("sgd")
    model.fit(X, TARGETS, batch_size=8, epochs=2, verbose=0, callbacks=[fm.keras.FeatureMapCallback(tmp_path, X[:4], every=2, strict=True)])
    found = losses(read_run(tmp_path))
    each = model.each.numpy()
    assert found == {step: pytest.approx(float(each[step - 1]), rel=1e-4) for step in range(1, 7)}


class InFunction(keras.Model):
    """Its call is a function of TensorFlow, into which a graph around it does not see."""

    def __init__(self):
        super().__init__()
        self.conv, self.flat, self.head = keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(3)

    @tf.function
    def call(self, x):
        return self.head(self.flat(self.conv(x)))


def train_in_function(*callbacks):
    keras.utils.set_random_seed(0)
    model = InFunction()
    with tf.init_scope():
        tf.config.run_functions_eagerly(True)
        model(X)
        tf.config.run_functions_eagerly(False)
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(X, TARGETS, batch_size=8, verbose=0, callbacks=list(callbacks))
    return model.get_weights()


def test_layers_inside_a_function_of_tensorflow(tmp_path):
    weights = train_in_function(fm.keras.FeatureMapCallback(tmp_path, X[:8], every=2, strict=True))
    for watched, plain in zip(weights, train_in_function(), strict=True):
        np.testing.assert_array_equal(watched, plain)
    run = read_run(tmp_path)
    assert len(picture_names(run, "maps")) == 2
    assert layers_of(run).steps.tolist() == [0, 1, 2, 3]
    assert not tf.config.functions_run_eagerly()


def test_attention_and_recurrent_layers_are_one_layer_each(tmp_path):
    L = keras.layers
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1))
    rows = L.Reshape((8, 8))(image)
    maps = L.MultiHeadAttention(2, 4, name="attention")(rows, rows)
    answer = L.Dense(3)(L.Bidirectional(L.LSTM(4), name="both_ways")(maps))
    model = keras.Model(image, answer)
    model.compile("sgd", "mse", jit_compile=False)
    watcher = fm.keras.FeatureMapCallback(tmp_path, X[:4], every=2, layers=[".*"], strict=True)
    model.fit(X, TARGETS, batch_size=8, verbose=0, callbacks=[watcher])
    run = read_run(tmp_path)
    assert {"attention", "both_ways"} <= picture_names(run, "maps")
    layers = {layer.name: layer for layer in record_of(run).layers}
    assert len(layers["attention"].weights) == 8
    assert len(layers["both_ways"].weights) == 6
    assert np.isfinite(variables_of(run).column(layers["attention"].weights[0], "norm")).all()
