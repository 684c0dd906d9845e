"""Healthy programs in JAX, as the examples of Flax, Equinox and JAX itself are written, logged by `fm.jax.watch`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen, nnx
from flax.training.train_state import TrainState

import tb_featuremap_plugin as fm
from benchmarks.programs.data import digits, photos, sentences, table, walk
from benchmarks.programs.program import healthy

PROBE = 32
class_loss = optax.softmax_cross_entropy_with_integer_labels


def jax_digits() -> tuple[Any, Any]:
    """Digits, [N, 8, 8, 1], 0..1, and their classes."""
    x, y = digits()
    return jnp.asarray(x[..., None]), jnp.asarray(y)


def batches(count: int, size: int, steps: int, seed: int) -> Any:
    """Which samples are in each batch."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, count, size) for _ in range(steps))


def train_state(model: Any, variables: Any, optimizer: Any, x: Any, y: Any, logdir: Path, steps: int = 100) -> float:
    """The loop of Flax' example: a TrainState, a compiled step, the watcher behind it."""
    state = TrainState.create(apply_fn=model.apply, params=variables["params"], tx=optimizer)

    @jax.jit
    def step_of(state: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(lambda params: class_loss(state.apply_fn({"params": params}, x), y).mean())(state.params)
        return state.apply_gradients(grads=gradients), loss

    loss = jnp.zeros(())
    with fm.jax.watch(model, str(logdir), probe=(x[:PROBE], y[:PROBE]), parameters=variables, loss_fn=class_loss, every=1) as watcher:
        for at in batches(len(x), 32, steps, 0):
            state, loss = step_of(state, x[at], y[at])
            watcher.step(state, loss)
    return float(loss)


@healthy("linen: mnist, TrainState, momentum", "network")
def _mnist(logdir: Path) -> Any:
    class Cnn(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            x = linen.avg_pool(linen.relu(linen.Conv(16, (3, 3))(x)), (2, 2), (2, 2))
            x = linen.avg_pool(linen.relu(linen.Conv(32, (3, 3))(x)), (2, 2), (2, 2))
            return linen.Dense(10)(linen.relu(linen.Dense(64)(x.reshape(len(x), -1))))

    x, y = jax_digits()
    model = Cnn()
    return train_state(model, model.init(jax.random.key(0), x[:1]), optax.sgd(0.05, momentum=0.9), x, y, logdir)


@healthy("linen: pixels divided in the model, squeeze and excitation, AdamW", "data")
def _pixels(logdir: Path) -> Any:
    class Net(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            x = linen.Conv(16, (3, 3), strides=2)(x / 255.0)
            x = linen.Conv(24, (3, 3), strides=2)(linen.swish(linen.GroupNorm(4)(x)))
            gate = linen.sigmoid(linen.Dense(24)(linen.swish(linen.Dense(8)(x.mean((1, 2))))))
            return linen.Dense(5)((x * gate[:, None, None]).mean((1, 2)))

    pictures, classes = photos()
    x, y = jnp.asarray(pictures), jnp.asarray(classes)
    model = Net()
    return train_state(model, model.init(jax.random.key(1), x[:1]), optax.adamw(3e-3), x, y, logdir)


@healthy("linen: language model, causal attention, tied embedding, warm-up", "transformers")
def _language(logdir: Path) -> Any:
    class Model(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            embed = linen.Embed(40, 32, embedding_init=linen.initializers.normal(0.02))
            h = embed(x) + self.param("places", linen.initializers.normal(0.02), (16, 32))
            for _ in range(2):
                a = linen.LayerNorm()(h)
                h = h + linen.SelfAttention(4)(a, mask=linen.make_causal_mask(x))
                h = h + linen.Dense(32)(linen.gelu(linen.Dense(64)(linen.LayerNorm()(h))))
            return embed.attend(linen.LayerNorm()(h))

    text = walk()
    lines = jnp.asarray(np.stack([text[at : at + 17] for at in range(0, 3900, 7)]))
    model = Model()
    schedule = optax.warmup_cosine_decay_schedule(0.0, 5e-3, 20, 120)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule))
    return train_state(model, model.init(jax.random.key(2), lines[:1, :-1]), optimizer, lines[:, :-1], lines[:, 1:], logdir, steps=120)


@healthy("nnx: convolutions, batch normalisation and dropout, Adam", "network")
def _nnx(logdir: Path) -> Any:
    class Net(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.conv1, self.bn = nnx.Conv(1, 16, (3, 3), rngs=rngs), nnx.BatchNorm(16, rngs=rngs)
            self.conv2, self.dropout = nnx.Conv(16, 32, (3, 3), rngs=rngs), nnx.Dropout(0.25, rngs=rngs)
            self.linear1, self.linear2 = nnx.Linear(128, 64, rngs=rngs), nnx.Linear(64, 10, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            x = nnx.avg_pool(nnx.relu(self.bn(self.dropout(self.conv1(x)))), (2, 2), (2, 2))
            x = nnx.avg_pool(nnx.relu(self.conv2(x)), (2, 2), (2, 2)).reshape(len(x), -1)
            return self.linear2(nnx.relu(self.dropout(self.linear1(x))))

    x, y = jax_digits()
    model = Net(nnx.Rngs(3))
    optimizer = nnx.Optimizer(model, optax.adamw(0.005, 0.9), wrt=nnx.Param)

    @nnx.jit
    def step_of(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
        loss, gradients = nnx.value_and_grad(lambda model: class_loss(model(x), y).mean())(model)
        optimizer.update(model, gradients)
        return loss

    loss = jnp.zeros(())
    with fm.jax.watch(model, str(logdir), probe=(x[:PROBE], y[:PROBE]), loss_fn=class_loss, every=1) as watcher:
        for at in batches(len(x), 32, 120, 3):
            loss = step_of(model, optimizer, x[at], y[at])
            watcher.step(model, loss)
    return float(loss)


@healthy("nnx: GRU over words, binary, RMSprop", "network")
def _words(logdir: Path) -> Any:
    class Net(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.embed = nnx.Embed(200, 32, rngs=rngs)
            self.rnn, self.out = nnx.RNN(nnx.GRUCell(32, 32, rngs=rngs)), nnx.Linear(32, 1, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            return self.out(self.rnn(self.embed(x)).max(1))[:, 0]

    x, y = (jnp.asarray(part) for part in sentences())
    model = Net(nnx.Rngs(4))
    optimizer = nnx.Optimizer(model, optax.rmsprop(3e-3), wrt=nnx.Param)

    @nnx.jit
    def step_of(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
        loss, gradients = nnx.value_and_grad(lambda model: optax.sigmoid_binary_cross_entropy(model(x), y).mean())(model)
        optimizer.update(model, gradients)
        return loss

    loss = jnp.zeros(())
    with fm.jax.watch(model, str(logdir), probe=x[:PROBE], every=1) as watcher:
        for at in batches(len(x), 32, 100, 4):
            loss = step_of(model, optimizer, x[at], y[at])
            watcher.step(model, loss)
    return float(loss)


def _equinox(model: Any, optimizer: Any, x: Any, y: Any, loss_of: Any, logdir: Path, steps: int = 120) -> float:
    state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))

    @eqx.filter_jit
    def step_of(model: Any, state: Any, x: Any, y: Any) -> Any:
        loss, gradients = eqx.filter_value_and_grad(lambda model: loss_of(jax.vmap(model)(x), y).mean())(model)
        updates, state = optimizer.update(gradients, state, eqx.filter(model, eqx.is_inexact_array))
        return eqx.apply_updates(model, updates), state, loss

    loss = jnp.zeros(())
    with fm.jax.watch(model, str(logdir), probe=(x[:PROBE], y[:PROBE]), loss_fn=loss_of, every=1) as watcher:
        for at in batches(len(x), 32, steps, 5):
            model, state, loss = step_of(model, state, x[at], y[at])
            watcher.step(model, loss)
    return float(loss)


@healthy("equinox: mnist, channels first, log_softmax, AdamW 3e-4", "network")
def _channels_first(logdir: Path) -> Any:
    class Cnn(eqx.Module):
        layers: list[Any]

        def __init__(self, key: Any) -> None:
            one, two, three = jax.random.split(key, 3)
            self.layers = [
                eqx.nn.Conv2d(1, 8, 3, key=one), eqx.nn.MaxPool2d(2), jax.nn.relu, jnp.ravel, eqx.nn.Linear(200, 64, key=two),
                jax.nn.sigmoid,
                eqx.nn.Linear(64, 10, key=three), jax.nn.log_softmax,
            ]  # fmt: skip

        def __call__(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return x

    def cross_entropy(scores: Any, y: Any) -> Any:
        return -jnp.take_along_axis(scores, y[:, None], axis=1)[:, 0]

    x, y = jax_digits()
    return _equinox(Cnn(jax.random.key(5)), optax.adamw(1e-3), x.transpose(0, 3, 1, 2), y, cross_entropy, logdir)


@healthy("equinox: MLP for a table, squared error, lion", "data")
def _lion(logdir: Path) -> Any:
    x, z = (jnp.asarray(part) for part in table())
    model = eqx.nn.MLP(10, 1, 32, 2, activation=jax.nn.silu, key=jax.random.key(6))
    return _equinox(model, optax.lion(1e-3), x, z, optax.squared_error, logdir)


@healthy("plain JAX: two dense layers in a dictionary, tanh, SGD by tree.map", "loop")
def _plain(logdir: Path) -> Any:
    def apply(params: Any, x: Any) -> Any:
        hidden = jnp.tanh(x @ params["hidden"]["kernel"] + params["hidden"]["bias"])
        return jax.nn.log_softmax(hidden @ params["out"]["kernel"] + params["out"]["bias"])

    x, y = jax_digits()
    x = x.reshape(len(x), -1)
    one, two = jax.random.split(jax.random.key(7))
    params = {
        "hidden": {"kernel": jax.random.normal(one, (64, 48)) * 0.1, "bias": jnp.zeros(48)},
        "out": {"kernel": jax.random.normal(two, (48, 10)) * 0.1, "bias": jnp.zeros(10)},
    }

    @jax.jit
    def step_of(params: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(lambda params: -(apply(params, x) * jax.nn.one_hot(y, 10)).sum(1).mean())(params)
        return jax.tree.map(lambda value, gradient: value - 0.3 * gradient, params, gradients), loss

    loss = jnp.zeros(())
    with fm.jax.watch(apply, str(logdir), probe=x[:PROBE], parameters=params, every=1) as watcher:
        for at in batches(len(x), 64, 120, 7):
            params, loss = step_of(params, x[at], y[at])
            watcher.step(params, loss)
    return float(loss)
