"""Which graphs of TensorFlow write to variables: those of plain networks do not, and nothing is copied for them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tb_featuremap_plugin.integrations.keras.tensor_state import written_variables

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the graphs are TensorFlow's")


@pytest.fixture(scope="module")
def network():
    layers = keras.layers
    return keras.Sequential(
        [
            *(keras.Input((8, 8, 1)), layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(), layers.SpatialDropout2D(0.5)),
            *(layers.MaxPooling2D(), layers.Flatten(), layers.Dense(3, activation="softmax")),
        ]
    )


def test_a_network_in_inference_writes_to_nothing(network):
    graph = tf.function(lambda: network(np.zeros((1, 8, 8, 1), np.float32), training=False), autograph=False).get_concrete_function().graph
    assert list(graph.variables)
    assert written_variables(graph) == []


@pytest.mark.parametrize(
    "write",
    [
        lambda variable, generator: variable.assign_add([1.0, 1.0]),
        lambda variable, generator: variable.scatter_nd_add([[0]], [2.0]),
        lambda variable, generator: variable[0].assign(3.0),
        lambda variable, generator: generator.normal([2]),
        lambda variable, generator: tf.cond(tf.constant(True), lambda: variable.assign([0.0, 0.0]), lambda: variable.read_value()),
    ],
)
def test_what_a_graph_writes_to_is_found(write):
    variable, generator = tf.Variable([1.0, 2.0]), tf.random.Generator.from_seed(1)
    graph = tf.function(lambda: write(variable, generator), autograph=False).get_concrete_function().graph
    assert written_variables(graph)
