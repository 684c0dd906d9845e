"""Story 3: "One more 1x1 convolution and the loss stays flat".

A network of this shape trains; with a second 1x1 convolution of 1024 channels (fc7_1), started like the first from a standard deviation of
0.005, the loss no longer falls. The update ratios of its weights look normal. The signal does not: each such layer passes on about a tenth
of what depends on the image, and a bias of 0.1 hides that in the size of the output.

Look at: the headline, which names fc7_1, and the heat map of the share that depends on the input, from layer to layer down to the logits.
With --mended the last layers start from He's initialisation.

Drawn coloured shapes stand in for the photographs of three classes; the batch has 8 instead of 32.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.demo import data, program

VARIANTS = ("asked", "mended")
EPOCHS = 3


def build(kernel: str | keras.initializers.Initializer, bias: float) -> keras.Model:
    """Convolutions down to 7x7, then what used to be dense layers as convolutions; `kernel` and `bias` start those."""
    conv = {"activation": "relu", "kernel_initializer": "he_normal"}
    last = {"kernel_initializer": kernel, "bias_initializer": keras.initializers.Constant(bias)}
    return keras.Sequential(
        [
            keras.Input((60, 60, 3)),
            layers.Conv2D(64, 3, name="conv11", **conv),
            layers.Conv2D(128, 3, name="conv12", **conv),
            layers.MaxPooling2D(2, name="pool1"),
            layers.Conv2D(128, 3, padding="same", name="conv21", **conv),
            layers.MaxPooling2D(2, name="pool2"),
            layers.Conv2D(256, 3, padding="same", name="conv31", **conv),
            layers.Conv2D(256, 3, padding="same", name="conv32", **conv),
            layers.Conv2D(256, 3, padding="same", name="conv33", **conv),
            layers.MaxPooling2D(2, name="pool3"),
            layers.Conv2D(512, 3, activation="relu", name="fc6", **last),
            layers.Dropout(0.5, name="dropout6"),
            layers.Conv2D(1024, 1, activation="relu", name="fc7", **last),
            layers.Conv2D(1024, 1, activation="relu", name="fc7_1", **last),
            layers.GlobalAveragePooling2D(name="average"),
            layers.Dropout(0.5, name="dropout7"),
            layers.Dense(3, activation="softmax", name="fc8", **last),
        ]
    )


def train(logdir: str, variant: str = "asked", **logging: Any) -> None:
    """Trains and logs, each into a folder of its own below `logdir`."""
    keras.utils.set_random_seed(3)
    images, classes = data.shapes(160, side=60, colours=3)
    small = keras.initializers.TruncatedNormal(stddev=0.005)
    model = build(small, bias=0.1) if variant == "asked" else build("he_normal", bias=0.0)
    model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
    callbacks = [
        fm.keras.FeatureMapCallback(logdir, (images[:24], classes[:24]), **{"every": 10, **logging}),
        keras.callbacks.TensorBoard(logdir, histogram_freq=1, write_graph=False),
    ]
    model.fit(images, classes, batch_size=8, epochs=EPOCHS, verbose=2, callbacks=callbacks)


if __name__ == "__main__":
    program.run(train, VARIANTS, __doc__)
