"""`fm.jax.watch`: models of Flax (linen and nnx), Equinox and plain JAX, followed through one line, and left as they were."""

from __future__ import annotations

import random

import numpy as np
import pytest

jax = pytest.importorskip("jax")
import equinox  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402
from flax import linen, nnx  # noqa: E402

import tb_featuremap_plugin as fm  # noqa: E402

IMAGES = jnp.asarray(np.random.default_rng(0).random((3, 8, 8, 1)), jnp.float32)
LABELS = jnp.asarray([0, 1, 2])


class Windows(linen.Module):
    """Convolution, normalisation, attention within windows as of Swin, a shuffle of channels, a head."""

    @linen.compact
    def __call__(self, x, train: bool):
        x = linen.Conv(8, (3, 3), name="conv")(x)
        x = linen.relu(linen.BatchNorm(use_running_average=not train, name="norm")(x))
        x = linen.remat(linen.Conv)(6, (1, 1), name="inside_remat")(x)
        batch, height, width, channels = x.shape
        windows = x.reshape(batch, 2, height // 2, 2, width // 2, channels).transpose(0, 1, 3, 2, 4, 5)
        windows = windows.reshape(batch * 4, -1, channels)
        windows = windows + self.param("positions", linen.initializers.normal(), (1, windows.shape[1], channels))
        windows = windows + linen.MultiHeadDotProductAttention(2, name="attention")(windows, windows)
        windows = linen.Dense(4, name="in_windows")(windows)
        x = windows.reshape(batch, 2, 2, height // 2, width // 2, 4).transpose(0, 1, 3, 2, 4, 5).reshape(batch, height * width, 4)
        x = linen.LayerNorm(name="tokens")(linen.gelu(x)).mean(1)
        return linen.Dense(3, name="head")(linen.Dropout(0.5, deterministic=not train)(x))


class Mapped(equinox.Module):
    """Takes one image, channels first."""

    stem: equinox.nn.Conv2d
    blocks: list[equinox.nn.Conv2d]
    head: equinox.nn.Linear
    drop: equinox.nn.Dropout

    def __init__(self, key):
        keys = jax.random.split(key, 4)
        self.stem = equinox.nn.Conv2d(1, 4, 3, key=keys[0])
        self.blocks = [equinox.nn.Conv2d(4, 4, 3, padding=1, key=key) for key in keys[1:3]]
        self.head = equinox.nn.Linear(4, 3, key=keys[3])
        self.drop = equinox.nn.Dropout(0.5)

    def __call__(self, x, *, key=None):
        x = jax.nn.relu(self.stem(x))
        for block in self.blocks:
            x = x + jax.nn.relu(block(x))
        return self.head(self.drop(x, key=key).mean((1, 2)))


class Stateful(nnx.Module):
    """Has moving statistics, and a counter of random numbers."""

    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.layers = nnx.List([nnx.Linear(4, 4, rngs=rngs), nnx.Linear(4, 3, rngs=rngs)])

    def __call__(self, x):
        x = self.drop(nnx.relu(self.norm(self.conv(x))).mean((1, 2)))
        for layer in self.layers:
            x = layer(x)
        return x


def plain(parameters, x):
    x = jax.lax.conv_general_dilated(x, parameters["conv"]["kernel"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    x = jax.nn.relu(x + parameters["conv"]["bias"])
    return x.reshape(len(x), -1) @ parameters["head"]


def plain_parameters():
    keys = jax.random.split(jax.random.key(0))
    conv = {"kernel": jax.random.normal(keys[0], (3, 3, 1, 4)), "bias": jnp.ones(4)}
    return {"conv": conv, "head": jax.random.normal(keys[1], (144, 3))}


def only_run(logdir):
    (run,) = fm.open(logdir).values()
    return run


def first(layers):
    return {layer.name: layer for layer in layers}


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """A watched linen network: the run that it wrote, and its own outputs as Flax itself captures them."""
    logdir = tmp_path_factory.mktemp("windows")
    model = Windows()
    variables = model.init(jax.random.key(0), IMAGES, train=False)
    options = {"loss_fn": optax.softmax_cross_entropy_with_integer_labels, "precision": "float32", "strict": True}
    with fm.jax.watch(model, logdir, probe=(IMAGES, LABELS), parameters=variables, every=1, **options) as watcher:
        watcher.step(jax.tree.map(lambda value: value * 1.5, variables), loss=0.5)
    _, captured = model.apply(variables, IMAGES, train=False, capture_intermediates=True)
    return only_run(logdir), {
        name: np.asarray(value["__call__"][0]) for name, value in captured["intermediates"].items() if name != "__call__"
    }


def test_maps_are_the_outputs_of_the_layers_whatever_way_their_axes_took(windows):
    run, outputs = windows
    for name in ("conv", "norm", "inside_remat"):
        np.testing.assert_allclose(run.maps(name, 0).values, outputs[name].transpose(0, 3, 1, 2), atol=1e-6)
    grid = outputs["in_windows"].reshape(3, 2, 2, 4, 4, 4).transpose(0, 1, 3, 2, 4, 5).reshape(3, 8, 8, 4)
    np.testing.assert_allclose(run.maps("in_windows", 0).values, grid.transpose(0, 3, 1, 2), atol=1e-6)
    tokens = outputs["tokens"].reshape(3, 8, 8, 4)
    np.testing.assert_allclose(run.maps("tokens", 0).values, tokens.transpose(0, 3, 1, 2), atol=1e-5)
    np.testing.assert_allclose(run.maps("head", 0).values, outputs["head"], atol=1e-6)


def test_layers_stand_in_the_order_of_the_calls_with_what_came_before(windows):
    layers = first(windows[0].layers)
    order = ["conv", "norm", "relu", "inside_remat", "attention", "in_windows", "gelu", "tokens", "Dropout_0", "head"]
    assert [name for name in layers if name in order] == order
    assert layers["relu"].inputs == ("norm",)
    assert layers["relu"].activation == "relu"
    assert layers["in_windows"].inputs == ("inside_remat", "attention")
    assert layers["head"].role == "output"
    assert layers["conv"].role == "hidden"
    assert layers["norm"].weights == ("norm/bias", "norm/scale")
    assert layers["norm"].state == ("norm/mean", "norm/var")


def test_every_variable_has_a_row_and_gradients_of_the_probe(windows):
    run, _ = windows
    table = run.table("variables")
    assert {"conv/kernel", "norm/mean", "positions", "head/bias"} <= set(table.names)
    assert run.filters("conv/kernel", 0).values.shape == (8, 1, 3, 3)
    assert run.record.loss == "sparse_categorical_crossentropy"
    assert run.record.from_logits is True
    assert np.all(table["gradient_norm", "conv/kernel"] > 0)


def test_equinox_trains_as_without_and_sees_one_sample_at_a_time(tmp_path):
    optimizer = optax.adam(1e-2)
    images = IMAGES.transpose(0, 3, 1, 2)

    def train(logdir):
        model = Mapped(jax.random.key(0))
        watcher = fm.jax.watch(model, logdir, probe=images, every=1, precision="float32", strict=True) if logdir else None
        state = optimizer.init(equinox.filter(model, equinox.is_array))
        for number in range(3):
            keys = jax.random.split(jax.random.key(number), 3)

            def loss_of(model, keys=keys):
                logits = jax.vmap(lambda x, key: model(x, key=key))(images, keys)
                return optax.softmax_cross_entropy_with_integer_labels(logits, LABELS).mean()

            loss, gradients = equinox.filter_value_and_grad(loss_of)(model)
            changes, state = optimizer.update(gradients, state)
            model = equinox.apply_updates(model, changes)
            if watcher is not None:
                watcher.step(model, loss)
        if watcher is not None:
            watcher.close()
        return model

    watched, alone = train(tmp_path), train(None)
    for one, other in zip(jax.tree.leaves(watched), jax.tree.leaves(alone), strict=True):
        assert not equinox.is_array(one) or np.array_equal(one, other)
    run = only_run(tmp_path)
    assert run.steps.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(run.maps("stem", 3).values, jax.vmap(watched.stem)(images), atol=1e-6)
    assert first(run.layers)["blocks/1"].inputs == ("relu", "relu:2")
    assert run.filters("blocks/0/weight", 0).values.shape == (4, 4, 3, 3)


def test_an_nnx_module_keeps_its_mode_its_statistics_and_its_random_numbers(tmp_path):
    model = Stateful(nnx.Rngs(0))
    model.train()
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.split(model, nnx.RngKey, ...)[2]))
    random.seed(0)
    np.random.seed(0)
    python, numbers = random.getstate(), np.random.get_state(legacy=False)["state"]["key"].copy()
    with fm.jax.watch(
        model, tmp_path, probe=(IMAGES, LABELS), loss_fn=optax.softmax_cross_entropy_with_integer_labels, strict=True
    ) as watcher:
        watcher.step(model)
    after = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.split(model, nnx.RngKey, ...)[2]))
    assert jax.tree.all(jax.tree.map(np.array_equal, before, after))
    assert not model.norm.use_running_average
    assert not model.drop.deterministic
    assert random.getstate() == python
    assert np.array_equal(np.random.get_state(legacy=False)["state"]["key"], numbers)
    layers = first(only_run(tmp_path).layers)
    assert layers["layers/0"].weights == ("layers/0/bias", "layers/0/kernel")
    assert layers["layers/1"].role == "output"
    assert layers["norm"].state == ("norm/mean", "norm/var")


