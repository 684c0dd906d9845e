"""Modes of torch in which a flow sees all functions and operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tb_featuremap_plugin.integrations.torch.data_flow import Flow
from tb_featuremap_plugin.integrations.torch.function_rules import follow_function
from tb_featuremap_plugin.integrations.torch.nests import tensors


class _Functions(TorchFunctionMode):  # type: ignore[misc]  # its module has no types
    """Sees functions by their names, before they fall apart into operators."""

    def __init__(self, flow: Flow, note: Callable[[str, list[torch.Tensor], Any], None]) -> None:
        super().__init__()
        self._flow = flow
        self._note = note

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        try:
            self._after(name, args, kwargs, tensors(output))
        except Exception as error:  # of our own bookkeeping, which must not stop the user's model
            self._flow.problem = self._flow.problem or error
        return output

    def _after(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], outputs: list[torch.Tensor]) -> None:
        follow_function(self._flow, name, args, kwargs, outputs)
        if outputs:
            self._note(name, outputs, (args, kwargs))


class _Operators(TorchDispatchMode):  # type: ignore[misc]  # its module has no types
    """Sees the operators that all functions are made of, also those of torch's own composite functions and scripts."""

    supports_higher_order_operators = True

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self._flow = flow

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        try:
            outputs = [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]
            if outputs:
                self._flow.operator(
                    _plain_name(func), _named(func, args, kwargs or {}), outputs, pointwise=torch.Tag.pointwise in _tags(func)
                )
        except Exception as error:  # of our own bookkeeping, which must not stop the user's model
            self._flow.problem = self._flow.problem or error
        return output


def _plain_name(func: Any) -> str:
    name = str(getattr(getattr(func, "overloadpacket", func), "__name__", ""))
    return name if name.startswith("__") else name.rstrip("_")


def _tags(func: Any) -> Sequence[Any]:
    return getattr(func, "tags", ())


def _named(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by the names of the operator's schema; by their place where it has none."""
    schema = getattr(func, "_schema", None)
    names = [argument.name for argument in schema.arguments] if schema is not None else [str(index) for index in range(len(args))]
    return {**dict(zip(names, args, strict=False)), **kwargs}


def followed(flow: Flow, note: Callable[[str, list[torch.Tensor], Any], None], *, operators: bool = True) -> ExitStack:
    """A context in which a flow sees all that torch does.

    Args:
        flow: that takes note.
        note: called with the name of a function, its tensors and its arguments.
        operators: whether operators are seen too.
    """
    stack = ExitStack()
    stack.enter_context(_Functions(flow, note))
    if operators:
        stack.enter_context(_Operators(flow))
    return stack
