"""Healthy programs by the idea of keras.io's examples, logged by the callback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

import tb_featuremap_plugin as fm
from benchmarks.programs.data import digits, photos, sentences, table
from benchmarks.programs.program import healthy

PROBE = 32


def logged(logdir: Path, x: Any, y: Any = None) -> Any:
    """The callback with the first samples as probe, as the manual writes it."""
    return fm.keras.FeatureMapCallback(str(logdir), x[:PROBE] if y is None else (x[:PROBE], y[:PROBE]), every=1)


def started(seed: int) -> None:
    """Makes a program the same each time, whatever ran before it."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)


def picture_digits() -> tuple[Any, Any]:
    """Digits as keras.io has them: [N, 8, 8, 1], 0..1, and their classes."""
    x, y = digits()
    return x[..., None], y


def fitted(model: Any, x: Any, y: Any, logdir: Path, **options: Any) -> float:
    """`model.fit` with the callback; returns the last loss."""
    history = model.fit(x, y, verbose=0, callbacks=[logged(logdir, x, y)], **options)
    return float(history.history["loss"][-1])


@healthy("keras: mnist_convnet, one-hot labels, dropout, validation split", "network")
def _convnet(logdir: Path) -> Any:
    started(0)
    x, y = picture_digits()
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(), layers.Dropout(0.5), layers.Dense(10, activation="softmax"),
        ]
    )  # fmt: skip
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return fitted(model, x, keras.utils.to_categorical(y, 10), logdir, batch_size=64, epochs=5, validation_split=0.1)


@healthy("keras: vision transformer, patches, AdamW, logits", "transformers")
def _vit(logdir: Path) -> Any:
    started(1)
    x, y = picture_digits()
    inputs = keras.Input((8, 8, 1))
    patches = layers.Reshape((16, 32))(layers.Conv2D(32, 2, 2)(inputs))
    h = patches + layers.Embedding(16, 32)(ops.expand_dims(ops.arange(16), 0))
    for _ in range(2):
        a = layers.LayerNormalization(epsilon=1e-6)(h)
        h = layers.Add()([layers.MultiHeadAttention(2, 32, dropout=0.1)(a, a), h])
        b = layers.LayerNormalization(epsilon=1e-6)(h)
        b = layers.Dropout(0.1)(layers.Dense(64, activation=keras.activations.gelu)(b))
        h = layers.Add()([layers.Dropout(0.1)(layers.Dense(32, activation=keras.activations.gelu)(b)), h])
    h = layers.Dropout(0.5)(layers.Flatten()(layers.LayerNormalization(epsilon=1e-6)(h)))
    outputs = layers.Dense(10)(layers.Dropout(0.5)(layers.Dense(64, activation=keras.activations.gelu)(h)))
    model = keras.Model(inputs, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(0.001, weight_decay=0.0001), loss, metrics=[keras.metrics.SparseTopKCategoricalAccuracy(5)])
    return fitted(model, x, y, logdir, batch_size=64, epochs=4)


@healthy("keras: U-Net with separable convolutions, Rescaling first, sparse masks", "network")
def _unet(logdir: Path) -> Any:
    started(2)
    x, _ = photos(160)
    masks = (x[..., 0] > x[..., 1]).astype("int32") + (x[..., 2] > 140)
    inputs = keras.Input((24, 24, 3))
    h = layers.Rescaling(1 / 255)(inputs)
    h = before = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(16, 3, strides=2, padding="same")(h)))
    for filters in (24, 32):
        h = layers.BatchNormalization()(layers.SeparableConv2D(filters, 3, padding="same")(layers.Activation("relu")(h)))
        h = layers.MaxPooling2D(3, strides=2, padding="same")(h)
        before = h = layers.add([h, layers.Conv2D(filters, 1, strides=2, padding="same")(before)])
    for filters in (32, 24, 16):
        h = layers.BatchNormalization()(layers.Conv2DTranspose(filters, 3, padding="same")(layers.Activation("relu")(h)))
        h = layers.UpSampling2D(2)(h)
        before = h = layers.add([h, layers.Conv2D(filters, 1, padding="same")(layers.UpSampling2D(2)(before))])
    model = keras.Model(inputs, layers.Conv2D(3, 3, activation="softmax", padding="same")(h))
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy")
    return fitted(model, x, masks, logdir, batch_size=16, epochs=5)


