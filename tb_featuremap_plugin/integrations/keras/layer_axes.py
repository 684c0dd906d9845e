"""Which axes of a layer's output are samples, space and channels: from what the layer says, and what it was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from tb_featuremap_plugin.arrays.layouts import FEATURE_MAP_LAYOUTS, UNKNOWN_LAYOUT
from tb_featuremap_plugin.integrations.keras.call_trace import LayerCall
from tb_featuremap_plugin.integrations.keras.layer_info import kind_of
from tb_featuremap_plugin.schema.layer_kinds import (
    ACTIVATION,
    ATTENTION,
    CONVOLUTIONS,
    DENSE,
    EMBEDDING,
    NORMALISATION,
    POOLING,
    RECURRENT,
    SCALE,
    family_of,
    find,
    is_known,
)

_SPACE = {0: "", 1: "W", 2: "HW", 3: "DHW"}
_CHANNELS_LAST = frozenset({DENSE, EMBEDDING, RECURRENT, ATTENTION})
"""Families whose channels are the last axis, whatever comes before it."""

_AS_GIVEN = frozenset({ACTIVATION, NORMALISATION, SCALE})
"""Families that put out the axes that they were given."""

_KEEPING = ("dropout", "identity", "activity_regularization")
_MERGING = (keras.layers.Add, keras.layers.Multiply, keras.layers.Average, keras.layers.Maximum, keras.layers.Subtract)


def layouts_of(calls: Sequence[LayerCall], samples: int | None) -> dict[str, str]:
    """Layouts of the outputs of a pass, by the names of calls; "unknown" where it is not certain.

    An output of two axes is samples and channels. What lies between layers is not seen: a layer that keeps the axes that it is given
    has those of the call before it, or, where other code lies between, of a call of the same shape, if no other axis is as long as the
    channels. What only says how it is read (a reshape in front of a convolution) is read so.

    Args:
        calls: in their order.
        samples: of the probe; None if unknown.
    """
    layouts: dict[str, str] = {}
    for call in calls:
        layout = _layout(call, samples, calls, layouts)
        if layout is not None:
            layouts[call.name] = layout
    for call in reversed(calls):
        wanted = _as_read(call)
        for name in call.inputs if wanted is not None else ():
            given = next((one for one in calls if one.name == name), None)
            if given is not None and layouts.get(name) == UNKNOWN_LAYOUT and given.shape == call.input_shape and _is_batch(given, samples):
                layouts[name] = str(wanted)
    return layouts


def _layout(call: LayerCall, samples: int | None, calls: Sequence[LayerCall], known: Mapping[str, str]) -> str | None:
    shape = call.shape
    if shape is None or len(shape) < 2:
        return None
    if not _is_batch(call, samples):
        return UNKNOWN_LAYOUT
    if len(shape) == 2:
        return "NC"
    return _of_layer(call, calls, known) or UNKNOWN_LAYOUT


def _is_batch(call: LayerCall, samples: int | None) -> bool:
    """Whether the first axis is as long as the probe: windows and time steps that were merged with it are no samples."""
    return call.shape is not None and (samples is None or call.shape[0] is None or call.shape[0] == samples)


def _of_layer(call: LayerCall, calls: Sequence[LayerCall], known: Mapping[str, str]) -> str | None:
    layer, axes, kind = call.layer, len(call.shape or ()), kind_of(call.layer)
    family = _family(layer)
    if call.inner is not None:
        return known.get(call.inner)
    if call.block:
        return _of_same_shape(call, calls, known)
    if isinstance(layer, keras.layers.Permute):
        return _permuted(layer.dims, _given(call, known))
    if isinstance(layer, keras.layers.Reshape):
        return _reshaped(call, _given(call, known))
    if isinstance(layer, keras.layers.TimeDistributed):
        return _named(axes, _with_time(_channel(layer.layer, axes - 1)))
    if family in _AS_GIVEN or _keeps(layer, kind):
        own = _by_axis(layer, axes) if family == NORMALISATION else None
        return _given(call, known) or _of_same_shape(call, calls, known) or _named(axes, own)
    if isinstance(layer, keras.layers.Concatenate):
        return _given(call, known)
    return _named(axes, _channel(layer, axes))


def _channel(layer: Any, axes: int) -> int | None:
    """The axis of the channels, where a layer itself says it."""
    family = _family(layer)
    data_format = getattr(layer, "data_format", None)
    if data_format is not None and (family in (*CONVOLUTIONS, POOLING) or type(layer).__module__.startswith("keras.")):
        return 1 if data_format == "channels_first" else axes - 1
    if isinstance(layer, keras.layers.EinsumDense):
        return _of_equation(layer.equation, axes)
    return axes - 1 if family in _CHANNELS_LAST else None


def _family(layer: Any) -> str:
    """The family of a layer whose kind is known, not guessed from a word in its name: a rotary embedding is no embedding."""
    kind = kind_of(layer)
    return family_of(kind) if is_known(kind) else ""


def _of_equation(equation: str, axes: int) -> int | None:
    """The one axis that an equation puts out and was not given, if it is the last; heads and their units are two."""
    left, _, output = equation.replace(" ", "").partition("->")
    new = [letter for letter in output if letter.isalpha() and letter not in left.partition(",")[0]]
    return axes - 1 if len(new) == 1 and output.endswith(new[0]) else None


def _by_axis(layer: Any, axes: int) -> int | None:
    axis = getattr(layer, "axis", None)
    numbers = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    return numbers[0] % axes if len(numbers) == 1 and isinstance(numbers[0], int) else None


def _keeps(layer: Any, kind: str) -> bool:
    """Whether what comes out has the axes of what goes in."""
    known = find(kind)
    return isinstance(layer, _MERGING) or (known is not None and known.name in _KEEPING)


def _with_time(channel: int | None) -> int | None:
    return None if channel is None else channel + 1


def _named(axes: int, channel: int | None) -> str | None:
    """The layout of an array of samples, space and channels; None if it has no name."""
    if channel is None or not 0 < channel < axes or axes - 2 not in _SPACE:
        return None
    space = iter(_SPACE[axes - 2])
    layout = "".join("N" if at == 0 else "C" if at == channel else next(space) for at in range(axes))
    return layout if layout in FEATURE_MAP_LAYOUTS else None


def _given(call: LayerCall, known: Mapping[str, str]) -> str | None:
    """The layout of what a call was given, where layers put that out and agree: other operations between may have moved its axes."""
    if not call.direct:
        return None
    found = {known.get(name, UNKNOWN_LAYOUT) for name in call.inputs}
    layout = found.pop() if len(found) == 1 else UNKNOWN_LAYOUT
    rank = len(call.input_shape or ())
    return layout if layout != UNKNOWN_LAYOUT and len(layout) == rank else None


def _of_same_shape(call: LayerCall, calls: Iterable[LayerCall], known: Mapping[str, str]) -> str | None:
    """The layout of other calls of the same shape, if they agree, and no shuffle of axes could have kept it unseen."""
    alike = {known[one.name] for one in calls if one.shape == call.shape and known.get(one.name, UNKNOWN_LAYOUT) != UNKNOWN_LAYOUT}
    layout = alike.pop() if len(alike) == 1 else None
    if layout is None or call.shape is None:
        return None
    channel = layout.index("C")
    return layout if call.shape.count(call.shape[channel]) == 1 else None


def _permuted(order: Sequence[int], given: str | None) -> str | None:
    if given is None:
        return None
    moved = [given[axis] for axis in order]
    return _named(len(given), moved.index("C") + 1)


def _reshaped(call: LayerCall, given: str | None) -> str | None:
    """After a reshape that leaves the channels alone: the last axis, or the one after the samples."""
    if given is None or call.shape is None or call.input_shape is None:
        return None
    axes, channel = len(call.shape), given.index("C")
    if channel == len(given) - 1 and call.shape[-1] == call.input_shape[-1]:
        return _named(axes, axes - 1)
    return _named(axes, 1) if channel == 1 and call.shape[1] == call.input_shape[1] else None


def _as_read(call: LayerCall) -> str | None:
    """The layout in which a convolution or a pooling layer reads what it is given."""
    axes, data_format = len(call.input_shape or ()), getattr(call.layer, "data_format", None)
    if call.block or data_format is None or family_of(kind_of(call.layer)) not in (*CONVOLUTIONS, POOLING):
        return None
    return _named(axes, 1 if data_format == "channels_first" else axes - 1)
