"""What a probe may be, and how it is given to a torch module."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import nn
from torch.utils._pytree import tree_map

from tb_featuremap_plugin.integrations.torch.together import PassError

T = TypeVar("T")

Form = Literal["keywords", "positions", "one argument"]

ALLOWED = (
    "allowed are a tensor, a list of positional arguments, a dictionary (also a tokenizer's output) of keyword arguments, "
    "or a 2-tuple (inputs, targets), all of one batch"
)


@dataclass(frozen=True)
class Reading:
    """One way to understand a probe.

    Attributes:
        inputs: of the model.
        targets: for them; None where there are none.
        form: how the inputs are given.
    """

    inputs: Any
    targets: Any
    form: Form

    def call(self, model: nn.Module) -> Any:
        """What the model answers. It gets copies in its own precision: it may write into them.

        Where autograd is on they ask for gradients too, for models that differentiate with respect to their inputs.
        """
        inputs = placed(self.inputs, model)
        if self.form == "keywords":
            return model(**inputs)
        return model(*inputs) if self.form == "positions" else model(inputs)


def first_that_works(probe: Any, attempt: Callable[[Reading], T]) -> tuple[Reading, T]:
    """The first way to understand a probe that a model can do with, and what it made of it.

    Args:
        probe: as the user gave it.
        attempt: runs the model; whatever it raises says that this way does not work.

    Raises:
        TypeError: the probe is something that holds batches, not one.
        ValueError: the model works with no way to understand it; the cause is what it raised first.
    """
    _check(probe)
    first: Exception | None = None
    for reading in _readings(probe):
        try:
            return reading, attempt(reading)
        except (torch.cuda.OutOfMemoryError, PassError):
            raise
        except Exception as error:  # whatever a model raises that is called in a way that it is not made for
            first = first or error
    assert first is not None
    message = f"the model does not work with probe, which is {_described(probe)}: {type(first).__name__}: {first}; {ALLOWED}"
    raise (TypeError if isinstance(first, TypeError) else ValueError)(message) from first


def placed(value: Any, model: nn.Module) -> Any:
    """Copies of all tensors, where the model is and in its precision."""
    parameter = next((one for one in model.parameters() if one.is_floating_point()), None)

    def place(part: Any) -> Any:
        if not isinstance(part, torch.Tensor):
            return part
        moved = part.detach()
        if parameter is not None:
            moved = moved.to(parameter.device, parameter.dtype if part.is_floating_point() else part.dtype)
        moved = moved.clone()
        wants = part.requires_grad or (torch.is_grad_enabled() and moved.is_floating_point())
        return moved.requires_grad_().clone() if wants else moved

    if isinstance(value, Mapping):
        return _like(value, {key: tree_map(place, part) for key, part in value.items()})
    return tree_map(place, value)


def _readings(probe: Any) -> Iterator[Reading]:
    if isinstance(probe, tuple) and len(probe) == 2 and not hasattr(probe, "_fields"):
        inputs, targets = probe
        yield from (Reading(inputs, targets, form) for form in _forms(inputs))
        yield Reading(list(probe), None, "positions")
    else:
        yield from (Reading(probe, None, form) for form in _forms(probe))


def _forms(inputs: Any) -> tuple[Form, ...]:
    if isinstance(inputs, Mapping):
        return ("keywords", "one argument") if all(isinstance(key, str) for key in inputs) else ("one argument",)
    if isinstance(inputs, list):
        return ("positions", "one argument")
    return ("one argument", "positions") if isinstance(inputs, tuple) else ("one argument",)


def _like(given: Mapping[Any, Any], values: dict[Any, Any]) -> Any:
    """A mapping of the same class: a tokenizer's output has methods that a model may call."""
    if type(given) is dict:
        return values
    like: Any = copy.copy(given)
    for key, value in values.items():
        like[key] = value
    return like


def _check(probe: Any) -> None:
    loader = isinstance(probe, (torch.utils.data.DataLoader, torch.utils.data.Dataset))
    if loader or probe is None or (isinstance(probe, Iterator) and not hasattr(probe, "shape")):
        remedy = "; take one batch of it, such as next(iter(loader))" if loader else ""
        raise TypeError(f"probe is {_described(probe)}; {ALLOWED}{remedy}")


def _described(probe: Any) -> str:
    if isinstance(probe, torch.Tensor):
        return f"a tensor of shape {tuple(probe.shape)} and {probe.dtype}"
    kind = f"{type(probe).__module__}.{type(probe).__qualname__}".removeprefix("builtins.")
    if isinstance(probe, Mapping):
        return f"a {kind} of {', '.join(f'{key!r:.40}: {_described(value)}' for key, value in list(probe.items())[:4])}"
    if isinstance(probe, (list, tuple)):
        return f"a {kind} of {', '.join(map(_described, probe[:4]))}{', ...' if len(probe) > 4 else ''}"
    shape = getattr(probe, "shape", None)
    return f"a {kind}" + (f" of shape {tuple(shape)}" if isinstance(shape, tuple) else f", {probe!r:.60}" if isinstance(probe, str) else "")
