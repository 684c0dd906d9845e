"""What is logged: activations of a network on a real photograph, noise, and the weights of a real architecture."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import tensorflow as tf

Float32 = npt.NDArray[np.float32]

RESNET_LIKE = (
    (112, 64),
    (56, 64),
    (56, 256),
    (28, 128),
    (28, 512),
    (14, 256),
    (14, 512),
    (14, 1024),
    (7, 512),
    (7, 2048),
)
"""Side and channels of ten layers for one 224 x 224 image: 2,784,768 values in 5,376 channels."""


@cache
def photograph_activations() -> dict[str, Float32]:
    """ReLU outputs [1, side, side, channels] of a random convolutional network on scikit-learn's photograph of a temple."""
    import tensorflow as tf
    from sklearn.datasets import load_sample_image

    image = tf.image.resize(load_sample_image("china.jpg")[None, :, 100:527] / 255.0, (224, 224))
    signal = (image - tf.reduce_mean(image)) / tf.math.reduce_std(image)
    layers = {}
    rng = np.random.default_rng(0)
    for side, channels in RESNET_LIKE:
        signal = _random_layer(signal, side, channels, rng)
        layers[f"conv_{side}_{channels}"] = np.array(signal.numpy())
    return layers


def _random_layer(signal: tf.Tensor, side: int, channels: int, rng: np.random.Generator) -> tf.Tensor:
    import tensorflow as tf

    size = 7 if signal.shape[-1] == 3 else 3
    fan_in = size * size * signal.shape[-1]
    kernel = rng.normal(0, (2 / fan_in) ** 0.5, (size, size, signal.shape[-1], channels)).astype(np.float32)
    out = tf.nn.conv2d(signal, kernel, strides=signal.shape[1] // side, padding="SAME")
    mean, variance = tf.nn.moments(out, (0, 1, 2))
    return tf.nn.relu((out - mean) / tf.sqrt(variance + 1e-5) - 0.3)


def noise_like(layers: dict[str, Float32]) -> dict[str, Float32]:
    """Uniform noise of the same shapes: the worst case for compression."""
    rng = np.random.default_rng(1)
    return {name: rng.random(value.shape, dtype=np.float32) for name, value in layers.items()}


@cache
def resnet50_weights() -> dict[str, Float32]:
    """All 320 arrays of a ResNet-50, statistics of BatchNorm included: 103 MB."""
    import keras

    model = keras.applications.ResNet50(weights=None)
    return {variable.path: np.array(variable.numpy()) for variable in model.variables}


def stepped(weights: dict[str, Float32], ratio: float = 1e-3) -> dict[str, Float32]:
    """The weights after one step in a random direction of `ratio` times their size."""
    rng = np.random.default_rng(2)
    return {name: _step(value, ratio, rng) for name, value in weights.items()}


def _step(value: Float32, ratio: float, rng: np.random.Generator) -> Float32:
    scale = ratio * float(np.sqrt(np.mean(np.square(value, dtype=np.float32))))
    return value + rng.normal(0, scale or ratio, value.shape).astype(np.float32)


def memcpy(arrays: dict[str, Float32]) -> Callable[[], None]:
    """Copies the arrays into buffers that are already there: the machine's own limit."""
    buffers = {name: np.empty_like(value) for name, value in arrays.items()}

    def copy() -> None:
        for name, value in arrays.items():
            np.copyto(buffers[name], value)

    return copy
