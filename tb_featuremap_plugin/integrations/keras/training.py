"""What a compiled Keras model says of its training: its loss and its optimizers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from tb_featuremap_plugin.arrays.tensors import to_numpy
from tb_featuremap_plugin.integrations.keras.layer_info import snake_case
from tb_featuremap_plugin.measures.targets import constant_loss
from tb_featuremap_plugin.schema.losses import OWN, find
from tb_featuremap_plugin.schema.network import LossFacts

_WITH_CLASSES = ("categorical_crossentropy", "sparse_categorical_crossentropy")
_WITH_LOGITS = ("categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy")


def loss_name(model: Any) -> str | None:
    """The loss's name, marked if it is the user's own; None for several losses or one that is computed elsewhere."""
    loss = getattr(model, "loss", None)
    if isinstance(loss, (list, tuple, dict)):
        names = {_name(part) for part in keras.tree.flatten(loss)}
        return names.pop() if len(names) == 1 else None
    return _name(loss)


def from_logits(model: Any) -> bool | None:
    """Whether the loss takes logits; None for losses for which the question makes no sense."""
    losses = keras.tree.flatten(getattr(model, "loss", None))
    if len(losses) != 1 or loss_name(model) not in _WITH_LOGITS:
        return None
    return bool(getattr(losses[0], "_fn_kwargs", {}).get("from_logits", False))


def loss_facts(model: Any, targets: Any, outputs: Any = None) -> LossFacts | None:
    """What else is known of the one loss of a model; None for several, and for one of the user's.

    Args:
        model: compiled.
        targets: of the probe; None if unknown.
        outputs: what the model answers to the probe; None if unknown.
    """
    losses, name = keras.tree.flatten(getattr(model, "loss", None)), loss_name(model)
    if len(losses) != 1 or name is None or name.startswith(OWN):
        return None
    ignored = getattr(losses[0], "_fn_kwargs", {}).get("ignore_class")
    known = [target for target in keras.tree.flatten(targets) if target is not None]
    values = to_numpy(known[0], "targets").astype(np.float64) if len(known) == 1 else np.zeros(0)
    kept = values if ignored is None else values[values != ignored]
    constant, error = constant_loss(name, kept) or (None, 0.0)
    entrywise = find(name) is not None and name not in _WITH_CLASSES and values.ndim > 0
    shapes = _shapes(keras.tree.flatten(outputs), values.shape) if entrywise else ((), ())
    return LossFacts(
        ignored=ignored,
        summed=str(getattr(losses[0], "reduction", "")) == "sum",
        constant=constant,
        error=error,
        entries=len(kept) if kept.ndim else 0,
        output_shape=shapes[0],
        target_shape=shapes[1],
    )


def _shapes(outputs: list[Any], targets: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of the one output and of the targets, as Keras compares them: it takes a last axis of 1 from the one that has an axis more."""
    if len(outputs) != 1 or None in getattr(outputs[0], "shape", [None]):
        return (), ()
    answers = tuple(int(size) for size in outputs[0].shape)
    if len(answers) == len(targets) + 1 and answers[-1] == 1:
        return answers[:-1], targets
    return answers, targets[:-1] if len(targets) == len(answers) + 1 and targets[-1] == 1 else targets


def optimizer_name(model: Any) -> str | None:
    """The optimizer's name, such as "adam"."""
    optimizer = inner_optimizer(model)
    return None if optimizer is None else type(optimizer).__name__.lower()


def weight_decay(model: Any) -> float | None:
    """The optimizer's weight decay; None if it has none."""
    decay = getattr(inner_optimizer(model), "weight_decay", None)
    return float(decay) if isinstance(decay, (int, float)) and not isinstance(decay, bool) else None


def iterations(model: Any) -> int:
    """Finished updates, 0 for a model that was not compiled with an optimizer."""
    count = getattr(inner_optimizer(model), "iterations", None)
    return 0 if count is None else int(to_numpy(count, "iterations"))


def optimizers_of(model: Any) -> list[Any]:
    """All optimizers that a model holds, that of `compile` first, each without the one that scales losses around it."""
    held = [getattr(model, "optimizer", None), *vars(model).values()]
    inner = [getattr(one, "inner_optimizer", one) for one in held if isinstance(one, keras.optimizers.Optimizer)]
    return list({id(one): one for one in inner if isinstance(getattr(one, "_iterations", None), keras.Variable)}.values())


def loss_weights(model: Any) -> Any:
    """The weights of several outputs' losses, as the model was compiled."""
    return getattr(model, "_compile_config", None) and model.get_compile_config().get("loss_weights")


def inner_optimizer(model: Any) -> Any:
    """The optimizer itself, without the one that scales losses around it; None if the model was compiled without."""
    optimizer = getattr(model, "optimizer", None)
    return getattr(optimizer, "inner_optimizer", optimizer)


def _name(loss: Any) -> str | None:
    if loss is None or isinstance(loss, str):
        return loss
    name = snake_case(type(loss).__name__) if isinstance(loss, keras.losses.Loss) else getattr(loss, "__name__", type(loss).__name__)
    of_keras = str(getattr(loss, "__module__", "")).partition(".")[0] == "keras"
    return str(name) if of_keras else f"{OWN}{name}"
