"""Which layers' outputs are logged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from tb_featuremap_plugin.integrations.jax.layer_info import is_worth_a_picture
from tb_featuremap_plugin.integrations.jax.tracing import Traced

Choice: TypeAlias = str | re.Pattern[str]
"""A layer's name, a regular expression that matches all of it, a module that holds it, or a compiled expression that matches part of it."""

Choices: TypeAlias = Choice | Sequence[Choice] | None


def choose(traced: Traced, choices: Choices) -> tuple[str, ...]:
    """Names of the layers whose outputs are logged.

    Args:
        traced: a pass.
        choices: one or several; None for convolutions, dense layers, attention, normalisations, activations and the outputs.

    Raises:
        ValueError: a choice fits no layer.
    """
    layers = [layer for layer in traced.layers if layer.name in traced.sites]
    if choices is None:
        return tuple(layer.name for layer in layers if layer.role == "output" or is_worth_a_picture(layer.kind))
    wanted: set[str] = set()
    for choice in [choices] if isinstance(choices, (str, re.Pattern)) else choices:
        names = {layer.name for layer in layers if _fits(layer.name, choice)}
        if not names:
            raise ValueError(f"layers holds {choice!r}, which fits none of {[layer.name for layer in layers]}")
        wanted |= names
    return tuple(layer.name for layer in layers if layer.name in wanted)


def _fits(name: str, choice: Choice) -> bool:
    if isinstance(choice, re.Pattern):
        return choice.search(name) is not None
    if choice == name or name.startswith((f"{choice}/", f"{choice}:")):
        return True
    try:
        return re.fullmatch(choice, name) is not None
    except re.error:
        return False
