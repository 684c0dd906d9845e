"""Gradients of the loss on the probe, in inference mode: no dropout, no moving statistics, no random numbers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import keras

from tb_featuremap_plugin.integrations.keras.extraction import Values, inference


def probe_gradients(model: Any, inputs: Any, targets: Any) -> Callable[[], list[Any]]:
    """A function that returns the gradient of each trainable variable, in their order; None where the loss does not depend on it.

    Args:
        model: compiled with a loss.
        inputs, targets: tensors.
    """
    make = {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}[keras.backend.backend()]
    return make(model, inputs, targets)


def _loss(model: Any, inputs: Any, targets: Any, values: Values = ()) -> Any:
    with keras.StatelessScope(state_mapping=list(values)):
        predictions = model(inputs, training=False)
        return model.compute_loss(x=inputs, y=targets, y_pred=predictions, sample_weight=None, training=False)


def _by_tensorflow(model: Any, inputs: Any, targets: Any) -> Callable[[], list[Any]]:
    tf = importlib.import_module("tensorflow")

    def gradients(inputs: Any, targets: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            loss = _loss(model, inputs, targets)
        return list(tape.gradient(loss, [variable.value for variable in model.trainable_variables]))

    compiled = tf.function(gradients, autograph=False)
    return lambda: list(compiled(inputs, targets))


def _by_jax(model: Any, inputs: Any, targets: Any) -> Callable[[], list[Any]]:
    jax = importlib.import_module("jax")

    def loss(trainable: list[Any], others: list[Any], inputs: Any, targets: Any) -> Any:
        variables = [*model.trainable_variables, *model.non_trainable_variables]
        return _loss(model, inputs, targets, list(zip(variables, [*trainable, *others], strict=True)))

    compiled = jax.jit(jax.grad(loss))

    def gradients() -> list[Any]:
        trainable = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]
        return list(compiled(trainable, others, inputs, targets))

    return gradients


def _by_torch(model: Any, inputs: Any, targets: Any) -> Callable[[], list[Any]]:
    torch = importlib.import_module("torch")

    def gradients() -> list[Any]:
        with inference(model), torch.enable_grad():
            loss = _loss(model, inputs, targets)
            return list(torch.autograd.grad(loss, [variable.value for variable in model.trainable_variables], allow_unused=True))

    return gradients
