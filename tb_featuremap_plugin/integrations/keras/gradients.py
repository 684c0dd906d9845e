"""Gradients of the loss on the probe, in inference mode: no dropout, no moving statistics, no random numbers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import keras

from tb_featuremap_plugin.integrations.keras.guarded_pass import Guard
from tb_featuremap_plugin.integrations.keras.probe_pass import Values, guarded_graph


def probe_gradients(model: Any, inputs: Any, targets: Any, guard: Guard) -> Callable[[], list[Any]]:
    """A function that returns the gradient of each trainable variable, in their order; None where the loss does not depend on it.

    Those of an embedding, which TensorFlow keeps as slices, are dense.

    Args:
        model: compiled with a loss.
        inputs, targets: tensors.
        guard: of the model.
    """
    make = {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}[keras.backend.backend()]
    return make(model, inputs, targets, guard)


def _loss(model: Any, inputs: Any, targets: Any, values: Values = ()) -> Any:
    with keras.StatelessScope(state_mapping=list(values), initialize_variables=False):
        predictions = model(inputs, training=False)
        return model.compute_loss(x=inputs, y=targets, y_pred=predictions, sample_weight=None, training=False)


def _by_tensorflow(model: Any, inputs: Any, targets: Any, guard: Guard) -> Callable[[], list[Any]]:
    tf = importlib.import_module("tensorflow")
    reached: list[int] = []

    def gradients() -> list[Any]:
        with tf.GradientTape() as tape:
            loss = _loss(model, inputs, targets)
        found = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
        reached[:] = [index for index, gradient in enumerate(found) if gradient is not None]
        return [tf.convert_to_tensor(found[index]) for index in reached]

    with guard(), tf.summary.record_if(False):
        run = guarded_graph(tf.function(gradients, autograph=False).get_concrete_function(), guard)

    def by_variable() -> list[Any]:
        found = dict(zip(reached, run(), strict=True))
        return [found.get(index) for index in range(len(model.trainable_variables))]

    return by_variable


def _by_jax(model: Any, inputs: Any, targets: Any, guard: Guard) -> Callable[[], list[Any]]:
    jax = importlib.import_module("jax")

    def loss(trainable: list[Any], others: list[Any], inputs: Any, targets: Any) -> Any:
        variables = [*model.trainable_variables, *model.non_trainable_variables]
        return _loss(model, inputs, targets, list(zip(variables, [*trainable, *others], strict=True)))

    compiled = jax.jit(jax.grad(loss))

    def gradients() -> list[Any]:
        trainable = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]
        with guard():
            return list(compiled(trainable, others, inputs, targets))

    return gradients


def _by_torch(model: Any, inputs: Any, targets: Any, guard: Guard) -> Callable[[], list[Any]]:
    torch = importlib.import_module("torch")

    def gradients() -> list[Any]:
        with guard(), torch.enable_grad():
            loss = _loss(model, inputs, targets)
            return list(torch.autograd.grad(loss, [variable.value for variable in model.trainable_variables], allow_unused=True))

    return gradients
