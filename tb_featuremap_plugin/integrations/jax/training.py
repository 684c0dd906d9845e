"""What losses of JAX libraries are called elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

_OPTAX = {
    "softmax_cross_entropy_with_integer_labels": ("sparse_categorical_crossentropy", True),
    "softmax_cross_entropy": ("categorical_crossentropy", True),
    "sigmoid_binary_cross_entropy": ("binary_crossentropy", True),
    "squared_error": ("mse", None),
    "l2_loss": ("mse", None),
}
"""Those of optax: name elsewhere, and whether they take logits. A user's own function may bear the same name and mean something else."""


def loss_facts(loss_fn: Callable[..., Any] | None) -> dict[str, Any]:
    """`loss` and `from_logits` as `Monitor` takes them; a function that is not known gives its name alone.

    Args:
        loss_fn: a function of outputs and targets.
    """
    if loss_fn is None:
        return {}
    name = getattr(loss_fn, "__name__", type(loss_fn).__name__)
    if not getattr(loss_fn, "__module__", "").startswith("optax"):
        return {"loss": name}
    known, from_logits = _OPTAX.get(name, (name, None))
    return {"loss": known, "from_logits": from_logits}


def gradients_of(run: Callable[[Any], Any], loss_fn: Callable[..., Any], targets: Any, arrays: Any) -> list[Any]:
    """Gradients of the mean loss on the probe, in the order of the leaves of `arrays`; None for what is not differentiable.

    Args:
        run: the pass, from arrays to outputs.
        loss_fn: of outputs and targets; one number, or one for each sample.
        targets: of the probe.
        arrays: the model's.
    """
    leaves, tree = jax.tree.flatten(arrays)
    moving = [index for index, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]

    def loss(values: list[Any]) -> Any:
        filled = list(leaves)
        for index, value in zip(moving, values, strict=True):
            filled[index] = value
        return jnp.mean(loss_fn(run(jax.tree.unflatten(tree, filled)), targets))

    found = dict(zip(moving, jax.grad(loss)([leaves[index] for index in moving]), strict=True))
    return [found.get(index) for index in range(len(leaves))]
