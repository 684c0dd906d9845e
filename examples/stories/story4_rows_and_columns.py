"""Story 4: "It cannot even learn rows from columns".

Six images of 3x3 pixels, each with one white row or one white column; a convolution of two 2x2 filters, ReLU, a dense layer of two with a
softmax. Its output goes into a cross-entropy that takes logits, so softmax is applied twice; the inputs are 0..255 and the learning rate of
SGD is 0.001. After 100 epochs the accuracy is 0.5 and both filters are what they were.

Look at: Filters, unchanged to the last bit; the findings about the input's scale and about the output, which already is a distribution.
With --mended (inputs 0..1, one softmax, Adam, six filters) the filters turn into edge detectors.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.demo import data, program

VARIANTS = ("asked", "mended")
STEPS = 100
LAYERS = [
    fm.Layer("conv", kind="conv2d", activation="relu", weights=("conv/kernel",), kernel_size=(2, 2), strides=(1, 1), padding="valid"),
    fm.Layer("dense", kind="dense", activation="softmax", weights=("dense/kernel", "dense/bias"), role="output", inputs=("conv",)),
]


def build(filters: int) -> keras.Model:
    """A network small enough to check by hand."""
    images = keras.Input((3, 3, 1))
    maps = layers.Conv2D(filters, 2, use_bias=False, activation="relu", name="conv")(images)
    return keras.Model(images, [maps, layers.Dense(2, activation="softmax", name="dense")(layers.Flatten()(maps))])


def train(logdir: str, variant: str = "asked", **logging: Any) -> None:
    """A loop of one's own with `tf.GradientTape`, logged with `fm.Monitor`."""
    asked = variant == "asked"
    keras.utils.set_random_seed(4)
    pictures, targets = data.rows_and_columns()
    images = tf.constant(pictures if asked else pictures / 255)
    model = build(filters=2 if asked else 6)
    optimizer = keras.optimizers.SGD(1e-3) if asked else keras.optimizers.Adam(0.05)
    always = {
        "inputs": images,
        "targets": targets,
        "activations": lambda: dict(zip(("conv", "dense"), model(images), strict=True)),
        "weights": lambda: {variable.path: variable for variable in model.trainable_variables},
        "learning_rate": float(optimizer.learning_rate.numpy()),
    }
    options = {"every": 10, "layers": LAYERS, "loss": "categorical_crossentropy", "from_logits": asked, "optimizer": optimizer.name}
    with fm.Monitor(logdir, **{**options, **logging}) as monitor, tf.summary.create_file_writer(f"{logdir}/train").as_default():
        monitor.log(0, **always)
        for step in range(1, STEPS + 1):
            with tf.GradientTape() as tape:
                outputs = model(images)[1]
                loss = tf.reduce_mean(cross_entropy(targets, outputs, asked))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            named = {variable.path: gradient for variable, gradient in zip(model.trainable_variables, gradients, strict=True)}
            monitor.log(step, **always, gradients=named, loss=loss)
            summarise(step, loss, tf.reduce_mean(keras.metrics.categorical_accuracy(targets, outputs)), model)


def cross_entropy(targets: tf.Tensor, outputs: tf.Tensor, asked: bool) -> tf.Tensor:
    """As asked it takes logits, and is given a distribution; mended it takes what it is given."""
    if asked:
        return tf.nn.softmax_cross_entropy_with_logits(targets, outputs)
    return keras.losses.categorical_crossentropy(targets, outputs)


def summarise(step: int, loss: tf.Tensor, accuracy: tf.Tensor, model: keras.Model) -> None:
    """The ordinary scalars and histograms that the tab stands beside."""
    tf.summary.scalar("loss", loss, step)
    tf.summary.scalar("accuracy", accuracy, step)
    if step % 10 == 0:
        for variable in model.trainable_variables:
            tf.summary.histogram(variable.path, variable, step)


if __name__ == "__main__":
    program.run(train, VARIANTS, __doc__)
