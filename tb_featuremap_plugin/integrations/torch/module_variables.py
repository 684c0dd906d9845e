"""The variables of torch modules: which are trained, which multiply, and the weights that a module computes from what it stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from tb_featuremap_plugin.integrations.torch.data_flow import KERNEL_OF_CONVOLUTION, KERNEL_OF_DENSE
from tb_featuremap_plugin.schema.layer_kinds import ATTENTION, CONVOLUTIONS, DENSE, EMBEDDING, RECURRENT, family_of

_KNOWN_BY_NAME = (*CONVOLUTIONS, DENSE, RECURRENT, ATTENTION)
_MULTIPLY = {KERNEL_OF_CONVOLUTION, KERNEL_OF_DENSE}


@dataclass(frozen=True)
class Variables:
    """Names of the variables of one module, as fields of `fm.Layer`."""

    weights: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    trainable: bool = True
    frozen: tuple[str, ...] = ()
    kernels: tuple[str, ...] | None = None


class VariableNames:
    """Names of a model's parameters; one that several modules share has one name.

    Args:
        model: whose parameters.
    """

    def __init__(self, model: nn.Module) -> None:
        self._names = {id(parameter): name for name, parameter in model.named_parameters()}

    def of(self, module: nn.Module, path: str, kind: str, uses: Mapping[str, set[str]]) -> Variables:
        """The variables of a module.

        Args:
            module: the module.
            path: its name.
            kind: as of `kind_of`.
            uses: what each parameter does, by name.
        """
        own = [*_own(module)]
        parameters = {self._names.get(id(parameter), _joined(path, name)): parameter for name, parameter in own}
        buffers = [_joined(path, name) for name, buffer in _own_buffers(module) if buffer.is_floating_point()]
        used = [_joined(path, name) for name, _ in _in_use(module)]
        frozen = tuple(name for name, parameter in parameters.items() if not parameter.requires_grad)
        still = bool(parameters) and len(frozen) == len(parameters)
        kernels = tuple(used) or self._kernels(parameters, kind, uses)
        return Variables((*used, *parameters), tuple(buffers), not still, () if still else frozen, kernels)

    def _kernels(self, parameters: Mapping[str, nn.Parameter], kind: str, uses: Mapping[str, set[str]]) -> tuple[str, ...] | None:
        if family_of(kind) == EMBEDDING:
            return ()
        found = tuple(name for name, value in parameters.items() if value.ndim > 1 and uses.get(name, set()) & _MULTIPLY)
        return None if not found and (family_of(kind) in _KNOWN_BY_NAME or not parameters) else found


def weights_in_use(model: nn.Module) -> dict[str, Callable[[], torch.Tensor]]:
    """The weights that modules compute from what they store, by name: masked, normalised, parametrised, adapted, dequantised.

    They are computed when they are asked for, which is to be done in evaluation mode and without gradients: some count how often.
    """
    return {_joined(path, name): compute for path, module in model.named_modules() for name, compute in _in_use(module)}


def _own(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """A module's own parameters; of attention those of its parts too, which are not called, and what parametrisations are made of."""
    if isinstance(module, nn.MultiheadAttention):
        yield from module.named_parameters()
        return
    yield from module.named_parameters(recurse=False)
    if parametrize.is_parametrized(module):
        yield from module.parametrizations.named_parameters(prefix="parametrizations")


def _own_buffers(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(module, nn.MultiheadAttention):
        yield from module.named_buffers()
        return
    yield from module.named_buffers(recurse=False)
    if parametrize.is_parametrized(module):
        yield from module.parametrizations.named_buffers(prefix="parametrizations")


def _in_use(module: nn.Module) -> Iterator[tuple[str, Callable[[], torch.Tensor]]]:
    if parametrize.is_parametrized(module):
        for name in module.parametrizations:
            yield name, lambda name=name: getattr(module, name)  # type: ignore[misc]  # one name a function
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm):
            yield hook.name, lambda hook=hook: hook.compute_weight(module)  # type: ignore[misc]  # one hook a function
        elif isinstance(hook, SpectralNorm):
            yield hook.name, lambda hook=hook: hook.compute_weight(module, do_power_iteration=False)  # type: ignore[misc]  # as above
        elif isinstance(hook, BasePruningMethod):
            yield hook._tensor_name, lambda hook=hook: hook.apply_mask(module)  # type: ignore[misc]  # as above
    yield from _adapted(module)
    quantised = getattr(type(module), "weight", None)
    if callable(quantised) and hasattr(module, "_packed_params"):
        yield "weight", lambda: module.weight().dequantize()


def _adapted(module: nn.Module) -> Iterator[tuple[str, Callable[[], torch.Tensor]]]:
    """Of a layer with low-rank adapters, as peft and loralib have them."""
    base = getattr(module, "base_layer", None)
    if isinstance(base, nn.Module) and callable(getattr(module, "get_delta_weight", None)) and isinstance(_weight(base), torch.Tensor):
        yield "weight", lambda: _with_adapters(module, base)
    elif isinstance(getattr(module, "lora_A", None), torch.Tensor) and isinstance(_weight(module), torch.Tensor):
        yield "weight_in_use", lambda: _with_delta(module)


def _weight(module: nn.Module) -> Any:
    return getattr(module, "weight", None)


def _with_adapters(module: Any, base: Any) -> torch.Tensor:
    weight: torch.Tensor = base.weight.detach().clone()
    if getattr(module, "merged", False) or getattr(module, "disable_adapters", False):
        return weight
    for adapter in module.active_adapters:
        if adapter in module.lora_A:
            weight += module.get_delta_weight(adapter).to(weight)
    return weight


def _with_delta(module: Any) -> torch.Tensor:
    weight: torch.Tensor = module.weight.detach()
    if getattr(module, "merged", False):
        return weight
    delta = module.merge_AB() if hasattr(module, "merge_AB") else module.lora_B @ module.lora_A
    if delta.numel() != weight.numel():
        return weight
    delta = delta.T if getattr(module, "fan_in_fan_out", False) and delta.ndim == 2 and delta.shape != weight.shape else delta
    return weight + delta.reshape(weight.shape).to(weight) * getattr(module, "scaling", 1.0)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
