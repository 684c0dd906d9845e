"""Small Keras models whose layers keep state in every way that people's layers do, on any backend."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers as L

BACKEND = keras.backend.backend()
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((12, 6, 6, 2)).astype(np.float32)
ROWS = RANDOM.random((12, 5)).astype(np.float32)
SERIES = RANDOM.random((12, 4, 3)).astype(np.float32)
WORDS = RANDOM.integers(0, 9, (12, 4)).astype(np.int32)
TARGETS = RANDOM.random((12, 2)).astype(np.float32)

GLOBAL_LIST: list[int] = []
GLOBAL_COUNT = 0


@dataclass
class Case:
    """A model with data for it, and what of it lies outside its variables."""

    model: Any
    inputs: Any
    targets: Any = field(default_factory=lambda: TARGETS)
    kept: Callable[[], Any] = lambda: None
    compile: dict[str, Any] = field(default_factory=dict)


class Own(L.Layer):  # type: ignore[misc]  # Keras has no types
    """A layer that does something beside passing its input through a scale."""

    def __init__(self, effect: Callable[[Own, Any], Any], **attributes: Any) -> None:
        super().__init__()
        self.effect = effect
        for name, value in attributes.items():
            setattr(self, name, value)

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, x: Any) -> Any:
        changed = self.effect(self, x)
        return (x if changed is None else changed) * self.scale


def images(*layers: Any) -> Any:
    return keras.Sequential([keras.Input((6, 6, 2)), *layers, L.GlobalAveragePooling2D(), L.Dense(2)])


def rows(*layers: Any) -> Any:
    return keras.Sequential([keras.Input((5,)), *layers, L.Dense(2)])


def series(*layers: Any) -> Any:
    return keras.Sequential([keras.Input((4, 3)), *layers, L.Dense(2)])


def plain() -> Case:
    return Case(images(L.Conv2D(3, 3, activation="relu")), IMAGES)


def norms() -> Case:
    return Case(images(L.Conv2D(3, 3), L.BatchNormalization(), L.ReLU(), L.GroupNormalization(3), L.LayerNormalization()), IMAGES)


def dropouts() -> Case:
    return Case(images(L.Conv2D(3, 3), L.SpatialDropout2D(0.3), L.GaussianNoise(0.1), L.Dropout(0.2)), IMAGES)


def augmentation() -> Case:
    return Case(images(L.RandomFlip(), L.RandomTranslation(0.1, 0.1), L.Rescaling(1 / 2), L.Conv2D(3, 3)), IMAGES)


def stateful_lstm() -> Case:
    if BACKEND == "torch":  # where Keras cannot train one
        return gru_dropout()
    model = keras.Sequential([keras.Input(batch_shape=(4, 4, 3)), L.LSTM(3, stateful=True), L.Dense(2)])
    return Case(model, SERIES)


def gru_dropout() -> Case:
    return Case(series(L.GRU(3, dropout=0.2, recurrent_dropout=0.2)), SERIES)


def bidirectional() -> Case:
    return Case(series(L.Bidirectional(L.SimpleRNN(3, return_sequences=True)), L.TimeDistributed(L.Dense(3)), L.Flatten()), SERIES)


def embedding() -> Case:
    return Case(keras.Sequential([keras.Input((4,), dtype="int32"), L.Embedding(9, 3, mask_zero=True), L.LSTM(3), L.Dense(2)]), WORDS)


def attention() -> Case:
    given = keras.Input((4, 3))
    mixed = L.LayerNormalization()(given + L.MultiHeadAttention(2, 3, dropout=0.1)(given, given))
    return Case(keras.Model(given, L.Dense(2)(L.GlobalAveragePooling1D()(mixed))), SERIES)


def spectral() -> Case:
    return Case(images(L.SpectralNormalization(L.Conv2D(3, 3))), IMAGES)


def shared() -> Case:
    given = keras.Input((5,))
    layer, inner = L.Dense(5, activation="relu"), keras.Sequential([keras.Input((5,)), L.Dense(5), L.Dropout(0.1)], name="inner")
    return Case(keras.Model(given, L.Dense(2)(layer(inner(layer(given))))), ROWS)


def separable() -> Case:
    return Case(images(L.SeparableConv2D(3, 3), L.DepthwiseConv2D(2), L.Conv2DTranspose(3, 2)), IMAGES)


def counter() -> Case:
    layer = Own(lambda own, x: setattr(own, "count", own.count + 1), count=0)
    return Case(rows(layer), ROWS, kept=lambda: layer.count)


def appended() -> Case:
    layer = Own(lambda own, x: own.seen.append(len(own.seen)), seen=[])
    return Case(rows(layer), ROWS, kept=lambda: list(layer.seen))


def cached() -> Case:
    layer = Own(lambda own, x: own.cache.update({len(own.cache): 1}), cache={})
    return Case(rows(layer), ROWS, kept=lambda: dict(layer.cache))


def array_in_place() -> Case:
    def effect(own: Own, x: Any) -> None:
        own.buffer[0] += 1

    layer = Own(effect, buffer=np.zeros(3))
    return Case(rows(layer), ROWS, kept=layer.buffer.tolist)


def nested_object() -> Case:
    class Helper:
        count = 0
        shared: list[int] = []  # noqa: RUF012  # what all objects of a class share is the point

    def effect(own: Own, x: Any) -> None:
        own.helper.count += 1
        Helper.shared.append(1)

    layer = Own(effect, helper=Helper())
    return Case(rows(layer), ROWS, kept=lambda: (layer.helper.count, len(Helper.shared)))


def global_values() -> Case:
    GLOBAL_LIST.clear()
    globals()["GLOBAL_COUNT"] = 0

    class Global(Own):
        def call(self, x: Any) -> Any:
            global GLOBAL_COUNT
            GLOBAL_COUNT += 1
            GLOBAL_LIST.append(1)
            return x * self.scale

    return Case(rows(Global(lambda own, x: None)), ROWS, kept=lambda: (GLOBAL_COUNT, len(GLOBAL_LIST)))


def closure() -> Case:
    count = 0

    def effect(own: Own, x: Any) -> None:
        nonlocal count
        count += 1

    return Case(rows(Own(effect)), ROWS, kept=lambda: count)


def iterator() -> Case:
    layer = Own(lambda own, x: next(own.numbers) and None, numbers=iter(range(1, 1000)))
    return Case(rows(layer), ROWS, kept=lambda: layer.numbers.__length_hint__())


def python_random() -> Case:
    return Case(rows(Own(lambda own, x: x * random.random())), ROWS)


def numpy_random() -> Case:
    return Case(rows(Own(lambda own, x: x * np.float32(np.random.rand()))), ROWS)


def own_generators() -> Case:
    def effect(own: Own, x: Any) -> Any:
        return x * np.float32(own.numbers.random() + own.plain.random())

    layer = Own(effect, numbers=np.random.default_rng(3), plain=random.Random(4))
    return Case(rows(layer), ROWS, kept=lambda: (repr(layer.numbers.bit_generator.state), layer.plain.getstate()))


def keras_random() -> Case:
    if BACKEND == "jax":  # where Keras asks for a generator of the layer's own
        return seed_generator()
    return Case(rows(Own(lambda own, x: x + keras.random.normal(keras.ops.shape(x)) / 9)), ROWS)


def seed_generator() -> Case:
    layer = Own(lambda own, x: x + keras.random.normal(keras.ops.shape(x), seed=own.seed) / 9, seed=keras.random.SeedGenerator(5))
    return Case(rows(layer), ROWS)


def added_loss() -> Case:
    return Case(rows(Own(lambda own, x: own.add_loss(keras.ops.mean(x * x))), L.Dense(3, activity_regularizer="l2")), ROWS)


def metric_in_call() -> Case:
    if BACKEND == "jax":  # where Keras' own training fails with one
        return added_loss()
    layer = Own(lambda own, x: own.mean.update_state(keras.ops.mean(x)) and None, mean=keras.metrics.Mean(name="seen"))
    return Case(rows(layer), ROWS)


def running_value() -> Case:
    class Running(Own):
        def build(self, shape: Any) -> None:
            super().build(shape)
            self.running = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False, name="running")

        def call(self, x: Any) -> Any:
            self.running.assign(self.running * 0.9 + keras.ops.mean(x, axis=0))
            return x * self.scale + self.running

    return Case(rows(Running(lambda own, x: None)), ROWS)


class Unbuilt(keras.Model):  # type: ignore[misc]  # Keras has no types
    """Has no variables before it is called, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.norm, self.head = L.Dense(4), L.BatchNormalization(), L.Dense(2)
        self.calls = 0
        self.seen: list[bool] = []

    def call(self, x: Any, training: bool = False) -> Any:
        self.calls += 1
        self.seen.append(bool(training))
        return self.head(self.norm(self.body(x), training=training))


