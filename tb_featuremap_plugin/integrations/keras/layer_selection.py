"""Which layers' outputs are logged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import keras

from tb_featuremap_plugin.integrations.keras.call_trace import LayerCall, Trace
from tb_featuremap_plugin.integrations.keras.layer_info import kind_of
from tb_featuremap_plugin.schema.layer_kinds import ACTIVATION, CONVOLUTIONS, DENSE, NORMALISATION, family_of

Choice: TypeAlias = str | re.Pattern[str] | type | Callable[[Any], bool] | Any
"""A layer's name or a regular expression that matches all of it, a compiled one that matches part of it, a class, a function, a layer."""

Choices: TypeAlias = Choice | Sequence[Choice] | None

_DEFAULT = frozenset({*CONVOLUTIONS, DENSE, NORMALISATION, ACTIVATION})
"""Families of layers whose outputs are logged by default."""


def choose(trace: Trace, choices: Choices) -> list[LayerCall]:
    """The calls of a pass whose outputs are logged.

    Args:
        trace: of the pass.
        choices: one or several; None for every convolution and dense layer, normalisations and activations, and the outputs.

    Raises:
        ValueError: a choice fits no layer.
    """
    if choices is None:
        outputs = set(trace.sources(trace.outputs))
        return [call for call in trace.calls if call.name in outputs or family_of(kind_of(call.layer)) in _DEFAULT]
    wanted: set[str] = set()
    for choice in choices if isinstance(choices, (list, tuple, set, frozenset)) else [choices]:
        names = {call.name for call in _matching(trace.calls, choice)}
        if not names:
            raise ValueError(f"layers holds {choice!r}, which fits none of {[call.name for call in trace.calls]}")
        wanted |= names
    return [call for call in trace.calls if call.name in wanted]


def _matching(calls: Iterable[LayerCall], choice: Choice) -> list[LayerCall]:
    return [call for call in calls if _fits(call, choice)]


def _fits(call: LayerCall, choice: Choice) -> bool:
    if isinstance(choice, str):
        return choice in (call.name, call.layer.name) or _matches(choice, call.name)
    if isinstance(choice, re.Pattern):
        return choice.search(call.name) is not None
    if isinstance(choice, type):
        return isinstance(call.layer, choice)
    if isinstance(choice, keras.layers.Layer):
        return call.layer is choice
    return bool(choice(call.layer))


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error:
        return False
