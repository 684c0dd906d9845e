"""Networks of Flax nnx, of Equinox and of plain JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from flax import nnx

from tests.jax_networks.known import KEY, Network, floats, network, tokens

KEYS = list(jax.random.split(KEY, 8))


@network
def nnx_convolutions():
    class Convolutions(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(1, 4, (3, 3), strides=2, rngs=rngs)
            self.norm = nnx.BatchNorm(4, rngs=rngs)
            self.head = nnx.Linear(64, 3, rngs=rngs)
            self.drop = nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, x):
            x = nnx.relu(self.norm(self.conv(x)))
            return self.head(self.drop(x.reshape(x.shape[0], -1)))

    layouts = {"conv": "NHWC", "norm": "NHWC", "relu": "NHWC", "drop": "NC", "head": "NC"}
    model = Convolutions(nnx.Rngs(0))
    return Network(model, model, floats(3, 8, 8, 1), layouts, {"conv/kernel": "HWIO"}, ("head",))


@network
def nnx_blocks_whose_modules_scan_copies():
    class Block(nnx.Module):
        def __init__(self, rngs):
            self.norm = nnx.LayerNorm(6, rngs=rngs)
            self.dense = nnx.Linear(6, 6, rngs=rngs)

        def __call__(self, x):
            return x + nnx.relu(self.dense(self.norm(x)))

    class Scanned(nnx.Module):
        def __init__(self, rngs):
            @nnx.split_rngs(splits=2)
            @nnx.vmap(in_axes=(0,), out_axes=0)
            def blocks(rngs):
                return Block(rngs)

            self.blocks = blocks(rngs)
            self.head = nnx.Linear(6, 2, rngs=rngs)

        def __call__(self, x):
            @nnx.scan(in_axes=(0, nnx.Carry), out_axes=nnx.Carry)
            def through(block, x):
                return block(x)

            return self.head(through(self.blocks, x))

    one = {"blocks/norm": "NC", "blocks/dense": "NC", "blocks:relu": "NC"}
    two = {f"{name}:2": layout for name, layout in one.items()}
    model = Scanned(nnx.Rngs(0))
    return Network(model, model, floats(3, 6), {**one, **two, "head": "NC"}, {"blocks/dense/kernel": "unknown"}, ("head",))


@network
def nnx_attention_and_cells():
    class Sequence(nnx.Module):
        def __init__(self, rngs):
            self.table = nnx.Embed(20, 6, rngs=rngs)
            self.attention = nnx.MultiHeadAttention(2, 6, decode=False, rngs=rngs)
            self.cells = nnx.RNN(nnx.LSTMCell(6, 8, rngs=rngs))
            self.head = nnx.Linear(8, 2, rngs=rngs)

        def __call__(self, ids):
            return self.head(self.cells(self.attention(self.table(ids)))[:, -1])

    layouts = {"table": "NWC", "attention": "NWC", "cells": "NWC", "head": "NC"}
    model = Sequence(nnx.Rngs(0))
    kernels = {"attention/query/kernel": "IOO", "cells/cell/hf/kernel": "IO"}
    return Network(model, model, tokens(3, 5), layouts, kernels, ("head",))


@network
def equinox_list_of_layers():
    class Listed(eqx.Module):
        layers: list[Any]

        def __init__(self):
            conv, pool = eqx.nn.Conv2d(1, 3, 3, key=KEYS[0]), eqx.nn.MaxPool2d(2, 2)
            self.layers = [conv, pool, jax.nn.relu, jnp.ravel, eqx.nn.Linear(27, 4, key=KEYS[1]), jax.nn.log_softmax]

        def __call__(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    layouts = {"layers/0": "NCHW", "layers/1": "NCHW", "relu": "NCHW", "layers/4": "NC", "log_softmax": "NC"}
    model = Listed()
    return Network(model, model, floats(3, 1, 8, 8), layouts, {"layers/0/weight": "OIHW", "layers/0/bias": "unknown"}, ("log_softmax",))


@network
def equinox_with_state():
    class Stateful(eqx.Module):
        conv: eqx.nn.Conv2d
        norm: eqx.nn.BatchNorm
        head: eqx.nn.Linear

        def __init__(self):
            self.conv, self.head = eqx.nn.Conv2d(2, 4, 3, key=KEYS[0]), eqx.nn.Linear(4, 2, key=KEYS[1])
            self.norm = eqx.nn.BatchNorm(4, "batch", mode="batch")

        def __call__(self, x, state):
            x, state = self.norm(self.conv(x), state)
            return self.head(jax.nn.relu(x).mean((1, 2))), state

    layouts = {"conv": "NCHW", "norm": "NCHW", "relu": "NCHW", "head": "NC"}
    model, state = eqx.nn.make_with_state(Stateful)()
    return Network(model, (model, state), floats(3, 2, 6, 6), layouts, {"conv/weight": "OIHW"}, ("head",))


@network
def equinox_attention():
    class Attentive(eqx.Module):
        table: eqx.nn.Embedding
        places: jax.Array
        attention: eqx.nn.MultiheadAttention
        norm: eqx.nn.LayerNorm
        head: eqx.nn.Linear

        def __init__(self):
            self.table, self.head = eqx.nn.Embedding(20, 8, key=KEYS[0]), eqx.nn.Linear(8, 3, key=KEYS[1])
            self.attention, self.norm = eqx.nn.MultiheadAttention(2, 8, key=KEYS[2]), eqx.nn.LayerNorm(8)
            self.places = jax.random.normal(KEYS[3], (7, 8))

        def __call__(self, ids):
            x = jax.vmap(self.table)(ids) + self.places
            y = jax.vmap(self.norm)(x)
            return self.head((x + self.attention(y, y, y)).mean(0))

    layouts = {"table": "NWC", "norm": "NWC", "attention": "NWC", "head": "NC"}
    model = Attentive()
    return Network(model, model, tokens(3, 7), layouts, {"places": "unknown"}, ("head",))


@network
def equinox_line_with_one_channel_out():
    class Line(eqx.Module):
        down: eqx.nn.Conv1d
        up: eqx.nn.ConvTranspose1d
        norm: eqx.nn.GroupNorm
        act: Callable[..., Any]

        def __init__(self):
            self.down, self.up = eqx.nn.Conv1d(2, 8, 3, 2, padding=1, key=KEYS[0]), eqx.nn.ConvTranspose1d(8, 1, 2, 2, key=KEYS[1])
            self.norm, self.act = eqx.nn.GroupNorm(2, 8), jax.nn.gelu

        def __call__(self, x):
            return self.up(self.act(self.norm(self.down(x))))

    model = Line()
    layouts = dict.fromkeys(("down", "norm", "gelu", "up"), "NCW")
    return Network(model, model, floats(3, 2, 16), layouts, {"down/weight": "OIW"}, ("up",))


@network
def equinox_blocks_that_scan_and_checkpoint_copy():
    class Scanned(eqx.Module):
        blocks: eqx.nn.Linear
        last: eqx.nn.MLP

        def __init__(self):
            self.blocks = eqx.filter_vmap(lambda key: eqx.nn.Linear(5, 5, key=key))(jax.random.split(KEY, 2))
            self.last = eqx.nn.MLP(5, 2, 4, 1, key=KEYS[0])

        def __call__(self, x):
            arrays, others = eqx.partition(self.blocks, eqx.is_array)
            x, _ = jax.lax.scan(lambda x, block: (jax.nn.tanh(eqx.combine(block, others)(x)), None), x, arrays)
            return eqx.filter_checkpoint(self.last)(x)

    names = ("blocks", "tanh", "blocks:2", "tanh:2", "last/layers/0", "last:relu", "last/layers/1")
    model = Scanned()
    return Network(model, model, floats(3, 5), dict.fromkeys(names, "NC"), {"last/layers/0/weight": "OI"}, ("last/layers/1",))


@network
def plain_perceptron_of_pairs():
    def apply(parameters, x):
        for weight, bias in parameters[:-1]:
            x = jax.nn.tanh(x @ weight + bias)
        return x @ parameters[-1][0] + parameters[-1][1]

    parameters = [(jax.random.normal(KEY, (6, 8)), jnp.zeros(8)), (jax.random.normal(KEY, (8, 3)), jnp.zeros(3))]
    return Network(apply, parameters, floats(3, 6), {"0": "NC", "tanh": "NC", "1": "NC"}, {"0/0": "IO", "1/0": "IO"}, ("1",))


@network
def plain_mapped_over_samples_with_keys_and_numbers():
    def apply(parameters, x):
        def one(x):
            return parameters["out"] @ (parameters["scale"] * jax.nn.relu(parameters["in"] @ x + parameters["bias"]))

        return jax.vmap(one)(x)

    parameters = {"in": jax.random.normal(KEY, (7, 6)), "bias": jnp.zeros(7), "out": jax.random.normal(KEY, (3, 7))}
    parameters |= {"scale": 2.0, "key": KEY, "name": None}
    return Network(apply, parameters, floats(4, 6), {"in:dense": "NC", "relu": "NC", "out:dense": "NC"}, {"in": "OI"}, ("out:dense",))


@network
def plain_attention_by_einsum():
    def apply(parameters, x):
        query, key, value = (jnp.einsum("btc,chd->bthd", x, parameters[name]) for name in "qkv")
        x = x + jnp.einsum("bthd,hdc->btc", jax.nn.dot_product_attention(query, key, value), parameters["o"])
        return x @ parameters["head"]

    parameters = {name: jax.random.normal(KEY, (8, 2, 4)) for name in "qkv"}
    parameters |= {"o": jax.random.normal(KEY, (2, 4, 8)), "head": jax.random.normal(KEY, (8, 5))}
    names = ("q:dense", "k:dense", "v:dense", "o:dense", "head:dense")
    return Network(apply, parameters, floats(3, 6, 8), dict.fromkeys(names, "NWC"), {"q": "IOO", "o": "IIO"}, ("head:dense",))


@network
def plain_convolutions_with_channels_first():
    def apply(parameters, x):
        x = jax.nn.relu(jax.lax.conv(x, parameters["first"], (1, 1), "SAME") + parameters["bias"][None, :, None, None])
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        return jax.lax.conv(x, parameters["second"], (1, 1), "SAME").mean((2, 3))

    parameters = {"first": jax.random.normal(KEY, (4, 1, 3, 3)), "bias": jnp.zeros(4), "second": jax.random.normal(KEY, (5, 4, 3, 3))}
    layouts = {"first:conv": "NCHW", "relu": "NCHW", "second:conv": "NCHW"}
    return Network(apply, parameters, floats(3, 1, 8, 8), layouts, {"first": "OIHW"}, ("second:conv",))
