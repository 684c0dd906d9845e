"""Programs with a fault, in Keras, written without looking at the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from benchmarks.programs.data import sentences, table
from benchmarks.programs.keras_examples import fitted, picture_digits, started
from benchmarks.programs.program import faulty


@faulty("keras: softmax over one unit", "loss", {"wrong_output"})
def _one_unit(logdir: Path) -> Any:
    started(40)
    x, z = table()
    model = keras.Sequential([keras.Input((10,)), layers.Dense(32, activation="relu"), layers.Dense(1, activation="softmax")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return fitted(model, x, (z > 0).astype("float32"), logdir, epochs=6)


@faulty("keras: sigmoid for a number between -3 and 3", "loss", {"wrong_output"})
def _bounded(logdir: Path) -> Any:
    started(42)
    x, z = table()
    model = keras.Sequential([keras.Input((10,)), layers.Dense(32, activation="relu"), layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "mse")
    return fitted(model, x, z, logdir, epochs=8)


@faulty("keras: tanh before binary cross-entropy", "loss", {"wrong_output"})
def _tanh(logdir: Path) -> Any:
    started(43)
    x, y = sentences()
    model = keras.Sequential(
        [
            layers.Embedding(200, 16),
            layers.GlobalAveragePooling1D(),
            layers.Dense(16, activation="relu"),
            layers.Dense(1, activation="tanh"),
        ]
    )
    model.compile("rmsprop", "binary_crossentropy")
    return fitted(model, x, y.astype("float32"), logdir, epochs=6)


@faulty("keras: trainable = False on layers that have learnt nothing", "loop", {"frozen_random"})
def _frozen(logdir: Path) -> Any:
    started(44)
    x, y = picture_digits()
    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            *[layers.Conv2D(8, 3, padding="same", activation="tanh") for _ in range(4)],
            layers.GlobalAveragePooling2D(),
        ]
    )
    base.trainable = False
    model = keras.Sequential([base, layers.Dense(10, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return fitted(model, x, y, logdir, epochs=3)


@faulty("keras: Adam with a rate of 0.5", "loop", {"too_fast"})
def _fast(logdir: Path) -> Any:
    started(45)
    x, y = picture_digits()
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.5), "sparse_categorical_crossentropy")
    return fitted(model, x, y, logdir, epochs=3)


@faulty("keras: weights begin with a spread of 1 in six layers", "network", {"bad_init", "exploding_activation"})
def _large(logdir: Path) -> Any:
    started(46)
    x, y = picture_digits()
    wide = [layers.Dense(64, activation="relu", kernel_initializer=keras.initializers.RandomNormal(stddev=1.0)) for _ in range(6)]
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), *wide, layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return fitted(model, x, y, logdir, epochs=3)


@faulty("keras: prices in thousands, targets up to a million, mse", "data", {"unscaled_targets"})
def _prices(logdir: Path) -> Any:
    started(47)
    x, z = table()
    model = keras.Sequential(
        [keras.Input((10,)), layers.Dense(64, activation="relu"), layers.Dense(64, activation="relu"), layers.Dense(1)]
    )
    model.compile("adam", "mse")
    return fitted(model, x, 4e5 + 1.5e5 * z, logdir, epochs=6)


@faulty("keras: pixels 0..255 into dense layers, SGD", "data", {"unscaled_input"})
def _pixels(logdir: Path) -> Any:
    started(48)
    x, y = picture_digits()
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(64, activation="sigmoid"), layers.Dense(10, activation="softmax")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    return fitted(model, np.floor(255 * x), y, logdir, epochs=4)
