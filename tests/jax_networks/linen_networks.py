"""Networks of Flax linen."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from tests.jax_networks.known import KEY, Network, floats, network, tokens


def made(model, *inputs, layouts, kernels, outputs):
    shapes = jax.eval_shape(model.init, {"params": KEY, "dropout": KEY}, *inputs)
    draw = np.random.default_rng(3)
    variables = jax.tree.map(lambda one: jnp.asarray(0.1 + draw.random(one.shape), one.dtype), shapes)
    return Network(model, variables, inputs[0] if len(inputs) == 1 else list(inputs), layouts, kernels, outputs)


@network
def linen_small_images_flattened():
    class Flat(nn.Module):
        @nn.compact
        def __call__(self, x, train: bool = False):
            x = x.reshape(x.shape[0], -1)
            x = nn.relu(nn.Dense(6)(x))
            return nn.Dense(3)(nn.Dropout(0.5, deterministic=not train)(x))

    layouts = {"Dense_0": "NC", "relu": "NC", "Dropout_0": "NC", "Dense_1": "NC"}
    return made(Flat(), floats(3, 4, 4, 1), layouts=layouts, kernels={"Dense_0/kernel": "IO"}, outputs=("Dense_1",))


@network
def linen_residual():
    class Residual(nn.Module):
        @nn.compact
        def __call__(self, x, train: bool = False):
            for stride in (1, 2):
                y = nn.relu(nn.BatchNorm(use_running_average=not train)(nn.Conv(4, (3, 3), (stride, stride))(x)))
                x = nn.relu(y + nn.Conv(4, (1, 1), (stride, stride), name=f"short_{stride}")(x))
            return nn.Dense(3)(x.mean((1, 2)))

    one = {"Conv_0": "NHWC", "BatchNorm_0": "NHWC", "relu": "NHWC", "short_1": "NHWC", "relu:2": "NHWC"}
    two = {"Conv_1": "NHWC", "BatchNorm_1": "NHWC", "relu:3": "NHWC", "short_2": "NHWC", "relu:4": "NHWC"}
    return made(
        Residual(), floats(3, 8, 8, 2), layouts={**one, **two, "Dense_0": "NC"}, kernels={"short_2/kernel": "HWIO"}, outputs=("Dense_0",)
    )


@network
def linen_transformer_of_images():
    class Vision(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.Conv(8, (4, 4), (4, 4), name="patches")(x)
            x = nn.LayerNorm(name="before")(x.reshape(x.shape[0], -1, 8))
            first = self.param("first", nn.initializers.zeros, (1, 1, 8))
            x = jnp.concatenate([jnp.tile(first, (x.shape[0], 1, 1)), x], 1)
            x = x + self.param("positions", nn.initializers.normal(), (1, x.shape[1], 8))
            y = nn.LayerNorm()(x)
            x = x + nn.MultiHeadDotProductAttention(2, name="attention")(y, y)
            x = x + nn.Dense(8, name="down")(nn.gelu(nn.Dense(16, name="up")(nn.LayerNorm()(x))))
            return nn.Dense(3, name="head")(x[:, 0])

    layouts = {"patches": "NHWC", "before": "NHWC", "LayerNorm_0": "NWC", "attention": "NWC", "LayerNorm_1": "NWC"}
    layouts |= {"up": "NWC", "gelu": "NWC", "down": "NWC", "head": "NC"}
    kernels = {"attention/query/kernel": "IOO", "attention/out/kernel": "IIO", "positions": "unknown", "first": "unknown"}
    return made(Vision(), floats(3, 16, 16, 3), layouts=layouts, kernels=kernels, outputs=("head",))


@network
def linen_language_model_with_tied_embedding():
    class Language(nn.Module):
        @nn.compact
        def __call__(self, ids, train: bool = False):
            table = nn.Embed(20, 8, name="table")
            x = table(ids) + nn.Embed(7, 8, name="places")(jnp.arange(ids.shape[1])[None])
            y = nn.LayerNorm()(x)
            x = x + nn.MultiHeadDotProductAttention(2, name="attention")(y, mask=nn.make_causal_mask(ids))
            return table.attend(x)

    layouts = {"table": "NWC", "places": "unknown", "LayerNorm_0": "NWC", "attention": "NWC", "table:2": "NWC"}
    return made(Language(), tokens(3, 7), layouts=layouts, kernels={"attention/key/kernel": "IOO"}, outputs=("table:2",))


@network
def linen_mixer():
    class Mixer(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.Conv(6, (4, 4), (4, 4))(x).reshape(x.shape[0], 16, 6)
            y = nn.gelu(nn.Dense(20, name="over_places")(jnp.swapaxes(nn.LayerNorm()(x), 1, 2)))
            x = x + jnp.swapaxes(nn.Dense(16, name="back")(y), 1, 2)
            return nn.Dense(5, name="over_channels")(x)

    layouts = {"Conv_0": "NHWC", "LayerNorm_0": "NHWC", "over_places": "NCW", "gelu": "NCW", "back": "NCW", "over_channels": "NHWC"}
    return made(Mixer(), floats(3, 16, 16, 3), layouts=layouts, kernels={"back/kernel": "IO"}, outputs=("over_channels",))


@network
def linen_hourglass():
    class Hourglass(nn.Module):
        @nn.compact
        def __call__(self, x):
            a = nn.relu(nn.GroupNorm(2)(nn.Conv(4, (3, 3))(x)))
            b = nn.relu(nn.Conv(8, (3, 3))(nn.max_pool(a, (2, 2), (2, 2))))
            up = nn.ConvTranspose(4, (2, 2), (2, 2), name="up")(b)
            large = jax.image.resize(b, (b.shape[0], 8, 8, 8), "bilinear")
            return nn.Conv(1, (1, 1), name="out")(jnp.concatenate([a, up, large], -1))

    layouts = dict.fromkeys(("Conv_0", "GroupNorm_0", "relu", "Conv_1", "relu:2", "up", "out"), "NHWC")
    return made(Hourglass(), floats(3, 8, 8, 2), layouts=layouts, kernels={"up/kernel": "HWIO"}, outputs=("out",))


@network
def linen_convolutions_of_other_ranks():
    class Ranks(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.swish(nn.Conv(4, (3, 3, 3), feature_group_count=2, name="volume")(x))
            x = nn.Conv(6, (3,), name="line")(x.mean((1, 2)))
            return nn.ConvTranspose(2, (3,), (2,), name="longer")(x)

    layouts = {"volume": "NDHWC", "silu": "NDHWC", "line": "NWC", "longer": "NWC"}
    kernels = {"volume/kernel": "DHWIO", "line/kernel": "WIO"}
    return made(Ranks(), floats(3, 5, 6, 7, 2), layouts=layouts, kernels=kernels, outputs=("longer",))


@network
def linen_recurrent():
    class Recurrent(nn.Module):
        @nn.compact
        def __call__(self, ids):
            x = nn.RNN(nn.OptimizedLSTMCell(6, name="cell"), name="forward")(nn.Embed(20, 4, name="table")(ids))
            return nn.Dense(2, name="head")(x[:, -1])

    layouts = {"table": "NWC", "forward": "NWC", "head": "NC"}
    return made(Recurrent(), tokens(3, 5), layouts=layouts, kernels={"head/kernel": "IO"}, outputs=("head",))


@network
def linen_blocks_in_scan_and_remat():
    class Block(nn.Module):
        @nn.compact
        def __call__(self, x, _):
            return x + nn.Dense(5, name="dense")(nn.LayerNorm(name="norm")(x)), None

    class Scanned(nn.Module):
        @nn.compact
        def __call__(self, x):
            again = nn.scan(nn.remat(Block), variable_axes={"params": 0}, split_rngs={"params": True}, length=2)
            return nn.Dense(2, name="head")(again(name="blocks")(x, None)[0])

    one = {"blocks/norm": "NC", "blocks/dense": "NC", "blocks/norm:2": "NC", "blocks/dense:2": "NC"}
    kernels = {"blocks/dense/kernel": "unknown", "blocks/norm/scale": "unknown"}
    return made(Scanned(), floats(3, 5), layouts={**one, "head": "NC"}, kernels=kernels, outputs=("head",))


@network
def linen_shared_with_outputs_in_a_dictionary():
    class Twins(nn.Module):
        def setup(self):
            self.encoder = nn.Dense(6)
            self.heads = {"a": nn.Dense(2), "b": nn.Dense(1)}

        def __call__(self, one, other):
            one, other = self.encoder(one), self.encoder(other)
            return {"a": self.heads["a"](one * other), "b": self.heads["b"](one - other)}

    layouts = dict.fromkeys(("encoder", "encoder:2", "heads_a", "heads_b"), "NC")
    return made(Twins(), floats(3, 4), floats(3, 4), layouts=layouts, kernels={"heads_a/kernel": "IO"}, outputs=("heads_a", "heads_b"))


@network
def linen_shuffled_pixels_and_heads():
    class Shuffled(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.Conv(12, (3, 3))(x)
            samples, height, width, _ = x.shape
            x = x.reshape(samples, height, width, 2, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(samples, 2 * height, 2 * width, 3)
            x = nn.DenseGeneral((2, 3), name="heads")(nn.relu(x))
            return nn.DenseGeneral(4, axis=(-2, -1), name="joined")(x)

    layouts = {"Conv_0": "NHWC", "relu": "NHWC", "heads": "NHWC", "joined": "NHWC"}
    return made(
        Shuffled(), floats(2, 4, 4, 1), layouts=layouts, kernels={"heads/kernel": "IOO", "joined/kernel": "IIO"}, outputs=("joined",)
    )