@healthy("keras: text classified by a convolution, embedding, binary", "network")
def _text(logdir: Path) -> Any:
    started(3)
    x, y = sentences(1200)
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int64"), layers.Embedding(200, 32), layers.Dropout(0.5),
            layers.Conv1D(32, 5, padding="valid", activation="relu"), layers.GlobalMaxPooling1D(), layers.Dense(32, activation="relu"),
            layers.Dropout(0.5), layers.Dense(1, activation="sigmoid", name="predictions"),
        ]
    )  # fmt: skip
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    return fitted(model, x, y, logdir, epochs=3)


@healthy("keras: time series by convolutions, batch normalisation, plateau", "network")
def _series(logdir: Path) -> Any:
    started(4)
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 600)
    time = np.linspace(0, 6, 60)
    x = np.sin(time * (1 + 0.7 * y[:, None]) + rng.uniform(0, 6, (600, 1))) + 0.2 * rng.normal(size=(600, 60))
    inputs = h = keras.Input((60, 1))
    for _ in range(3):
        h = layers.ReLU()(layers.BatchNormalization()(layers.Conv1D(24, 3, padding="same")(h)))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling1D()(h)))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=2, min_lr=0.0001)
    x = x[..., None].astype("float32")
    history = model.fit(x, y, batch_size=32, epochs=6, validation_split=0.2, verbose=0, callbacks=[plateau, logged(logdir, x, y)])
    return history.history["loss"][-1]


@healthy("keras: autoencoder that takes noise away, binary cross-entropy of pixels", "loss")
def _denoising(logdir: Path) -> Any:
    started(5)
    x, _ = picture_digits()
    noisy = np.clip(x + 0.4 * np.random.default_rng(5).normal(size=x.shape), 0, 1).astype("float32")
    inputs = keras.Input((8, 8, 1))
    h = layers.MaxPooling2D(2, padding="same")(layers.Conv2D(32, 3, activation="relu", padding="same")(inputs))
    h = layers.MaxPooling2D(2, padding="same")(layers.Conv2D(32, 3, activation="relu", padding="same")(h))
    h = layers.Conv2DTranspose(32, 3, strides=2, activation="relu", padding="same")(h)
    h = layers.Conv2DTranspose(32, 3, strides=2, activation="relu", padding="same")(h)
    model = keras.Model(inputs, layers.Conv2D(1, 3, activation="sigmoid", padding="same")(h))
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return fitted(model, noisy, x, logdir, epochs=3, batch_size=64)


class Sampling(layers.Layer):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs: Any) -> Any:
        mean, log_var = inputs
        return mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean), seed=self.seed_generator)