def unbuilt() -> Case:
    model = Unbuilt()
    # TensorFlow traces a step that makes variables once more than one that finds them: only there the calls are not counted.
    return Case(model, ROWS, kept=lambda: all(model.seen) if BACKEND == "tensorflow" else (model.calls, list(model.seen)))


def adapter() -> Case:
    layer = L.Dense(4)
    model = rows(layer)
    layer.enable_lora(2)
    return Case(model, ROWS)


def framework_variable() -> Case:
    """A plain variable of the backend, which no scope of Keras protects; on JAX there are none."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        variable = tf.Variable(0.0)
        return Case(rows(Own(lambda own, x: x + 0 * variable.assign_add(1.0))), ROWS, kept=lambda: float(variable.numpy()))
    if BACKEND == "torch":
        import torch

        buffer = torch.zeros(1)
        return Case(rows(Own(lambda own, x: x + 0 * buffer.add_(1.0), held=buffer)), ROWS, kept=lambda: float(buffer))
    return plain()


def framework_random() -> Case:
    """Numbers of the backend's own global generator."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return Case(rows(Own(lambda own, x: x + tf.random.normal(tf.shape(x)) / 9 + tf.random.get_global_generator().normal(()))), ROWS)
    if BACKEND == "torch":
        import torch

        return Case(rows(Own(lambda own, x: x + torch.randn(x.shape) / 9)), ROWS)
    return keras_random()


