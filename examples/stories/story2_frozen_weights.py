"""Story 2: "Biases change, weights do not".

In TensorBoard's distributions every bias visibly moves and every weight looks frozen, while the loss falls. A histogram cannot tell: a step
of a thousandth of a kernel's norm moves a thousandth of the histogram's mass.

Look at: Weight change. Each kernel is said to be changing, with its update ratio, how far it has moved since the start, and whether
successive updates agree in direction. With --slow the weights start from a standard deviation of 0.1: now every step is truly too small,
and the tab says so. With --mended they start from Xavier again and take larger steps.

Coloured gratings of 64x64 stand in for the video frames, their orientation for the steering angle, and the batch has 32 instead of 1024.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.demo import data, program

VARIANTS = ("asked", "slow", "mended")
EPOCHS = 6


class LocalResponseNormalization(layers.Layer):  # type: ignore[misc]
    """Divides each value by the size of its neighbours in the channels around it, as in AlexNet."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Over 5 channels to either side."""
        return tf.nn.local_response_normalization(x)


def root_mean_squared_error(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """The loss of the question."""
    return ops.sqrt(ops.mean(ops.square(targets - outputs)))


def build(initializer: keras.initializers.Initializer) -> keras.Model:
    """Five convolutions, two dense layers of 2046 and one number."""
    dense = {"kernel_initializer": initializer, "bias_initializer": keras.initializers.Constant(0.1)}
    conv = {"padding": "same", "activation": "relu", **dense}
    return keras.Sequential(
        [
            keras.Input((64, 64, 3)),
            layers.Conv2D(128, 5, strides=4, name="conv1", **conv),
            LocalResponseNormalization(name="norm1"),
            layers.MaxPooling2D(3, 2, padding="same", name="pool1"),
            layers.Conv2D(128, 3, name="conv2", **conv),
            LocalResponseNormalization(name="norm2"),
            layers.MaxPooling2D(3, 2, padding="same", name="pool2"),
            layers.Conv2D(256, 3, name="conv3", **conv),
            layers.Conv2D(256, 3, name="conv4", **conv),
            layers.Conv2D(256, 3, name="conv5", **conv),
            layers.MaxPooling2D(3, 2, padding="same", name="pool5"),
            layers.Flatten(name="flatten"),
            layers.Dense(2046, activation="relu", name="fc1", **dense),
            layers.Dense(2046, activation="relu", name="fc2", **dense),
            layers.Dense(1, name="out", **dense),
        ]
    )


def train(logdir: str, variant: str = "asked", **logging: Any) -> None:
    """Trains and logs, each into a folder of its own below `logdir`."""
    keras.utils.set_random_seed(2)
    images, angles = data.gratings(640, side=64)
    frames = (images - 128) / 255
    model = build(keras.initializers.TruncatedNormal(stddev=0.1) if variant == "slow" else keras.initializers.GlorotUniform())
    model.compile(keras.optimizers.Adam(3e-4 if variant == "mended" else 1e-4), root_mean_squared_error)
    callbacks = [
        fm.keras.FeatureMapCallback(logdir, (frames[:32], angles[:32]), **{"every": 25, **logging}),
        keras.callbacks.TensorBoard(logdir, histogram_freq=1, write_graph=False),
    ]
    model.fit(frames, angles, batch_size=32, epochs=EPOCHS, verbose=2, callbacks=callbacks)


if __name__ == "__main__":
    program.run(train, VARIANTS, __doc__)
