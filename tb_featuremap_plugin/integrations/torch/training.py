"""What torch's losses and optimizers are called elsewhere, and what they do with targets and parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tb_featuremap_plugin.arrays.tensors import to_numpy
from tb_featuremap_plugin.measures.targets import constant_loss
from tb_featuremap_plugin.schema.losses import OWN, REGRESSION, SPARSE, find
from tb_featuremap_plugin.schema.network import LossFacts

_MODULES: tuple[tuple[type[nn.Module], str, bool | None], ...] = (
    (nn.CrossEntropyLoss, "categorical_crossentropy", True),
    (nn.BCEWithLogitsLoss, "binary_crossentropy", True),
    (nn.BCELoss, "binary_crossentropy", False),
    (nn.NLLLoss, "nll_loss", None),
    (nn.MSELoss, "mse", None),
    (nn.L1Loss, "mae", None),
)
_FUNCTIONS: tuple[tuple[Callable[..., Any], str, bool | None], ...] = (
    (functional.cross_entropy, "categorical_crossentropy", True),
    (functional.binary_cross_entropy_with_logits, "binary_crossentropy", True),
    (functional.binary_cross_entropy, "binary_crossentropy", False),
    (functional.nll_loss, "nll_loss", None),
    (functional.mse_loss, "mse", None),
    (functional.l1_loss, "mae", None),
)
_IGNORED = -100
"""What torch's losses over class numbers leave out by default."""


def loss_facts(loss_fn: Callable[..., Any] | None, targets: Any) -> dict[str, Any]:
    """`loss` and `from_logits` as `Monitor` takes them; empty where there is no loss function.

    A loss is known by the object that it is, not by its name, which a function of the user's may share.

    Args:
        loss_fn: a module or a function of outputs and targets.
        targets: of the probe: whole numbers make a cross-entropy sparse.
    """
    if loss_fn is None:
        return {}
    name, from_logits = _known(_inner(loss_fn))
    whole = isinstance(targets, torch.Tensor) and not targets.is_floating_point()
    return {"loss": f"sparse_{name}" if whole and name == "categorical_crossentropy" else name, "from_logits": from_logits}


def loss_details(loss_fn: Callable[..., Any] | None, targets: Any, output_shape: tuple[int, ...] = ()) -> LossFacts | None:
    """What else is known of a loss of torch's own; None for a function of the user's, whose meaning nobody knows.

    Args:
        loss_fn: a module or a function of outputs and targets.
        targets: of the probe.
        output_shape: of what the model answers to it; () if unknown.
    """
    name = loss_facts(loss_fn, targets).get("loss")
    if loss_fn is None or name is None or name.startswith(OWN):
        return None
    kind, settings = find(name), _settings(loss_fn)
    ignored = settings.get("ignore_index", _IGNORED) if kind is not None and kind.family == SPARSE else None
    values = to_numpy(targets, "targets").astype(np.float64) if isinstance(targets, torch.Tensor) else np.zeros(0)
    kept = values if ignored is None else values[values != ignored]
    constant, error = constant_loss(name, kept, class_axis=1 if kept.ndim > 1 else -1) or (None, 0.0)
    entrywise = kind is not None and kind.family in REGRESSION and values.ndim > 0
    return LossFacts(
        ignored=ignored,
        weighted=settings.get("weight") is not None or settings.get("pos_weight") is not None,
        summed=settings.get("reduction", "mean") == "sum",
        constant=constant,
        error=error,
        entries=len(kept) if kept.ndim else 0,
        output_shape=output_shape if entrywise else (),
        target_shape=values.shape if entrywise else (),
    )


def optimizer_facts(optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """`optimizer` and `weight_decay` as `Monitor` takes them: the name of the first, the largest decay of all."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    decay = max((float(group.get("weight_decay") or 0.0) for group in groups), default=0.0)
    return {"optimizer": type(optimizers[0]).__name__.lower(), "weight_decay": decay}


def not_optimized(model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> tuple[str, ...]:
    """Names of the trainable parameters that no optimizer has; empty where none is known."""
    if not optimizers:
        return ()
    known = {id(parameter) for optimizer in optimizers for group in optimizer.param_groups for parameter in group["params"]}
    missing = [name for name, parameter in model.named_parameters() if parameter.requires_grad and id(parameter) not in known]
    shared = any(id(parameter) in known for parameter in model.parameters())
    return tuple(missing) if shared else ()


def learning_rate(optimizers: Sequence[torch.optim.Optimizer]) -> Any:
    """The learning rate of now, of the first group of parameters of the first optimizer; None without one."""
    groups = optimizers[0].param_groups if optimizers else []
    return groups[0].get("lr") if groups else None


def _inner(loss_fn: Callable[..., Any]) -> Any:
    """The module or function itself, without `functools.partial` and without its bound `forward`."""
    while isinstance(loss_fn, partial):
        loss_fn = loss_fn.func
    owner = getattr(loss_fn, "__self__", None)
    return owner if isinstance(owner, nn.Module) else loss_fn


def _known(loss: Any) -> tuple[str, bool | None]:
    """The catalogue's name of a loss of torch's own, and whether it takes logits; of any other its own name, marked as the user's."""
    for kind, name, from_logits in _MODULES:
        if isinstance(loss, kind) and type(loss).forward is kind.forward:
            return name, from_logits
    for function, name, from_logits in _FUNCTIONS:
        if loss is function:
            return name, from_logits
    return f"{OWN}{getattr(loss, '__name__', type(loss).__name__)}", None


def _settings(loss_fn: Any) -> dict[str, Any]:
    """What a module was made with, or what a `functools.partial` fills in."""
    settings: dict[str, Any] = {}
    while isinstance(loss_fn, partial):
        settings = {**loss_fn.keywords, **settings}
        loss_fn = loss_fn.func
    module = _inner(loss_fn)
    if isinstance(module, nn.Module):
        names = ("weight", "pos_weight", "ignore_index", "reduction", "label_smoothing")
        settings |= {name: getattr(module, name) for name in names if hasattr(module, name)}
    return settings