def torch_module() -> Case:
    """A layer around one of torch's own modules, with moving statistics and dropout."""
    if BACKEND != "torch":
        return norms()
    import torch

    module = L.TorchModuleWrapper(torch.nn.Sequential(torch.nn.BatchNorm1d(5), torch.nn.Dropout(0.3)), output_shape=(None, 5))
    return Case(rows(module), ROWS)


def eager_counter() -> Case:
    case = counter()
    return Case(case.model, case.inputs, kept=case.kept, compile={"run_eagerly": True})


def accumulated() -> Case:
    return Case(plain().model, IMAGES, compile={"optimizer": keras.optimizers.Adam(1e-2, gradient_accumulation_steps=2)})


def averaged() -> Case:
    return Case(plain().model, IMAGES, compile={"optimizer": keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=2)})


ZOO: dict[str, Callable[[], Case]] = {
    made.__name__: made
    for made in (
        *(plain, norms, dropouts, augmentation, stateful_lstm, gru_dropout, bidirectional, embedding, attention, spectral, shared),
        *(separable, counter, appended, cached, array_in_place, nested_object, global_values, closure, iterator, python_random),
        *(numpy_random, own_generators, keras_random, seed_generator, added_loss, metric_in_call, running_value, unbuilt, adapter),
        *(framework_variable, framework_random, torch_module, eager_counter, accumulated, averaged),
    )
}
SOME = ("plain", "norms", "dropouts", "stateful_lstm", "counter", "global_values", "own_generators", "unbuilt", "framework_variable")
"""Those that run with every change; the rest do at night."""