def test_layers_of_a_function_are_named_by_their_parameters(tmp_path):
    parameters = plain_parameters()
    with fm.jax.watch(plain, tmp_path, probe=IMAGES, precision="float32", strict=True) as watcher:
        watcher.step(parameters)
    run = only_run(tmp_path)
    assert [(layer.name, layer.inputs) for layer in run.layers] == [("conv", ()), ("relu", ("conv",)), ("head:dense", ("relu",))]
    expected = jax.lax.conv_general_dilated(
        IMAGES, parameters["conv"]["kernel"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(run.maps("conv").values, (expected + 1).transpose(0, 3, 1, 2), atol=1e-5)
    assert run.filters("conv/kernel").values.shape == (4, 1, 3, 3)
    assert run.filters("head").values.shape[:2] == (3, 144)


def test_layers_inside_scan_are_seen_one_by_one(tmp_path):
    class Block(linen.Module):
        @linen.compact
        def __call__(self, x, _):
            return linen.relu(linen.Dense(5, name="dense")(x)), None

    class Scanned(linen.Module):
        @linen.compact
        def __call__(self, x):
            blocks = linen.scan(Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)(name="blocks")
            return linen.Dense(2, name="head")(blocks(x, None)[0])

    model, inputs = Scanned(), jnp.asarray(np.random.default_rng(1).normal(size=(4, 5)), jnp.float32)
    variables = model.init(jax.random.key(0), inputs)
    with fm.jax.watch(model, tmp_path, probe=inputs, precision="float32", strict=True) as watcher:
        watcher.step(variables)
    run = only_run(tmp_path)
    x = inputs
    for number in range(3):
        name = "blocks/dense" if number == 0 else f"blocks/dense:{number + 1}"
        kernel, bias = (variables["params"]["blocks"]["dense"][part][number] for part in ("kernel", "bias"))
        np.testing.assert_allclose(run.maps(name).values, x @ kernel + bias, atol=1e-5)
        x = jax.nn.relu(x @ kernel + bias)


def test_a_sample_changes_its_own_maps_alone(tmp_path):
    """The axis that is called samples is that of the samples: another image in the probe's second place changes the second of the maps."""
    model = Windows()
    variables = model.init(jax.random.key(0), IMAGES, train=False)
    runs = []
    for number, probe in enumerate((IMAGES, IMAGES.at[1].add(0.5))):
        with fm.jax.watch(model, tmp_path / str(number), probe=probe, parameters=variables, precision="float32", strict=True):
            pass
        runs.append(only_run(tmp_path / str(number)))
    for name in ("conv", "attention", "in_windows", "gelu", "tokens", "head"):
        one, other = (run.maps(name, 0).values for run in runs)
        assert [np.array_equal(one[sample], other[sample]) for sample in range(3)] == [True, False, True], name


def test_random_numbers_that_a_model_takes_from_python_and_numpy_go_on_as_before(tmp_path):
    def noisy(parameters, x):
        return plain(parameters, x + random.random() + np.random.rand())

    parameters, drawn = plain_parameters(), []
    for watched in (False, True):
        random.seed(3)
        np.random.seed(3)
        if watched:
            with fm.jax.watch(noisy, tmp_path, probe=IMAGES, parameters=parameters, strict=True) as watcher:
                watcher.step(parameters)
        drawn.append((random.random(), np.random.rand()))
    assert drawn[0] == drawn[1]


def test_what_is_no_model_is_named(tmp_path):
    with pytest.raises(TypeError, match="apply is 3; allowed are a Flax linen or nnx module"):
        fm.jax.watch(3, tmp_path, probe=IMAGES)
    with pytest.raises(ValueError, match="probe is 'images'; allowed are an array of samples"):
        fm.jax.watch(Mapped(jax.random.key(0)), tmp_path, probe="images")
    with pytest.raises(ValueError, match="layers holds 'convs', which fits none of"):
        fm.jax.watch(plain, tmp_path, probe=IMAGES, parameters=plain_parameters(), layers="convs")


@pytest.mark.parametrize("scale", [255.0, 1.0])
def test_the_first_kernel_layer_says_what_it_receives_and_not_what_the_probe_holds(tmp_path, scale):
    class Pixels(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = linen.relu(linen.Conv(4, (3, 3), name="stem")((x - 10.0) / scale))
            return linen.Dense(3, name="head")(x.mean((1, 2)))

    images = jnp.asarray(np.random.default_rng(0).integers(10, 266, (8, 6, 6, 1)), jnp.float32)
    model = Pixels()
    variables = model.init(jax.random.key(0), images)
    with fm.jax.watch(model, str(tmp_path), probe=images, parameters=variables):
        pass
    run = only_run(tmp_path)
    received = {layer.name: layer.receives for layer in run.record.layers}
    expected = (float(images.min() - 10) / scale, float(images.max() - 10) / scale)
    assert received["stem"] == pytest.approx(expected, rel=1e-6)
    assert received["head"] is None
