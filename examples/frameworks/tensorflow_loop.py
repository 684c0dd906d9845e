"""A custom loop in `tf.function`: log after it, from what it returns."""

import sys

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import tb_featuremap_plugin as fm

logdir = sys.argv[1] if len(sys.argv) > 1 else "logs/tensorflow"
images, labels = load_digits(return_X_y=True)
images = (images.reshape(-1, 8, 8, 1) / 16).astype(np.float32)
probe = tf.constant(images[:16])

random = np.random.default_rng(0)
weights = {
    "conv/kernel": tf.Variable(random.normal(size=(3, 3, 1, 16)) * 0.47, dtype=tf.float32),
    "conv/bias": tf.Variable(tf.zeros(16)),
    "dense/kernel": tf.Variable(random.normal(size=(576, 10)) * 0.04, dtype=tf.float32),
}


@tf.function
def forward(x):
    maps = tf.nn.relu(tf.nn.conv2d(x, weights["conv/kernel"], 1, "VALID") + weights["conv/bias"])
    return {"conv": maps, "dense": tf.reshape(maps, [-1, 576]) @ weights["dense/kernel"]}


@tf.function
def train_step(x, y, rate):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, forward(x)["dense"]))
    gradients = tape.gradient(loss, weights)
    for name, variable in weights.items():
        variable.assign_sub(rate * gradients[name])
    return loss, gradients


layers = [
    fm.Layer("conv", kind="conv2d", activation="relu", weights=("conv/kernel", "conv/bias"), kernel_size=(3, 3), padding="valid"),
    fm.Layer("dense", kind="dense", activation="linear", weights="dense/kernel", role="output", inputs="conv"),
]
with fm.Monitor(logdir, every=50, layers=layers, loss="sparse_categorical_crossentropy", from_logits=True, optimizer="sgd") as monitor:
    monitor.log(0, inputs=probe, targets=labels[:16], activations=lambda: forward(probe), weights=weights)
    for step in range(1, 201):
        batch = random.integers(0, len(images), 64)
        loss, gradients = train_step(images[batch], labels[batch], 0.1)
        monitor.log(
            step,
            inputs=probe,
            targets=labels[:16],
            activations=lambda: forward(probe),  # called only when a record is due
            weights=weights,
            gradients=gradients,
            loss=loss,
            learning_rate=0.1,
        )
print(f"last loss {float(loss):.3f}")
