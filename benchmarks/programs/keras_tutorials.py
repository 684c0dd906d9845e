"""Healthy programs by the idea of keras.io's and TensorFlow's guides, logged by the callback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

import tb_featuremap_plugin as fm
from benchmarks.programs.data import photos, sentences, table
from benchmarks.programs.keras_examples import PROBE, fitted, logged, picture_digits, started
from benchmarks.programs.program import healthy


@healthy("keras: one fraud in a hundred, class weights, dropout, rate 0.01", "data")
def _fraud(logdir: Path) -> Any:
    started(20)
    z, score = table(4000, 12, noise=0.1)
    y = (score > np.quantile(score, 0.985)).astype("uint8")
    model = keras.Sequential([keras.Input((12,))])
    for drop in (0.0, 0.3, 0.3):
        model.add(layers.Dense(64, activation="relu"))
        if drop:
            model.add(layers.Dropout(drop))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="binary_crossentropy", metrics=[keras.metrics.Recall()])
    weights = {0: 1.0 / int((y == 0).sum()), 1: 1.0 / int(y.sum())}
    return fitted(model, z, y, logdir, batch_size=128, epochs=4, class_weight=weights)


@healthy("keras: pictures by Rescaling first, augmented, no normalisation", "data")
def _rescaled(logdir: Path) -> Any:
    started(21)
    x, y = photos(400)
    model = keras.Sequential(
        [
            keras.Input((24, 24, 3)), layers.RandomFlip("horizontal"), layers.Rescaling(1.0 / 255), layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(), layers.Dropout(0.2), layers.Flatten(),
            layers.Dense(64, activation="relu"), layers.Dense(5),
        ]
    )  # fmt: skip
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return fitted(model, x, y, logdir, epochs=5)


@healthy("keras: frozen base that has learnt, then fine-tuned with a rate of 1e-5", "loop")
def _tuned(logdir: Path) -> Any:
    started(22)
    x, y = picture_digits()
    base = keras.Sequential(
        [
            keras.Input((8, 8, 1)), layers.Conv2D(24, 3), layers.BatchNormalization(), layers.ReLU(), layers.Conv2D(24, 3),
            layers.BatchNormalization(),
            layers.ReLU(), layers.GlobalAveragePooling2D(),
        ]
    )  # fmt: skip
    whole = keras.Sequential([base, layers.Dense(10)])
    whole.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    whole.fit(x, y, epochs=6, verbose=0)
    base.trainable = False
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, layers.Dense(1)(layers.Dropout(0.2)(base(inputs, training=False))))
    labels, loss = (y > 4).astype("float32"), keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(), loss=loss, metrics=[keras.metrics.BinaryAccuracy()])
    callback = logged(logdir, x, labels)
    model.fit(x, labels, epochs=2, verbose=0, callbacks=[callback])
    base.trainable = True
    model.compile(optimizer=keras.optimizers.Adam(1e-5), loss=loss, metrics=[keras.metrics.BinaryAccuracy()])
    return model.fit(x, labels, epochs=1, verbose=0, callbacks=[callback]).history["loss"][-1]


@healthy("keras: mixup of pictures and labels, SGD with momentum", "loss")
def _mixup(logdir: Path) -> Any:
    started(23)
    x, y = picture_digits()
    rng, hot = np.random.default_rng(23), np.eye(10, dtype="float32")[y]
    other, share = rng.permutation(len(x)), rng.beta(0.2, 0.2, (len(x), 1)).astype("float32")
    mixed, labels = x * share[..., None, None] + x[other] * (1 - share[..., None, None]), hot * share + hot[other] * (1 - share)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)), layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPooling2D(2),
            layers.GlobalAveragePooling2D(),
            layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax"),
        ]
    )  # fmt: skip
    model.compile(optimizer=keras.optimizers.SGD(0.02, momentum=0.9), loss="categorical_crossentropy", metrics=["accuracy"])
    return fitted(model, mixed, labels, logdir, epochs=4)


@healthy("keras: tickets, two outputs, losses in a dict, weighted", "loss")
def _tickets(logdir: Path) -> Any:
    started(24)
    x, kind = sentences(900)
    tags = np.random.default_rng(24).integers(0, 2, (900, 4)).astype("float32")
    tags[:, 0] = kind
    title, marks = keras.Input((None,), dtype="int64", name="title"), keras.Input((4,), name="tags")
    h = layers.concatenate([layers.LSTM(32)(layers.Embedding(200, 32)(title)), marks])
    model = keras.Model([title, marks], [layers.Dense(1, name="priority")(h), layers.Dense(3, name="department")(h)])
    model.compile(
        optimizer=keras.optimizers.RMSprop(1e-3),
        loss={
            "priority": keras.losses.BinaryCrossentropy(from_logits=True),
            "department": keras.losses.CategoricalCrossentropy(from_logits=True),
        },
        loss_weights={"priority": 1.0, "department": 0.2},
    )
    team = np.eye(3, dtype="float32")[(kind + (tags[:, 1] > 0)).astype(int)]
    inputs, targets = {"title": x, "tags": tags}, {"priority": kind[:, None].astype("float32"), "department": team}
    probe = ({name: value[:PROBE] for name, value in inputs.items()}, {name: value[:PROBE] for name, value in targets.items()})
    callback = fm.keras.FeatureMapCallback(str(logdir), probe, every=1)
    return model.fit(inputs, targets, epochs=4, batch_size=32, verbose=0, callbacks=[callback]).history["loss"][-1]


@healthy("keras: weather by an LSTM, standardised, squared error", "data")
def _weather(logdir: Path) -> Any:
    started(25)
    rng = np.random.default_rng(25)
    time = np.arange(1500)
    values = (
        np.stack([np.sin(time / 12), np.cos(time / 12), np.sin(time / 90)], 1) * [8, 5, 12] + [10, 1000, 3] + rng.normal(size=(1500, 3))
    )
    values = ((values - values.mean(0)) / values.std(0)).astype("float32")
    x = np.stack([values[at : at + 24] for at in range(1400)])
    y = values[30:1430, 2]
    inputs = keras.Input((24, 3))
    model = keras.Model(inputs, layers.Dense(1)(layers.LSTM(32)(inputs)))
    model.compile(optimizer=keras.optimizers.Adam(0.001), loss="mse")
    return fitted(model, x, y, logdir, epochs=3, batch_size=64)


class Gan(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.discriminator = keras.Sequential(
            [
                keras.Input((8, 8, 1)), layers.Conv2D(16, 4, strides=2, padding="same"), layers.LeakyReLU(negative_slope=0.2),
                layers.Conv2D(32, 4, strides=2, padding="same"), layers.LeakyReLU(negative_slope=0.2), layers.Flatten(),
                layers.Dropout(0.2),
                layers.Dense(1, activation="sigmoid"),
            ]
        )  # fmt: skip
        self.generator = keras.Sequential(
            [
                keras.Input((16,)), layers.Dense(2 * 2 * 16), layers.Reshape((2, 2, 16)),
                layers.Conv2DTranspose(16, 4, strides=2, padding="same"),
                layers.LeakyReLU(negative_slope=0.2), layers.Conv2DTranspose(32, 4, strides=2, padding="same"),
                layers.LeakyReLU(negative_slope=0.2), layers.Conv2D(1, 5, padding="same", activation="sigmoid"),
            ]
        )  # fmt: skip

    def compile(self, **options: Any) -> None:
        super().compile()
        self.d_optimizer, self.g_optimizer = options["d_optimizer"], options["g_optimizer"]
        self.loss_fn = keras.losses.BinaryCrossentropy()

    def call(self, noise: Any) -> Any:
        return self.discriminator(self.generator(noise))

    def train_step(self, real: Any) -> Any:
        import tensorflow as tf

        count = ops.shape(real)[0]
        noise = keras.random.normal((count, 16))
        both = ops.concatenate([self.generator(noise), real], 0)
        labels = ops.concatenate([ops.ones((count, 1)), ops.zeros((count, 1))], 0)
        labels += 0.05 * keras.random.uniform(ops.shape(labels))
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(both))
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply(tape.gradient(d_loss, weights), weights)
        with tf.GradientTape() as tape:
            g_loss = self.loss_fn(ops.zeros((count, 1)), self.discriminator(self.generator(noise)))
        weights = self.generator.trainable_weights
        self.g_optimizer.apply(tape.gradient(g_loss, weights), weights)
        return {"d_loss": d_loss, "g_loss": g_loss}


@healthy("keras: DCGAN with a train_step of its own", "gans")
def _dcgan(logdir: Path) -> Any:
    started(26)
    x, _ = picture_digits()
    model = Gan()
    model.compile(d_optimizer=keras.optimizers.Adam(1e-4), g_optimizer=keras.optimizers.Adam(1e-4))
    noise = np.random.default_rng(26).normal(size=(PROBE, 16)).astype("float32")
    return model.fit(x, batch_size=64, epochs=4, verbose=0, callbacks=[logged(logdir, noise)]).history["g_loss"][-1]


@healthy("keras: transformer block with masked positions, Adam, sparse labels", "transformers")
def _block(logdir: Path) -> Any:
    started(27)
    x, y = sentences(900)
    inputs = keras.Input((24,), dtype="int64")
    h = layers.Embedding(200, 32)(inputs) + layers.Embedding(24, 32)(ops.expand_dims(ops.arange(24), 0))
    a = layers.Dropout(0.1)(layers.MultiHeadAttention(2, 32)(h, h))
    h = layers.LayerNormalization(epsilon=1e-6)(h + a)
    b = layers.Dropout(0.1)(layers.Dense(32)(layers.Dense(32, activation="relu")(h)))
    h = layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-6)(h + b))
    h = layers.Dropout(0.1)(layers.Dense(20, activation="relu")(layers.Dropout(0.1)(h)))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(h))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return fitted(model, x, y, logdir, batch_size=32, epochs=4)


@healthy("keras: miles per gallon, Normalization adapted, mean absolute error, Adam 0.001", "loss")
def _fuel(logdir: Path) -> Any:
    started(28)
    z, target = table(314, 9)
    numbers = (z * np.array([1, 100, 40, 800, 3, 4, 0.4, 0.4, 0.4]) + np.array([5, 200, 100, 3000, 15, 76, 0.2, 0.2, 0.6])).astype(
        "float32"
    )
    y = 23 + 7 * target
    scale = layers.Normalization(axis=-1)
    scale.adapt(numbers)
    model = keras.Sequential([scale, layers.Dense(64, activation="relu"), layers.Dense(64, activation="relu"), layers.Dense(1)])
    model.compile(loss="mean_absolute_error", optimizer=keras.optimizers.Adam(0.001))
    return fitted(model, numbers, y, logdir, epochs=25, validation_split=0.2)


@healthy("keras: letters one after the other, two LSTMs, one-hot letters", "network")
def _letters(logdir: Path) -> Any:
    started(29)
    text = np.array([(7 * at + at // 3) % 20 for at in range(1500)])
    hot = np.eye(20, dtype="float32")
    x, y = np.stack([hot[text[at : at + 12]] for at in range(1400)]), hot[text[12:1412]]
    model = keras.Sequential([keras.Input((12, 20)), layers.LSTM(48), layers.Dense(20, activation="softmax")])
    model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.RMSprop(learning_rate=0.01))
    return fitted(model, x, y, logdir, batch_size=64, epochs=4)


@healthy("keras: bidirectional LSTM on padded sentences, mask_zero", "network")
def _both_ways(logdir: Path) -> Any:
    started(30)
    x, y = sentences(900)
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"), layers.Embedding(200, 32, mask_zero=True),
            layers.Bidirectional(layers.LSTM(16, return_sequences=True)),
            layers.Bidirectional(layers.LSTM(16)), layers.Dense(1, activation="sigmoid"),
        ]
    )  # fmt: skip
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return fitted(model, x, y, logdir, batch_size=32, epochs=2)
