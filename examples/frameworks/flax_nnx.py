"""Flax: the state of an `nnx` module is a pytree, and `sow` collects its feature maps."""

import sys

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from sklearn.datasets import load_digits

import tb_featuremap_plugin as fm

logdir = sys.argv[1] if len(sys.argv) > 1 else "logs/flax"
images, labels = load_digits(return_X_y=True)
images, labels = jnp.asarray(images.reshape(-1, 8, 8, 1) / 16, jnp.float32), jnp.asarray(labels)
probe = images[:16]


class Network(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 16, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(16, rngs=rngs)
        self.dense = nnx.Linear(1024, 10, rngs=rngs)

    def features(self, x):
        """Feature maps by layer, the output last."""
        conv = self.conv(x)
        norm = nnx.relu(self.norm(conv))
        return {"conv": conv, "norm": norm, "dense": self.dense(norm.reshape(len(x), -1))}

    def __call__(self, x):
        return self.features(x)["dense"]


model = Network(nnx.Rngs(0))
optimizer = nnx.Optimizer(model, optax.adam(1e-3), wrt=nnx.Param)
maps_of = nnx.jit(lambda model, x: model.features(x))


@nnx.jit
def train_step(model, optimizer, x, y):
    loss, gradients = nnx.value_and_grad(lambda model: optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean())(model)
    optimizer.update(model, gradients)
    return loss, gradients


def activations():
    model.eval()  # the probe must not change BatchNorm's statistics
    maps = maps_of(model, probe)
    model.train()
    return maps


layers = [
    fm.Layer("conv", kind="conv2d", activation="linear", weights=("conv/kernel", "conv/bias"), kernel_size=(3, 3), padding="same"),
    fm.Layer("norm", kind="batch_normalization", activation="relu", weights=("norm/scale", "norm/bias"), state=("norm/mean", "norm/var")),
    fm.Layer("dense", kind="dense", activation="linear", weights=("dense/kernel", "dense/bias"), role="output"),
]
with fm.Monitor(logdir, every=50, layers=layers, loss="sparse_categorical_crossentropy", from_logits=True, optimizer="adam") as monitor:
    for step in range(201):
        loss = gradients = None
        if step:
            batch = jax.random.randint(jax.random.key(step), (64,), 0, len(images))
            loss, gradients = train_step(model, optimizer, images[batch], labels[batch])
        monitor.log(
            step,
            inputs=probe,
            targets=labels[:16],
            activations=activations,
            weights=lambda: nnx.state(model, (nnx.Param, nnx.BatchStat)),
            gradients=gradients,
            loss=loss,
            learning_rate=1e-3,
        )
print(f"last loss {float(loss):.3f}")
