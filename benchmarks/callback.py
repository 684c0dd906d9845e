"""A whole callback step of a small network in training, and getting activations out of one."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.folders import fresh
from benchmarks.harness import Comparison, Goal, Variant

if TYPE_CHECKING:
    import keras

    import tb_featuremap_plugin as fm

OURS = "fm.keras.FeatureMapCallback, one logged step, flushed"
HELD = "the same, until the call returns"
KERAS = "Keras' TensorBoard(histogram_freq=1, write_images=True), one epoch's end"
TF_EXPLAIN = "tf-explain's ActivationsVisualizationCallback of both convolutions (no weights), one epoch's end"
EXTRACTION = "our extraction"
COMPILED = "a compiled function that does nothing else"


def comparisons() -> list[Comparison]:
    """The digits network: all convolutions and weights, and the time it trains between two logged steps."""
    model, images, targets = digits_network()
    return [_callback(model, images, targets), _extraction(model, images)]


def digits_network() -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """A small convolutional network that has been compiled and has taken a step, with scikit-learn's digits."""
    import keras
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images[..., None] / 16).astype(np.float32)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(32, 3, activation="relu", padding="same"),
            layers.Conv2D(64, 3, activation="relu", padding="same"),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.train_on_batch(images[:32], digits.target[:32])
    return model, images, digits.target


def _callback(model: keras.Model, images: np.ndarray, targets: np.ndarray) -> Comparison:
    rival, note = _tf_explain(model, images)
    variants = [*_ours(model, images), _keras(model), *rival, _hundred_steps(model, images, targets)]
    hundred = "100 training steps without logging"
    goals = [
        Goal("a whole callback step, until the call returns, against Keras' TensorBoard callback", HELD, KERAS, "wall", 0.05),
        Goal("the same every 100 steps, against the training time between", HELD, hundred, "wall", 0.01),
        Goal("a whole callback step, flushed, against Keras' TensorBoard callback", OURS, KERAS, "wall", 0.05),
        Goal("the same every 100 steps, against the training time between", OURS, hundred, "wall", 0.01),
    ]
    return Comparison("One logged step of the digits network (2 convolutions, 2 dense layers, 85 k weights)", variants, goals, notes=[note])


def _ours(model: keras.Model, images: np.ndarray) -> list[Variant]:
    """A logged step with all that is written of it, as Keras' callback writes it, and what of that the loop waits for."""
    import tb_featuremap_plugin as fm

    def callback_of(folder: str) -> fm.keras.FeatureMapCallback:
        callback = fm.keras.FeatureMapCallback(fresh(folder), images[:1], every=1)
        callback.set_model(model)
        callback.on_train_begin()
        return callback

    flushed, held, batch = callback_of("ours"), callback_of("held"), iter(range(10**9))

    def log() -> None:
        flushed.on_train_batch_end(next(batch), {"loss": 1.0})
        flushed.monitor.flush()

    return [Variant(OURS, log), Variant(HELD, lambda: held.on_train_batch_end(next(batch), {"loss": 1.0}), finish=held.monitor.flush)]


def _keras(model: keras.Model) -> Variant:
    import keras

    callback = keras.callbacks.TensorBoard(fresh("keras"), histogram_freq=1, write_images=True, write_graph=False)
    callback.set_model(model)
    callback.on_train_begin()
    epoch = iter(range(10**9))
    return Variant(KERAS, lambda: callback.on_epoch_end(next(epoch), {"loss": 1.0}))


def _tf_explain(model: keras.Model, images: np.ndarray) -> tuple[list[Variant], str]:
    """The activations of both convolutions as tf-explain draws them, which is all that its callback does; and what became of that."""
    try:
        from tf_explain.callbacks.activations_visualization import ActivationsVisualizationCallback
    except ImportError as error:
        return [], f"tf-explain is not here to compare with: {error}."
    convolutions = [layer.name for layer in model.layers if layer.name.startswith("conv")]

    def callback(*names: str) -> Any:
        made = ActivationsVisualizationCallback((images[:1], None), list(names), fresh("tf_explain"))
        made.set_model(model)
        return made

    try:
        _draw([callback(*convolutions)], 0)
    except Exception as error:  # whatever a release of it does not get along with, the table says so
        callbacks = [callback(name) for name in convolutions]
        note = f"tf-explain has a callback for each convolution, since one for both fails here: {type(error).__name__}: {error}."
    else:
        callbacks, note = [callback(*convolutions)], "tf-explain draws both convolutions in one callback."
    epoch = iter(range(10**9))
    return [Variant(TF_EXPLAIN, lambda: _draw(callbacks, next(epoch)))], note


def _draw(callbacks: list[Any], epoch: int) -> None:
    with contextlib.redirect_stdout(io.StringIO()):  # progress bars of `predict`
        for callback in callbacks:
            callback.on_epoch_end(epoch)
            callback.file_writer.flush()


def _hundred_steps(model: keras.Model, images: np.ndarray, targets: np.ndarray) -> Variant:
    def train() -> None:
        for start in range(0, 1600, 16):
            model.train_on_batch(images[start : start + 32], targets[start : start + 32])

    return Variant("100 training steps without logging", train)


def _extraction(model: keras.Model, images: np.ndarray) -> Comparison:
    import keras
    import tensorflow as tf

    from tb_featuremap_plugin.integrations.keras.guarded_pass import Guard
    from tb_featuremap_plugin.integrations.keras.leaf_layers import named_layers
    from tb_featuremap_plugin.integrations.keras.probe_pass import ProbePass

    probe = images[:1]
    chosen = [layer for layer in model.layers if layer.name.startswith(("conv", "dense"))]
    outputs = keras.Model(model.inputs, [layer.output for layer in chosen])
    compiled = tf.function(lambda batch: outputs(batch, training=False))
    names = {layer.name for layer in chosen}

    def select(trace: Any) -> list[Any]:
        return [call for call in trace.calls if call.name in names]

    ours = ProbePass(model, probe, named_layers(model), {}, select, Guard(model))
    variants = [
        Variant(COMPILED, lambda: _times(lambda: compiled(tf.constant(probe))), calls=20),
        Variant(EXTRACTION, lambda: _times(ours), calls=20),
    ]
    goal = Goal("extraction, against a compiled function that does nothing else", EXTRACTION, COMPILED, "wall", 1.3)
    return Comparison("Getting the activations of one image out of the digits network", variants, [goal])


def _times(call: Callable[[], object], times: int = 20) -> None:
    for _ in range(times):
        call()
