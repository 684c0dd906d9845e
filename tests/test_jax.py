"""JAX arrays in `Monitor`: pytrees, no copies, donated parameters."""

from __future__ import annotations

import numpy as np
import pytest

jax = pytest.importorskip("jax")
import jax.numpy as jnp  # noqa: E402

import tb_featuremap_plugin as fm  # noqa: E402
from tests.support.known import record_of, variables_of  # noqa: E402
from tests.support.monitored import losses, numbers, picture_names, read_run  # noqa: E402

PROBE = jnp.asarray(np.random.default_rng(0).random((4, 8, 8, 1)), jnp.float32)


def start():
    keys = jax.random.split(jax.random.key(0))
    return {"conv": {"kernel": jax.random.normal(keys[0], (3, 3, 1, 4))}, "dense": [jax.random.normal(keys[1], (4, 2)), jnp.zeros(2)]}


@pytest.mark.parametrize("donate", [False, True])
def test_updates_are_exact_also_where_parameters_are_donated(tmp_path, donate):
    def update(params, key):
        gradients = jax.tree.map(lambda value: jax.random.normal(key, value.shape), params)
        return jax.tree.map(lambda value, gradient: value - 0.1 * gradient, params, gradients), gradients

    step_function = jax.jit(update, donate_argnums=0 if donate else ())
    params, history = start(), []
    with fm.Monitor(tmp_path, every=4, strict=True) as monitor:
        for step in range(9):
            gradients = None
            if step:
                params, gradients = step_function(params, jax.random.key(step))
            history.append(np.array(params["conv"]["kernel"], np.float64))
            monitor.log(
                step, inputs=PROBE, activations=lambda: {"conv": PROBE}, weights=params, gradients=gradients, loss=jnp.float32(step)
            )
    run = read_run(tmp_path)
    assert set(variables_of(run).rows) == {"conv/kernel", "dense/0", "dense/1"}
    for step in (1, 2, 4, 8):
        norm = np.linalg.norm(history[step] - history[step - 1])
        assert numbers(run, "conv/kernel", "update_norm")[step] == pytest.approx(norm, rel=1e-5)
        assert numbers(run, "conv/kernel", "displacement")[step] == pytest.approx(np.linalg.norm(history[step] - history[0]), rel=1e-5)
        assert numbers(run, "conv/kernel", "gradient_norm")[step] == pytest.approx(10 * norm, rel=1e-4)
    assert losses(run) == {step: step for step in range(9)}
    assert picture_names(run, "filters") == {"conv/kernel", "dense/0"}


def test_half_precision_keeps_its_name(tmp_path):
    with fm.Monitor(tmp_path, strict=True) as monitor:
        monitor.log(0, weights={"w": jnp.ones(3, jnp.bfloat16)}, activations={"a": jnp.ones((2, 3), jnp.bfloat16)})
    run = read_run(tmp_path)
    assert record_of(run).variable_dtypes == {"w": "bfloat16"}
    assert numbers(run, "w", "epsilon")[0] == 2.0**-7
    assert record_of(run).versions["jax"] == jax.__version__
