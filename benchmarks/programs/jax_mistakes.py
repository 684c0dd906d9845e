"""Programs with a fault, in JAX, written without looking at the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from flax import linen, nnx

import tb_featuremap_plugin as fm
from benchmarks.programs.data import table
from benchmarks.programs.jax_examples import PROBE, batches, class_loss, jax_digits, train_state
from benchmarks.programs.program import faulty


class _Dense(linen.Module):
    softmax: bool = False
    start: Any = linen.initializers.lecun_normal()

    @linen.compact
    def __call__(self, x: Any) -> Any:
        x = x.reshape(len(x), -1)
        for _ in range(2):
            x = linen.relu(linen.Dense(32, kernel_init=self.start)(x))
        x = linen.Dense(10, kernel_init=self.start)(x)
        return linen.softmax(x) if self.softmax else x


def _linen(model: Any, optimizer: Any, logdir: Path, scale: float = 1.0) -> float:
    x, y = jax_digits()
    return train_state(model, model.init(jax.random.key(0), x[:1]), optimizer, scale * x, y, logdir)


@faulty("linen: softmax in the model, then softmax_cross_entropy", "loss", {"wrong_output"})
def _softmax_twice(logdir: Path) -> Any:
    return _linen(_Dense(softmax=True), optax.sgd(0.05), logdir)


@faulty("linen: SGD with a rate of 30", "loop", {"too_fast", "non_finite"})
def _fast(logdir: Path) -> Any:
    return _linen(_Dense(), optax.sgd(30.0), logdir)


@faulty("linen: all kernels begin at zero", "network", {"bad_init"})
def _zeros(logdir: Path) -> Any:
    return _linen(_Dense(start=linen.initializers.zeros), optax.adam(1e-3), logdir)


@faulty("linen: pixels 0..255, SGD", "data", {"unscaled_input"})
def _pixels(logdir: Path) -> Any:
    return _linen(_Dense(), optax.sgd(0.05), logdir, scale=255.0)


@faulty("nnx: gradients without an update", "loop", {"unchanged_weights"})
def _no_update(logdir: Path) -> Any:
    x, y = jax_digits()
    x = x.reshape(len(x), -1)
    model, loss = nnx.Sequential(nnx.Linear(64, 32, rngs=nnx.Rngs(0)), nnx.relu, nnx.Linear(32, 10, rngs=nnx.Rngs(1))), jnp.zeros(())
    with fm.jax.watch(model, str(logdir), probe=(x[:PROBE], y[:PROBE]), loss_fn=class_loss, every=1) as watcher:
        for at in batches(len(x), 32, 80, 0):
            loss, _ = nnx.value_and_grad(lambda model, at=at: class_loss(model(x[at]), y[at]).mean())(model)
            watcher.step(model, loss)
    return float(loss)


@faulty("equinox: stop_gradient in the middle", "loop", {"unchanged_weights"})
def _stopped(logdir: Path) -> Any:
    class Net(eqx.Module):
        body: Any
        head: Any

        def __init__(self, key: Any) -> None:
            one, two = jax.random.split(key)
            self.body, self.head = eqx.nn.Linear(10, 32, key=one), eqx.nn.Linear(32, 1, key=two)

        def __call__(self, x: Any) -> Any:
            return self.head(jax.lax.stop_gradient(jax.nn.relu(self.body(x))))

    x, z = (jnp.asarray(part) for part in table())
    model, optimizer = Net(jax.random.key(3)), optax.adam(1e-3)
    state, loss = optimizer.init(eqx.filter(model, eqx.is_inexact_array)), jnp.zeros(())

    @eqx.filter_jit
    def step_of(model: Any, state: Any, x: Any, y: Any) -> Any:
        loss, gradients = eqx.filter_value_and_grad(lambda model: ((jax.vmap(model)(x) - y) ** 2).mean())(model)
        updates, state = optimizer.update(gradients, state)
        return eqx.apply_updates(model, updates), state, loss

    with fm.jax.watch(model, str(logdir), probe=(x[:PROBE], z[:PROBE]), loss_fn=optax.squared_error, every=1) as watcher:
        for at in batches(len(x), 32, 80, 1):
            model, state, loss = step_of(model, state, x[at], z[at])
            watcher.step(model, loss)
    return float(loss)
