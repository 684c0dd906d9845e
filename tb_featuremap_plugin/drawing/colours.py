"""From values to colours. What no colour map can show has a colour that none contains."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.schema import colours

Bytes = npt.NDArray[np.uint8]
Float64 = npt.NDArray[np.float64]
ColourMap = Literal["viridis", "cividis", "diverging", "grey"]

ENTRIES = 256
_GREY = 128
_STEPS = 127
"""Of a signed colour, between zero and the largest number."""

MARKS = MappingProxyType({name: np.array(colour, np.uint8) for name, colour in colours.MARKS.items()})


@cache
def table(name: ColourMap) -> Bytes:
    """A colour map, [256, 3]."""
    if name == "grey":
        return np.repeat(np.arange(ENTRIES, dtype=np.uint8)[:, None], 3, axis=1)
    return _from_stops(colours.DIVERGING_STOPS) if name == "diverging" else _from_differences(getattr(colours, name.upper()))


def shaded(values: Float64, low: Any, high: Any, colour_map: Bytes) -> Bytes:
    """The colour of each value between limits, [..., 3]; of a value that lies outside or is not finite, its mark.

    Args:
        values: of any shape.
        low, high: broadcast to `values`; NaN where they are not known.
        colour_map: [256, 3].
    """
    with np.errstate(all="ignore"):
        share = np.where(high > low, (values - low) / np.where(high > low, high - low, 1), 0.5)
        place = np.nan_to_num(share * (ENTRIES - 1) + 0.5, nan=_GREY, posinf=0, neginf=0)
    result: Bytes = colour_map[np.clip(place, 0, ENTRIES - 1).astype(np.intp)]
    return _marked(result, values, low, high)


def signed(triples: Float64, bound: float) -> Bytes:
    """Three values as one colour, [..., 3]: zero is mid-grey, `bound` a full colour.

    Args:
        triples: [..., 3].
        bound: the largest number; 0 makes all grey.
    """
    with np.errstate(all="ignore"):
        total = triples.sum(axis=-1)
        shares = np.clip(triples / bound, -1, 1) if bound > 0 else np.zeros(triples.shape)
        result = np.nan_to_num(_GREY + np.floor(_STEPS * shares + 0.5)).astype(np.uint8)
    return _marked(result, total, -np.inf, np.inf)


def natural(triples: Float64, low: float, high: float) -> Bytes:
    """Red, green and blue between common limits, [..., 3]; what is not finite is black.

    Args:
        triples: [..., 3].
        low, high: black, and the full colour.
    """
    with np.errstate(all="ignore"):
        levels = np.floor((ENTRIES - 1) * np.clip((triples - low) / (high - low), 0, 1) + 0.5)
    return np.where(np.isfinite(triples), levels, 0).astype(np.uint8)


def _marked(result: Bytes, values: Float64, low: Any, high: Any) -> Bytes:
    outside = {"low": values < low, "high": values > high}
    for name, where in {**outside, "nan": np.isnan(values), "posInf": values == np.inf, "negInf": values == -np.inf}.items():
        result[where] = MARKS[name]
    return result


def _from_differences(text: str) -> Bytes:
    words = text.split()
    zero = ord(colours.LETTER_OF_ZERO)
    channels = [[int(first), *(ord(letter) - zero for letter in rest)] for first, rest in zip(words[::2], words[1::2], strict=True)]
    result: Bytes = np.cumsum(channels, axis=1).T.astype(np.uint8)
    return result


def _from_stops(text: str) -> Bytes:
    """Entries 127 and 128 are both the middle stop: zero has one colour, whatever its sign was rounded to."""
    stops = np.array([list(bytes.fromhex(stop)) for stop in text.split()], np.float64)
    middle, half = (len(stops) - 1) / 2, ENTRIES // 2
    ahead = np.arange(half) * middle / (half - 1)
    places = np.concatenate([ahead, middle + ahead])
    left = np.minimum(places.astype(np.intp), len(stops) - 2)
    levels = stops[left] + (stops[left + 1] - stops[left]) * (places - left)[:, None]
    result: Bytes = np.floor(levels + 0.5).astype(np.uint8)
    return result
