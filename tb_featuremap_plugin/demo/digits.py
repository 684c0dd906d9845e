"""A small network that learns scikit-learn's digits, logged with one line: the healthy run of the demo."""

from __future__ import annotations

import sys
from typing import Any

import keras
from keras import layers

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.demo import data

TRAINING = 1500


def build_model() -> keras.Model:
    """Two convolutions with batch normalisation and two dense layers."""
    conv = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
    return keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(16, 3, name="conv1", **conv),
            layers.BatchNormalization(name="norm1"),
            layers.ReLU(name="relu1"),
            layers.MaxPooling2D(2, name="pool1"),
            layers.Conv2D(32, 3, name="conv2", **conv),
            layers.BatchNormalization(name="norm2"),
            layers.ReLU(name="relu2"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(64, activation="relu", kernel_initializer="he_normal", name="dense"),
            layers.Dense(10, activation="softmax", name="out"),
        ]
    )


def train(logdir: str, variant: str = "digits", *, epochs: int = 8, **logging: Any) -> None:
    """Trains and logs: scalars and histograms with Keras' own callback, everything else with ours."""
    keras.utils.set_random_seed(5)
    images, digits = data.digits(side=16)
    training, validation = slice(None, TRAINING), slice(TRAINING, None)
    model = build_model()
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    callbacks = [
        fm.keras.FeatureMapCallback(logdir, (images[validation][:32], digits[validation][:32]), **{"every": 20, **logging}),
        keras.callbacks.TensorBoard(logdir, histogram_freq=1, write_graph=False),
    ]
    held_out = (images[validation], digits[validation])
    model.fit(images[training], digits[training], batch_size=64, epochs=epochs, verbose=0, validation_data=held_out, callbacks=callbacks)


if __name__ == "__main__":
    train(sys.argv[1], epochs=int(sys.argv[2]))
