"""What is known of the layers of JAX networks as users write them: order, axes, kernels, variables; and that training stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

jax = pytest.importorskip("jax")
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402
from flax import linen  # noqa: E402
from flax.training.train_state import TrainState  # noqa: E402

import tb_featuremap_plugin as fm  # noqa: E402
from tb_featuremap_plugin.arrays.layouts import canonical_maps  # noqa: E402
from tb_featuremap_plugin.integrations.jax.adapters import adapted  # noqa: E402
from tb_featuremap_plugin.integrations.jax.tracing import trace  # noqa: E402
from tests.jax_networks import linen_networks, other_networks  # noqa: E402, F401
from tests.jax_networks.known import NETWORKS  # noqa: E402


def traced(network, probe=None):
    model = adapted(network.model)
    parts = model.parts(network.parameters)
    return trace(model, parts, network.probe if probe is None else probe), parts


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_stand_in_order_with_the_layouts_that_they_have(name):
    network = NETWORKS[name]()
    found, parts = traced(network)
    layouts = found.layouts()
    names = [layer.name for layer in found.layers if layer.name in network.layouts]
    assert {name: layouts[name] for name in names} == network.layouts
    assert names == list(network.layouts)
    assert {name: layouts.get(name) for name in network.kernels} == network.kernels
    assert tuple(layer.name for layer in found.layers if layer.role == "output") == network.outputs
    held = [variable for layer in found.layers for variable in (*layer.weights, *layer.state)]
    assert sorted(held) == sorted(parts.variables())


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NETWORKS)
def test_another_sample_changes_its_own_maps_alone(name):
    network = NETWORKS[name]()
    found, parts = traced(network)
    other, _ = traced(network, jax.tree.map(lambda array: array.at[1].set((array[1] + 1) % 20), network.probe))
    known = tuple(name for name, layout in found.layouts().items() if layout != "unknown" and name in found.sites)
    before, after = found.outputs_of(known)(parts.arrays), other.outputs_of(known)(parts.arrays)
    for layer in known:
        layout = found.layouts()[layer]
        one, two = (canonical_maps(np.asarray(arrays[layer], np.float32), layout) for arrays in (before, after))
        changed = [not np.array_equal(a, b) for a, b in zip(one, two, strict=True)]
        assert not any(changed[:1] + changed[2:]), layer


def test_a_cell_that_another_module_holds_belongs_to_the_layer_that_calls_it():
    found, _ = traced(NETWORKS["linen_recurrent"]())
    (forward,) = (layer for layer in found.layers if layer.name == "forward")
    assert {"cell/hf/kernel", "cell/if/kernel"} <= set(forward.weights)


def test_a_kernel_of_heads_is_pictured_with_a_filter_for_each_of_their_units(tmp_path):
    network = NETWORKS["plain_attention_by_einsum"]()
    with fm.jax.watch(network.model, tmp_path, probe=network.probe, parameters=network.parameters, precision="float32", strict=True):
        pass
    (run,) = fm.open(tmp_path).values()
    np.testing.assert_allclose(run.filters("q", 0).values.reshape(8, 8), np.asarray(network.parameters["q"]).reshape(8, 8).T, atol=1e-6)
    np.testing.assert_allclose(run.filters("o", 0).values.reshape(8, 8), np.asarray(network.parameters["o"]).reshape(8, 8).T, atol=1e-6)


class Small(linen.Module):
    @linen.compact
    def __call__(self, x, train: bool = False):
        x = linen.BatchNorm(use_running_average=not train)(linen.Conv(4, (3, 3))(x))
        return linen.Dense(3)(linen.Dropout(0.3, deterministic=not train)(linen.relu(x)).mean((1, 2)))


class State(TrainState):
    batch_stats: object = None


IMAGES = jnp.asarray(np.random.default_rng(0).normal(size=(4, 6, 6, 1)), jnp.float32)
LABELS = jnp.asarray([0, 1, 2, 0])


def train(logdir):
    """Trains with donated buffers; what comes out, and how often the step was compiled."""
    model, compiled = Small(), []
    variables = jax.jit(model.init)(jax.random.key(0), IMAGES)
    optimizer = optax.MultiSteps(optax.sgd(1e-1), 2)
    state = State.create(apply_fn=model.apply, params=variables["params"], tx=optimizer, batch_stats=variables["batch_stats"])
    loss_fn = optax.softmax_cross_entropy_with_integer_labels

    def step(state, key):
        compiled.append(1)

        def loss_of(params):
            given = {"params": params, "batch_stats": state.batch_stats}
            logits, changes = model.apply(given, IMAGES, train=True, rngs={"dropout": key}, mutable=["batch_stats"])
            return loss_fn(logits, LABELS).mean(), changes

        (loss, changes), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        return state.apply_gradients(grads=gradients).replace(**changes), loss

    step = jax.jit(step, donate_argnums=0)
    keys = list(jax.random.split(jax.random.key(1), 4))
    options = {"every": 1, "strict": True, "loss_fn": loss_fn}
    watcher = fm.jax.watch(model, logdir, probe=(IMAGES, LABELS), parameters=state, **options) if logdir else None
    losses = []
    for key in keys:
        state, loss = step(state, key)
        losses.append(loss)
        if watcher is not None:
            watcher.step(state, loss)
    if watcher is not None:
        watcher.close()
    return jax.tree.map(np.asarray, (state.params, state.batch_stats, losses)), len(compiled)


def test_a_training_with_donated_buffers_is_the_same_to_the_last_bit_and_compiled_once(tmp_path):
    (watched, compiled), (alone, compiled_alone) = train(tmp_path), train(None)
    assert jax.tree.all(jax.tree.map(np.array_equal, watched, alone))
    assert compiled == compiled_alone == 1
    (run,) = fm.open(tmp_path).values()
    assert run.steps.tolist() == [0, 1, 2, 3, 4]


def test_nothing_of_a_trace_outlives_it():
    network = NETWORKS["linen_small_images_flattened"]()
    with jax.checking_leaks():
        assert traced(network)[0].layers


def test_a_model_whose_settings_changed_is_traced_anew(tmp_path):
    def apply(parameters, x):
        return jax.nn.relu(x @ parameters["w"]) if parameters["rectify"] else x @ parameters["w"]

    inputs, weight = jnp.asarray([[1.0, -1.0], [0.5, 2.0]]), jnp.eye(2)
    with fm.jax.watch(apply, tmp_path, probe=inputs, every=1, precision="float32", strict=True) as watcher:
        watcher.step({"w": weight, "rectify": True})
        watcher.step({"w": weight, "rectify": False})
    (run,) = fm.open(tmp_path).values()
    assert [layer.name for layer in run.layers] == ["w:dense"]
    np.testing.assert_allclose(run.maps("w:dense", 2).values, inputs)
