"""Small Keras models of every build, and data for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers as L

RANDOM = np.random.default_rng(0)
X = RANDOM.random((24, 8, 8, 1)).astype(np.float32)
TARGETS = np.eye(3, dtype=np.float32)[np.arange(24) % 3]


def plain() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            L.Conv2D(4, 3, activation="relu", name="first"),
            L.Flatten(),
            L.Dense(3, activation="softmax", name="last"),
        ]
    )


def sequential() -> keras.Model:
    """Not built before it is trained."""
    layers = [
        L.Conv2D(4, 3),
        L.BatchNormalization(),
        L.ReLU(),
        L.Dropout(0.3),
        L.GlobalAveragePooling2D(),
        L.Dense(3, activation="softmax"),
    ]
    return keras.Sequential(layers)


def two_inputs() -> keras.Model:
    left, right = keras.Input((8, 8, 1), name="left"), keras.Input((8, 8, 1), name="right")
    shared = L.Conv2D(4, 3, padding="same", name="shared")
    inner = keras.Sequential([keras.Input((8, 8, 4)), L.Conv2D(4, 1, name="inner_conv")], name="inner")
    maps = inner(shared(left)) + shared(right)
    return keras.Model([left, right], L.Dense(3, activation="softmax", name="last")(L.Flatten()(maps)), name="two_inputs")


def branches() -> keras.Model:
    """An inception block with an auxiliary head."""
    image = keras.Input((8, 8, 1))
    stem = L.Conv2D(4, 3, padding="same", activation="relu", name="stem")(image)
    one, three = L.Conv2D(2, 1, name="one")(stem), L.Conv2D(2, 3, padding="same", name="three")(stem)
    join = L.Concatenate(name="join")([one, three])
    pool = L.Flatten()(L.MaxPooling2D(2, name="pool")(join))
    aux = L.Dense(3, activation="softmax", name="aux_head")(L.Flatten()(stem))
    return keras.Model(image, [L.Dense(3, activation="softmax", name="main")(pool), aux], name="branches")


def u_net() -> keras.Model:
    image = keras.Input((8, 8, 1))
    down = L.Conv2D(4, 3, padding="same", activation="relu", name="down")(image)
    deep = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="deep")(L.MaxPooling2D(2)(down))
    up = L.Conv2DTranspose(4, 2, strides=2, name="up")(L.SeparableConv2D(4, 3, padding="same", name="separable")(deep))
    maps = L.Conv2D(3, 1, name="merge")(L.Concatenate()([down, up]))
    return keras.Model(image, L.Softmax(name="answer")(L.GlobalAveragePooling2D()(maps)))


@keras.saving.register_keras_serializable("tests")
class Block(L.Layer):  # type: ignore[misc]  # Keras has no types
    """A residual block that is no model."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.conv_a, self.norm = L.Conv2D(4, 3, padding="same"), L.BatchNormalization()
        self.conv_b, self.add = L.Conv2D(4, 3, padding="same"), L.Add()

    def call(self, x: Any, training: bool = False) -> Any:
        return self.add([x, self.conv_b(keras.ops.relu(self.norm(self.conv_a(x), training=training)))])


class Residual(keras.Model):  # type: ignore[misc]  # Keras has no types
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.blocks = L.Conv2D(4, 3, padding="same"), [Block(), Block()]
        self.flatten, self.head = L.Flatten(), L.Dense(3, activation="softmax")

    def call(self, x: Any, training: bool = False) -> Any:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x, training=training)
        return self.head(self.flatten(x))


MODELS: dict[str, Callable[[], keras.Model]] = {
    "plain": plain,
    "sequential": sequential,
    "two_inputs": two_inputs,
    "branches": branches,
    "u_net": u_net,
    "residual": Residual,
}


def compiled(kind: str, *, optimizer: Any = "adam", freeze: bool = False, **options: Any) -> keras.Model:
    keras.utils.set_random_seed(1)
    keras.backend.clear_session()
    model = MODELS[kind]()
    if freeze:
        model.layers[0].trainable = False
    losses = {"branches": ["categorical_crossentropy"] * 2}.get(kind, "categorical_crossentropy")
    weights = [1.0, 0.3] if kind == "branches" else None
    model.compile(optimizer, losses, loss_weights=weights, **{"jit_compile": False, **options})
    return model


def fit(model: keras.Model, *callbacks: keras.callbacks.Callback, epochs: int = 2) -> keras.Model:
    """Three steps an epoch, in order."""
    inputs = {"left": X, "right": X[::-1].copy()} if model.name == "two_inputs" else X
    targets = [TARGETS, TARGETS] if model.name == "branches" else TARGETS
    model.fit(inputs, targets, batch_size=8, epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks))
    return model


def weights_of(model: keras.Model) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable) for variable in model.weights]
