"""Equinox: a module is a pytree; its convolutions see one image at a time, channels first."""

import sys
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_digits

import tb_featuremap_plugin as fm

logdir = sys.argv[1] if len(sys.argv) > 1 else "logs/equinox"
images, labels = load_digits(return_X_y=True)
images, labels = jnp.asarray(images.reshape(-1, 1, 8, 8) / 16, jnp.float32), jnp.asarray(labels)
probe = images[:16]


class Network(eqx.Module):
    conv: eqx.nn.Conv2d
    dense: eqx.nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key)
        self.conv = eqx.nn.Conv2d(1, 16, 3, key=keys[0])
        self.dense = eqx.nn.Linear(576, 10, key=keys[1])

    def features(self, x):
        """Feature maps of one image by layer, the output last."""
        maps = jax.nn.relu(self.conv(x))
        return {"conv": maps, "dense": self.dense(maps.ravel())}


model = Network(jax.random.key(0))
optimizer = optax.adam(1e-3)
state = optimizer.init(eqx.filter(model, eqx.is_array))
maps_of = eqx.filter_jit(lambda model, x: jax.vmap(model.features)(x))


@eqx.filter_jit
def update(model, state, x, y):
    def loss_of(model):
        return optax.softmax_cross_entropy_with_integer_labels(jax.vmap(model.features)(x)["dense"], y).mean()

    loss, gradients = eqx.filter_value_and_grad(loss_of)(model)
    changes, state = optimizer.update(gradients, state)
    return eqx.apply_updates(model, changes), state, loss, gradients


with fm.Monitor(
    logdir, every=50, layouts="channels_first", loss="sparse_categorical_crossentropy", from_logits=True, optimizer="adam"
) as monitor:
    monitor.log(0, inputs=probe, targets=labels[:16], activations=lambda: maps_of(model, probe), weights=model)
    for step in range(1, 201):
        batch = jax.random.randint(jax.random.key(step), (64,), 0, len(images))
        model, state, loss, gradients = update(model, state, images[batch], labels[batch])
        monitor.log(
            step,
            inputs=probe,
            targets=labels[:16],
            activations=partial(maps_of, model, probe),  # called only when a record is due
            weights=model,  # "conv/weight", "conv/bias", "dense/weight", "dense/bias"
            gradients=gradients,
            loss=loss,
            learning_rate=1e-3,
        )
print(f"last loss {float(loss):.3f}")
