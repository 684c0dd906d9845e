"""The sections of a picture of a handful of values, in plain Python: each of NumPy's calls would take longer than they all."""

from __future__ import annotations

import math
from itertools import chain

from tb_featuremap_plugin.arrays.tensors import float32_bytes
from tb_featuremap_plugin.format.record import Packed
from tb_featuremap_plugin.measures.activations.measured import Channels, FewValues
from tb_featuremap_plugin.schema.pictures import TOP_CODE


def few_sections(statistics: FewValues, stored: int, space: tuple[int, ...]) -> dict[str, Packed]:
    """Statistics and codes of a picture, as `pictures` makes them of arrays.

    Args:
        statistics: of the whole output.
        stored: channels whose pixels are stored, the first ones.
        space: sizes of the axes of space.
    """
    low, high, *others = statistics.channel_stats
    no_range = [math.nan] * (len(low) - stored)
    rows = [low, low[:stored] + no_range, high, high[:stored] + no_range, *others]
    table = Packed("float32", (len(rows), len(low)), float32_bytes(chain.from_iterable(rows)))
    codes = _codes(statistics.channels[:stored], low, high)
    return {"stats": table, "pixels": Packed("uint8", (1, stored, *space), codes)}


def _codes(channels: Channels, low: list[float], high: list[float]) -> bytes:
    """Codes from 0 to `TOP_CODE` of each channel's range, as `tiles.quantise` makes them."""
    codes: list[int] = []
    for channel, least, most in zip(channels, low, high, strict=False):
        scale = TOP_CODE / (most - least) if most > least else 0.0
        codes += [int((value - least) * scale + 0.5) for value in channel]
    return bytes(codes)
