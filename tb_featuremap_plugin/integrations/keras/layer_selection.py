"""Which layers' outputs are logged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import keras

from tb_featuremap_plugin.integrations.keras.call_trace import LayerCall, Trace
from tb_featuremap_plugin.integrations.keras.layer_info import kind_of
from tb_featuremap_plugin.schema.layer_kinds import ACTIVATION, CONVOLUTIONS, DENSE, NORMALISATION, family_of

Choice: TypeAlias = str | re.Pattern[str] | type | Callable[[Any], bool] | Any
"""A layer's or block's name, a regular expression that matches all of it, a compiled one that matches part of it, a class, a function
from layer to bool, or a layer."""

Choices: TypeAlias = Choice | Sequence[Choice] | None

_DEFAULT = frozenset({*CONVOLUTIONS, DENSE, NORMALISATION, ACTIVATION})
"""Families of layers whose outputs are logged by default."""


class ChoiceError(ValueError):
    """A choice of layers fits none."""


def choose(trace: Trace, choices: Choices, paths: Mapping[int, str] | None = None, *, must_fit: bool = True) -> list[LayerCall]:
    """The calls of a pass whose outputs are logged.

    Args:
        trace: of the pass.
        choices: one or several; None for every convolution and dense layer, normalisations and activations, and the outputs.
        paths: how the user's code calls layers, by identity.
        must_fit: whether each choice must fit a layer.

    Raises:
        ChoiceError: a choice fits no layer.
    """
    if choices is None:
        outputs = {name for names in trace.outputs for name in names}
        return [call for call in trace.calls if call.name in outputs or (not call.block and family_of(kind_of(call.layer)) in _DEFAULT)]
    wanted: set[str] = set()
    for choice in choices_in(choices):
        names = chosen_names(trace.calls, choice, paths or {})
        if not names and must_fit:
            raise ChoiceError(f"layers holds {choice!r}, which fits none of {[call.name for call in trace.calls]}")
        wanted |= names
    return [call for call in trace.calls if call.name in wanted]


def choices_in(choices: Choices) -> list[Choice]:
    """The choices, one or several, as a list."""
    return list(choices) if isinstance(choices, (list, tuple, set, frozenset)) else [choices]


def chosen_names(calls: Iterable[LayerCall], choice: Choice, paths: Mapping[int, str]) -> set[str]:
    """Names of the calls that a choice fits: of blocks only where it names one, or fits no layer."""
    listed = list(calls)
    exact = {call.name for call in listed if _names(call, choice, paths)}
    if exact:
        return exact
    fitting = [call for call in listed if _fits(call, choice, paths)]
    layers = {call.name for call in fitting if not call.block}
    return layers or {call.name for call in fitting}


def _names(call: LayerCall, choice: Choice, paths: Mapping[int, str]) -> bool:
    """Whether a choice is this very layer, its name, or how the user's code calls it."""
    if isinstance(choice, str):
        return choice in (call.name, call.layer.name, paths.get(id(call.layer)), paths.get(id(call.layer), "").replace(".", "/"))
    return call.layer is choice or (isinstance(choice, type) and isinstance(call.layer, choice))


def _fits(call: LayerCall, choice: Choice, paths: Mapping[int, str]) -> bool:
    names = (call.name, paths.get(id(call.layer), call.name))
    if isinstance(choice, str):
        return any(_matches(choice, name) for name in names)
    if isinstance(choice, re.Pattern):
        return any(choice.search(name) is not None for name in names)
    if isinstance(choice, (type, keras.layers.Layer)):
        return False
    return bool(choice(call.layer))


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error:
        return False
