"""Keras 3: one line in `fit`, beside Keras' own TensorBoard callback. Runs with KERAS_BACKEND tensorflow, jax or torch."""

import sys

import keras
import numpy as np
from sklearn.datasets import load_digits

import tb_featuremap_plugin as fm

logdir = sys.argv[1] if len(sys.argv) > 1 else "logs/keras"
images, labels = load_digits(return_X_y=True)
images = (images.reshape(-1, 8, 8, 1) / 16).astype(np.float32)

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(16, 3, padding="same", name="conv1"),
        keras.layers.BatchNormalization(name="norm1"),
        keras.layers.ReLU(name="relu1"),
        keras.layers.Conv2D(32, 3, strides=2, activation="relu", name="conv2"),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax", name="digit"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

probe = (images[:16], labels[:16])  # always the same few inputs, with their targets
model.fit(
    images,
    labels,
    epochs=2,
    verbose=2,
    callbacks=[
        keras.callbacks.TensorBoard(logdir),
        fm.keras.FeatureMapCallback(logdir, probe, every=50, gradients=True),
    ],
)
