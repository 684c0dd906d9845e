"""Which calls' outputs are logged."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from torch import nn

from tb_featuremap_plugin.integrations.torch.call_trace import ModuleCall, Trace
from tb_featuremap_plugin.integrations.torch.layer_info import kind_of_call
from tb_featuremap_plugin.integrations.torch.module_kinds import is_worth_a_picture

Choice: TypeAlias = str | re.Pattern[str] | type | nn.Module | Callable[[nn.Module], bool]
"""A module's name or a regular expression that matches all of it, a compiled one that matches part of it, a class, a module, a function."""

Choices: TypeAlias = Choice | Sequence[Choice] | None

_OF_FUNCTION = re.compile(r":[a-z(\[.\\]", re.IGNORECASE)
"""What a choice has that names functions, such as "layer1.0:relu"."""


def choose(trace: Trace, choices: Choices, model: nn.Module | None = None) -> list[str]:
    """Names of the calls whose outputs are logged, in the order in which they end.

    A choice is taken for layers, and for blocks of layers: an exact name, a class, a module and a function choose whatever they fit; of the
    blocks that a pattern fits the outermost ones are chosen. Functions are chosen by patterns that hold a colon and a name.

    Args:
        trace: of a pass.
        choices: one or several; None for convolutions, dense layers, normalisations, activations and the outputs.
        model: that was traced; tells what custom layers do.

    Raises:
        ValueError: a choice fits nothing.
    """
    layers = [call for call in trace.calls if call.axes]
    if choices is None:
        outputs = {name for names in trace.outputs for name in names}
        paths = {id(part): name for name, part in model.named_modules()} if model is not None else {}
        return [call.name for call in layers if call.name in outputs or is_worth_a_picture(kind_of_call(trace, call, paths))]
    blocks = [call for call in trace.others if call.axes and not call.function]
    functions = [call for call in trace.others if call.axes and call.function]
    wanted: set[str] = set()
    for choice in choices if isinstance(choices, (list, tuple, set, frozenset)) else [choices]:
        names = _fitting(choice, layers, blocks, functions)
        if not names:
            known = [call.name for call in (*layers, *blocks)]
            raise ValueError(f"layers holds {choice!r}, which fits none of {known}" + _similar(choice, functions))
        wanted |= names
    chosen = [call for call in (*layers, *blocks, *functions) if call.name in wanted]
    return [call.name for call in sorted(chosen, key=lambda call: call.order)]


def _fitting(choice: Choice, layers: list[ModuleCall], blocks: list[ModuleCall], functions: list[ModuleCall]) -> set[str]:
    """Names of the calls that one choice chooses."""
    pattern = choice if isinstance(choice, str) else choice.pattern if isinstance(choice, re.Pattern) else None
    if pattern is not None and _OF_FUNCTION.search(pattern):
        named = {call.name for call in functions if _fits(call, choice)}
        if named:
            return named
    exact = {call.name for call in (*layers, *blocks) if isinstance(choice, str) and call.name == choice}
    if exact:
        return exact
    fitting = {call.name for call in layers if _fits(call, choice)}
    whole = [call.name for call in blocks if _fits(call, choice)]
    if pattern is not None:
        whole = [name for name in whole if not any(name.startswith(f"{other}.") for other in whole)]
    return fitting | set(whole)


def _similar(choice: Choice, functions: list[ModuleCall]) -> str:
    """The functions of the module that a choice names, for a message."""
    module = choice.partition(":")[0] if isinstance(choice, str) and ":" in choice else None
    named = [call.name for call in functions if module is not None and call.name.startswith(f"{module}:")]
    return f"; functions of {module!r}: {named}" if named else ""


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
