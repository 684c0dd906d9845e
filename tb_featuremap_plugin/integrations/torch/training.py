"""What torch's losses and optimizers are called elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

_LOSSES: dict[str, tuple[str, bool | None]] = {
    "CrossEntropyLoss": ("categorical_crossentropy", True),
    "cross_entropy": ("categorical_crossentropy", True),
    "BCEWithLogitsLoss": ("binary_crossentropy", True),
    "binary_cross_entropy_with_logits": ("binary_crossentropy", True),
    "BCELoss": ("binary_crossentropy", False),
    "binary_cross_entropy": ("binary_crossentropy", False),
    "MSELoss": ("mse", None),
    "mse_loss": ("mse", None),
    "L1Loss": ("mae", None),
    "l1_loss": ("mae", None),
}


def loss_facts(loss_fn: Callable[..., Any] | None, targets: Any) -> dict[str, Any]:
    """`loss` and `from_logits` as `Monitor` takes them; empty where there is no loss function.

    Args:
        loss_fn: a module or a function of outputs and targets.
        targets: of the probe: whole numbers make a cross-entropy sparse.
    """
    if loss_fn is None:
        return {}
    name = getattr(loss_fn, "__name__", type(loss_fn).__name__)
    known, from_logits = _LOSSES.get(name, (name, None))
    whole = isinstance(targets, torch.Tensor) and not targets.is_floating_point()
    return {"loss": f"sparse_{known}" if whole and known == "categorical_crossentropy" else known, "from_logits": from_logits}


def optimizer_facts(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """`optimizer` and `weight_decay` as `Monitor` takes them."""
    decay = max((float(group.get("weight_decay") or 0.0) for group in optimizer.param_groups), default=0.0)
    return {"optimizer": type(optimizer).__name__.lower(), "weight_decay": decay}


def learning_rate(optimizer: torch.optim.Optimizer | None) -> Any:
    """The learning rate of now, of the first group of parameters; None without an optimizer."""
    return None if optimizer is None else optimizer.param_groups[0].get("lr")