class Vae(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        inputs = keras.Input((8, 8, 1))
        h = layers.Conv2D(16, 3, activation="relu", strides=2, padding="same")(inputs)
        h = layers.Dense(16, activation="relu")(layers.Flatten()(layers.Conv2D(32, 3, activation="relu", strides=2, padding="same")(h)))
        mean, log_var = layers.Dense(2, name="z_mean")(h), layers.Dense(2, name="z_log_var")(h)
        self.encoder = keras.Model(inputs, [mean, log_var, Sampling()([mean, log_var])])
        latent = keras.Input((2,))
        h = layers.Reshape((2, 2, 32))(layers.Dense(128, activation="relu")(latent))
        h = layers.Conv2DTranspose(32, 3, activation="relu", strides=2, padding="same")(h)
        h = layers.Conv2DTranspose(16, 3, activation="relu", strides=2, padding="same")(h)
        self.decoder = keras.Model(latent, layers.Conv2DTranspose(1, 3, activation="sigmoid", padding="same")(h))

    def call(self, x: Any) -> Any:
        mean, log_var, z = self.encoder(x)
        self.add_loss(ops.mean(-0.5 * ops.sum(1 + log_var - mean**2 - ops.exp(log_var), 1)))
        made = self.decoder(z)
        self.add_loss(ops.mean(ops.sum(keras.losses.binary_crossentropy(x, made), (1, 2))))
        return made


@healthy("keras: variational autoencoder, subclass, losses added in call", "loss")
def _vae(logdir: Path) -> Any:
    started(6)
    x, _ = picture_digits()
    model = Vae()
    model.compile(optimizer=keras.optimizers.Adam())
    history = model.fit(x, epochs=4, batch_size=64, verbose=0, callbacks=[logged(logdir, x)])
    return history.history["loss"][-1]


@healthy("keras: twins, euclidean distance, batch norm before a sigmoid, contrastive loss, RMSprop", "loss")
def _twins(logdir: Path) -> Any:
    started(7)
    x, y = picture_digits()
    rng = np.random.default_rng(7)
    one, two = rng.integers(0, 1500, 1000), rng.integers(0, 1500, 1000)
    for at in range(0, 1000, 2):
        two[at] = rng.choice(np.flatnonzero(y[:1500] == y[one[at]]))
    label = (y[one] != y[two]).astype("float32")
    tower_in = keras.Input((8, 8, 1))
    h = layers.BatchNormalization()(tower_in)
    h = layers.AveragePooling2D(2)(layers.Conv2D(4, 3, activation="tanh", padding="same")(h))
    h = layers.AveragePooling2D(2)(layers.Conv2D(16, 3, activation="tanh", padding="same")(h))
    tower = keras.Model(tower_in, layers.Dense(10, activation="tanh")(layers.BatchNormalization()(layers.Flatten()(h))))
    a, b = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    apart = layers.Lambda(lambda v: ops.sqrt(ops.maximum(ops.sum(ops.square(v[0] - v[1]), 1, keepdims=True), 1e-7)), output_shape=(1,))
    out = layers.Dense(1, activation="sigmoid")(layers.BatchNormalization()(apart([tower(a), tower(b)])))
    model = keras.Model([a, b], out)
    model.compile(loss=lambda t, p: ops.mean((1 - t) * p**2 + t * ops.maximum(1 - p, 0) ** 2), optimizer="RMSprop", metrics=["accuracy"])
    callback = fm.keras.FeatureMapCallback(str(logdir), ([x[one[:PROBE]], x[two[:PROBE]]], label[:PROBE]), every=1)
    return model.fit([x[one], x[two]], label, batch_size=16, epochs=2, verbose=0, callbacks=[callback]).history["loss"][-1]


class Distiller(keras.Model):
    def __init__(self, student: Any, teacher: Any) -> None:
        super().__init__()
        self.student, self.teacher = student, teacher

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, **_: Any) -> Any:
        told = ops.softmax(self.teacher(x, training=False) / 3)
        soft = keras.losses.KLDivergence()(told, ops.softmax(y_pred / 3)) * 9
        return 0.1 * keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, y_pred) + 0.9 * soft

    def call(self, x: Any) -> Any:
        return self.student(x)


def _small(channels: int) -> Any:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)), layers.Conv2D(channels, 3, strides=2, padding="same"), layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(2 * channels, 3, strides=2, padding="same"), layers.Flatten(), layers.Dense(10),
        ]
    )  # fmt: skip


@healthy("keras: distiller with a frozen teacher inside the model", "loss")
def _distiller(logdir: Path) -> Any:
    started(8)
    x, y = picture_digits()
    teacher = _small(32)
    teacher.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    teacher.fit(x, y, epochs=5, verbose=0)
    teacher.trainable = False
    model = Distiller(_small(8), teacher)
    model.compile(optimizer=keras.optimizers.Adam(), metrics=[keras.metrics.SparseCategoricalAccuracy()])
    return fitted(model, x, y, logdir, epochs=3)


@healthy("keras: wide and deep on fares and ages, Normalization adapted, StringLookup-like numbers", "data")
def _wide_deep(logdir: Path) -> Any:
    started(9)
    z, target = table(1200, 6)
    numbers = (z * np.array([20, 14, 3, 900, 1, 50]) + np.array([32, 30, 5, 2000, 0, 100])).astype("float32")
    kinds = np.random.default_rng(9).integers(0, 5, (1200, 1))
    y = (target[:, 0] + 0.4 * kinds[:, 0] > 0.8).astype("float32")
    scale = layers.Normalization()
    scale.adapt(numbers)
    a, b = keras.Input((6,)), keras.Input((1,), dtype="int64")
    wide = layers.CategoryEncoding(5, output_mode="one_hot")(b)
    deep = layers.concatenate([scale(a), layers.Flatten()(layers.Embedding(5, 3)(b))])
    for units in (32, 32):
        deep = layers.Dropout(0.1)(layers.ReLU()(layers.BatchNormalization()(layers.Dense(units)(deep))))
    model = keras.Model([a, b], layers.Dense(1, activation="sigmoid")(layers.concatenate([wide, deep])))
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy", metrics=["accuracy"])
    callback = fm.keras.FeatureMapCallback(str(logdir), ([numbers[:PROBE], kinds[:PROBE]], y[:PROBE]), every=1)
    return model.fit([numbers, kinds], y, epochs=4, verbose=0, callbacks=[callback]).history["loss"][-1]
