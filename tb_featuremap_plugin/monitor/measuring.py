"""Statistics of activations and of the probe batch, in the layouts that they have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from tb_featuremap_plugin.arrays.layouts import canonical_maps
from tb_featuremap_plugin.measures.activations.measure import ActivationAccumulator, measure
from tb_featuremap_plugin.measures.activations.measured import Measured, describe
from tb_featuremap_plugin.monitor.layer_layouts import LayerLayouts
from tb_featuremap_plugin.schema.columns import INPUTS_ROW, TARGETS_ROW

Arrays = Mapping[str, npt.NDArray[Any]]


def rows_of_batch(inputs: Arrays, targets: Arrays) -> dict[str, npt.NDArray[Any]]:
    """The rows that describe the probe batch itself: of several inputs the first is "@inputs", others are "@inputs/<name>"."""
    return {**_rows(INPUTS_ROW, inputs), **_rows(TARGETS_ROW, targets)}


def measured(layouts: LayerLayouts, name: str, array: npt.NDArray[Any], activation: str | None) -> Measured:
    """Statistics of one row of the layers' table.

    Args:
        layouts: says the layout.
        name: of the row.
        array: as logged.
        activation: the layer's; None if unknown.
    """
    shaped, layout = layouts.maps(name, array)
    return describe(canonical_maps(shaped, layout), activation)


def mergeable(layouts: LayerLayouts, name: str, array: npt.NDArray[Any], activation: str | None) -> ActivationAccumulator:
    """As `measured`, with what joining over workers needs."""
    shaped, layout = layouts.maps(name, array)
    return measure(canonical_maps(shaped, layout), activation, mergeable=True)


def _rows(row: str, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    return {row if index == 0 else f"{row}/{name}": array for index, (name, array) in enumerate(arrays.items())}
