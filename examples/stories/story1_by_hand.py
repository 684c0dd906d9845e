"""Story 1: "I write 32 JPEGs by hand".

Every 100 steps of an MNIST network, somebody runs the first pooling layer ([50, 14, 14, 32]), takes image 24, multiplies each channel by
255 and writes it to `img_j.jpg`, over the last one. Values above 1 wrap around, nothing is kept from the steps before, and nobody knows
which input it was. The program here does just that, and logs beside it with one line.

Look at: Feature maps of `pool1`, every channel at every logged step, with true values and the input beside it; the inception block and
the auxiliary head, in order and by name; and Weight change, where the L2 term of 0.03 shows as change that is mere shrinking. With --mended
nothing is written by hand, and the L2 term is 0.0001.

scikit-learn's digits, enlarged to 28x28, stand in for MNIST.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from PIL import Image

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.demo import data, program

VARIANTS = ("asked", "mended")
EPOCHS = 6
BATCH = 50


class WriteByHand(keras.callbacks.Callback):  # type: ignore[misc]
    """What the line of `FeatureMapCallback` replaces."""

    def __init__(self, folder: Path, images: data.Float32, every: int = 100) -> None:
        super().__init__()
        self.folder, self.images, self.every = folder, images, every
        self.step = self.bytes = 0
        self.seconds = 0.0

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Every hundred steps, over the pictures of the last time."""
        self.step += 1
        if self.step % self.every == 0:
            started = time.perf_counter()
            self.write()
            self.seconds += time.perf_counter() - started

    def write(self) -> None:
        """Channel by channel; `astype(uint8)` turns 1.1 into 24 of 255, almost black."""
        pooled = keras.Model(self.model.inputs, self.model.get_layer("pool1").output)(self.images)
        for channel in range(32):
            picture = (np.asarray(pooled)[24, :, :, channel] * 255).astype(np.uint8)
            path = self.folder / f"img_{channel}.jpg"
            Image.fromarray(picture).save(path)
            self.bytes += path.stat().st_size


def inception(x: keras.KerasTensor, options: dict[str, object]) -> keras.KerasTensor:
    """Four branches that look at the same maps through windows of different size."""
    conv = {"padding": "same", **options}
    branches = [
        layers.Conv2D(16, 1, name="inception_1x1", **conv)(x),
        layers.Conv2D(24, 3, name="inception_3x3", **conv)(layers.Conv2D(12, 1, name="inception_3x3_reduce", **conv)(x)),
        layers.Conv2D(8, 5, name="inception_5x5", **conv)(layers.Conv2D(4, 1, name="inception_5x5_reduce", **conv)(x)),
        layers.Conv2D(8, 1, name="inception_pool", **conv)(layers.MaxPooling2D(3, 1, padding="same")(x)),
    ]
    return layers.Concatenate(name="inception")(branches)


def build(l2: float) -> keras.Model:
    """The tutorial's network with an inception block and an auxiliary head between its convolutions."""
    options: dict[str, object] = {
        "activation": "relu",
        "kernel_initializer": "he_normal",
        "bias_initializer": keras.initializers.Constant(0.1),
        "kernel_regularizer": keras.regularizers.L2(l2),
    }
    images = keras.Input((28, 28, 1))
    x = layers.Conv2D(32, 5, padding="same", name="conv1", **options)(images)
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = inception(x, options)
    coarse = layers.Flatten(name="auxiliary_flatten")(layers.AveragePooling2D(4, name="auxiliary_pool")(x))
    auxiliary = layers.Dense(10, activation="softmax", name="auxiliary")(coarse)
    x = layers.Conv2D(64, 5, padding="same", name="conv2", **options)(x)
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = layers.Dense(1024, name="fc1", **options)(layers.Flatten(name="flatten")(x))
    x = layers.Dropout(0.5, name="dropout")(x)
    return keras.Model(images, [layers.Dense(10, activation="softmax", name="out")(x), auxiliary])


def train(logdir: str, variant: str = "asked", **logging: Any) -> None:
    """Trains, writes the pictures by hand, logs with one line, and says what either took."""
    keras.utils.set_random_seed(1)
    images, digits = data.digits(side=28)
    images, digits = images[:1750], digits[:1750]
    model = build(l2=3e-2 if variant == "asked" else 1e-4)
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), [loss, loss], loss_weights=[1.0, 0.3])
    probe = images[:BATCH], [digits[:BATCH], digits[:BATCH]]
    chosen = re.compile("conv|pool1|inception|auxiliary$|fc1|^out$")
    by_hand = [WriteByHand(_folder(logdir), images[:BATCH])] if variant == "asked" else []
    callbacks = [
        *by_hand,
        fm.keras.FeatureMapCallback(logdir, probe, **{"layers": chosen, "every": 25, **logging}),
        keras.callbacks.TensorBoard(logdir, histogram_freq=1, write_graph=False),
    ]
    model.fit(images, [digits, digits], batch_size=BATCH, epochs=EPOCHS, verbose=2, callbacks=callbacks)
    for writer in by_hand:
        print(f"by hand: {writer.bytes / 1000:.0f} KB of JPEG in {writer.seconds:.1f} s, of which only the last 32 files are left")


def _folder(logdir: str) -> Path:
    folder = Path(logdir) / "by_hand"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    program.run(train, VARIANTS, __doc__)
