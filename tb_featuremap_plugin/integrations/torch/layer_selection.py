"""Which modules' outputs are logged."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from torch import nn

from tb_featuremap_plugin.integrations.torch.call_trace import ModuleCall, Trace
from tb_featuremap_plugin.integrations.torch.layer_info import is_worth_a_picture

Choice: TypeAlias = str | re.Pattern[str] | type | nn.Module | Callable[[nn.Module], bool]
"""A module's name or a regular expression that matches all of it, a compiled one that matches part of it, a class, a module, a function."""

Choices: TypeAlias = Choice | Sequence[Choice] | None


def choose(trace: Trace, choices: Choices) -> list[str]:
    """Names of the calls whose outputs are logged.

    Args:
        trace: of a pass.
        choices: one or several; None for convolutions, dense layers, normalisations, activations and the outputs.

    Raises:
        ValueError: a choice fits no module.
    """
    tensors = [call for call in trace.calls if call.axes]
    if choices is None:
        outputs = {name for names in trace.outputs for name in names}
        return [call.name for call in tensors if call.name in outputs or is_worth_a_picture(call.module)]
    wanted: set[str] = set()
    for choice in choices if isinstance(choices, (list, tuple, set, frozenset)) else [choices]:
        names = {call.name for call in tensors if _fits(call, choice)}
        if not names:
            raise ValueError(f"layers holds {choice!r}, which fits none of {[call.name for call in tensors]}")
        wanted |= names
    return [call.name for call in tensors if call.name in wanted]


def _fits(call: ModuleCall, choice: Choice) -> bool:
    if isinstance(choice, str):
        return choice == call.name or _matches(choice, call.name)
    if isinstance(choice, re.Pattern):
        return choice.search(call.name) is not None
    if isinstance(choice, type):
        return isinstance(call.module, choice)
    if isinstance(choice, nn.Module):
        return call.module is choice
    return bool(choice(call.module))


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error:
        return False
