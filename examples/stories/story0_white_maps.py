"""Story 0: "My first layer's output is white".

Somebody draws the outputs of the first convolution as a grid of pictures; they come out almost wholly white, and the question is whether
the network is too shallow. It is not: the images were never scaled to 0..1, so the feature maps reach far above 1, and a picture that
clips its values at 1 shows them white.

Look at: the finding about the input; Feature maps with the range "as tf.summary.image", then per channel; and Filters, which are something
else than maps. With --mended the images are scaled, and the maps sharpen over the steps.

The 48x48 pictures of the question are not to be had; drawn discs and squares stand in for its two classes.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.demo import data, program

VARIANTS = ("asked", "mended")
EPOCHS = 6


def build() -> keras.Model:
    """The network as it was asked about."""
    options = {
        "activation": "relu",
        "kernel_initializer": keras.initializers.TruncatedNormal(stddev=0.05),
        "bias_initializer": keras.initializers.Constant(0.05),
    }
    return keras.Sequential(
        [
            keras.Input((48, 48, 1)),
            layers.Conv2D(32, 7, padding="same", name="conv1", **options),
            layers.MaxPooling2D(2, name="pool1"),
            layers.Conv2D(64, 7, padding="same", name="conv2", **options),
            layers.MaxPooling2D(2, name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(512, name="fc1", **options),
            layers.Dense(2, activation="softmax", kernel_initializer=options["kernel_initializer"], name="out"),
        ]
    )


def train(logdir: str, variant: str = "asked", **logging: Any) -> None:
    """Trains and logs, each into a folder of its own below `logdir`."""
    keras.utils.set_random_seed(0)
    images, classes = data.shapes(400, side=48, classes=2)
    if variant == "asked":
        images = images * 255  # as they come out of a picture file
    model = build()
    model.compile(keras.optimizers.Adam(1e-4 if variant == "asked" else 5e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
    callbacks = [
        fm.keras.FeatureMapCallback(logdir, (images[:32], classes[:32]), **{"every": 25, **logging}),
        keras.callbacks.TensorBoard(logdir, histogram_freq=1, write_graph=False),
    ]
    model.fit(images, classes, batch_size=16, epochs=EPOCHS, verbose=2, callbacks=callbacks)


if __name__ == "__main__":
    program.run(train, VARIANTS, __doc__)
