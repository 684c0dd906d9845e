"""What is measured of a layer's output in one process, be it many values or few: all that pictures and tables are made of."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.measures.activations import layer_rows
from tb_featuremap_plugin.measures.activations.accumulator import ActivationAccumulator
from tb_featuremap_plugin.measures.activations.few import FewValues, measure_few
from tb_featuremap_plugin.measures.activations.measure import measure

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

Measured: TypeAlias = ActivationAccumulator | FewValues


def describe(data: Array, activation: str | None = None) -> Measured:
    """Statistics of a layer's output, by the way that is quickest for its size.

    Args:
        data: [samples, channels, *space] of any numeric dtype.
        activation: the layer's, such as "relu"; None if unknown.
    """
    return measure_few(data, activation) or measure(data, activation)


def channel_stats(measured: Measured) -> Float32:
    """Statistics of each channel, [len(CHANNEL_STATISTICS), channels]; of finite values, NaN where there are none."""
    return np.array(measured.channel_stats, np.float32) if isinstance(measured, FewValues) else layer_rows.channel_stats(measured)


def layer_row(measured: Measured, ordinal: float = math.nan) -> Float32:
    """The layer's row of the packed table, [len(LAYER_COLUMNS)]; arguments as of `layer_numbers`."""
    return np.array(layer_numbers(measured, ordinal), np.float32)


def layer_numbers(measured: Measured, ordinal: float = math.nan) -> list[float]:
    """The layer's row of the packed table, a number a column.

    Args:
        measured: of the whole batch.
        ordinal: how many times this row has been logged, counted from 1.
    """
    numbers = measured.numbers if isinstance(measured, FewValues) else layer_rows.layer_numbers(measured)
    return layer_rows.in_columns(numbers, ordinal)


def extremes(measured: Measured) -> tuple[Float32, Float32] | None:
    """The least and the largest value of each channel, [channels] each; None where some values are not finite, or there are none."""
    if isinstance(measured, FewValues):
        low, high, *_ = measured.channel_stats
        return np.array(low, np.float32), np.array(high, np.float32)
    if not measured.values or not measured.is_finite:
        return None
    return measured.low.astype(np.float32), measured.high.astype(np.float32)
