"""Weights that are made of others."""

# mypy: disable-error-code="misc, attr-defined, has-type, call-arg, assignment, operator"
# torch is Any here, so that mypy knows neither modules nor what they hold; what is odd in these models is what is tried.

from __future__ import annotations

import warnings
from typing import Any

from torch import nn
from torch.nn.utils import parametrizations, prune

from tests.support.torch_zoo.kit import WIDTH, around, case


@case()
def spectral_norm() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return around(nn.utils.spectral_norm(nn.Linear(WIDTH, WIDTH)), nn.ReLU())


@case()
def spectral_norm_as_parametrisation() -> nn.Module:
    return around(parametrizations.spectral_norm(nn.Linear(WIDTH, WIDTH)), nn.ReLU())


@case()
def weight_norm() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return around(nn.utils.weight_norm(nn.Linear(WIDTH, WIDTH)), nn.ReLU())


@case()
def weight_norm_as_parametrisation() -> nn.Module:
    return around(parametrizations.weight_norm(nn.Linear(WIDTH, WIDTH)), nn.ReLU())


@case()
def orthogonal() -> nn.Module:
    return around(parametrizations.orthogonal(nn.Linear(WIDTH, WIDTH)))


@case()
def pruned() -> nn.Module:
    model = around(nn.ReLU())
    prune.l1_unstructured(model[0], "weight", 0.3)
    prune.random_unstructured(model[2], "bias", 0.5)
    return model


@case()
def weight_set_by_a_hook() -> nn.Module:
    """Weight standardisation of the user's own, in a hook before the forward."""
    linear = nn.Linear(WIDTH, WIDTH)
    stored = nn.Parameter(linear.weight.detach().clone())
    del linear._parameters["weight"]
    linear.register_parameter("stored", stored)
    linear.weight = stored.detach()

    def standardise(module: Any, arguments: Any) -> None:
        module.weight = (module.stored - module.stored.mean()) / (module.stored.std() + 1e-3)

    linear.register_forward_pre_hook(standardise)
    return around(linear)
