"""Plain JAX: parameters are a nested dictionary, and `Monitor` takes it as it is."""

import sys
from functools import partial

import jax
import jax.numpy as jnp
from sklearn.datasets import load_digits

import tb_featuremap_plugin as fm

logdir = sys.argv[1] if len(sys.argv) > 1 else "logs/jax"
images, labels = load_digits(return_X_y=True)
images, labels = jnp.asarray(images.reshape(-1, 8, 8, 1) / 16, jnp.float32), jnp.asarray(labels)
probe = images[:16]

keys = jax.random.split(jax.random.key(0), 2)
params = {
    "conv": {"kernel": jax.random.normal(keys[0], (3, 3, 1, 16)) * 0.47, "bias": jnp.zeros(16)},
    "dense": {"kernel": jax.random.normal(keys[1], (576, 10)) * 0.04},
}


@jax.jit
def forward(params, x):
    maps = jax.lax.conv_general_dilated(x, params["conv"]["kernel"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    maps = jax.nn.relu(maps + params["conv"]["bias"])
    return {"conv": maps, "dense": maps.reshape(len(x), -1) @ params["dense"]["kernel"]}


@jax.jit
def update(params, x, y):
    def loss_of(params):
        logits = jax.nn.log_softmax(forward(params, x)["dense"])
        return -jnp.take_along_axis(logits, y[:, None], 1).mean()

    loss, gradients = jax.value_and_grad(loss_of)(params)
    return jax.tree.map(lambda value, gradient: value - 0.1 * gradient, params, gradients), loss, gradients


with fm.Monitor(logdir, every=50, loss="sparse_categorical_crossentropy", from_logits=True, optimizer="sgd") as monitor:
    monitor.log(0, inputs=probe, targets=labels[:16], activations=lambda: forward(params, probe), weights=params)
    for step in range(1, 201):
        batch = jax.random.randint(jax.random.key(step), (64,), 0, len(images))
        params, loss, gradients = update(params, images[batch], labels[batch])
        monitor.log(
            step,
            inputs=probe,
            targets=labels[:16],
            activations=partial(forward, params, probe),  # called only when a record is due
            weights=params,  # a pytree: "conv/kernel", "conv/bias", "dense/kernel"
            gradients=gradients,
            loss=loss,
            learning_rate=0.1,
        )
print(f"last loss {float(loss):.3f}")
