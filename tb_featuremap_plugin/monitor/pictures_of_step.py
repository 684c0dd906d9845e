"""The pictures of a logged step: which there are, and which fit into the byte budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.tensors import real_magnitude
from tb_featuremap_plugin.format.values import Value, picture_values
from tb_featuremap_plugin.images.options import FilterOptions, MapOptions
from tb_featuremap_plugin.images.pictures import filters_record, inputs_record, maps_record
from tb_featuremap_plugin.measures.activations.measured import Measured
from tb_featuremap_plugin.monitor.layer_layouts import LayerLayouts, ungrouped
from tb_featuremap_plugin.monitor.left_out import LeftOut
from tb_featuremap_plugin.monitor.options import MonitorOptions
from tb_featuremap_plugin.monitor.schedule import over_budget
from tb_featuremap_plugin.monitor.snapshots import Known, Taken
from tb_featuremap_plugin.monitor.step_data import StepData

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Picture:
    """One picture of a step.

    Attributes:
        kind: "maps", "filters" or "inputs".
        name: of the layer, variable or input.
        make: its ordinal in, its bytes out.
    """

    kind: str
    name: str
    make: Callable[[int], bytes]

    @property
    def key(self) -> str:
        """Kind and name, as a note names it."""
        return f"{self.kind}/{self.name}"


class StepPictures:
    """Makes the pictures of one step after the other.

    Args:
        options: of the monitor.
        layouts: of the axes.
        left_out: takes the pictures that fail, and those that are left out to save space.
    """

    def __init__(self, options: MonitorOptions, layouts: LayerLayouts, left_out: LeftOut) -> None:
        self._options = options
        self._layouts = layouts
        self._failures = left_out
        self._ordinals: dict[str, int] = {}
        self._left_out: dict[str, None] = {}
        self._probe_name: str | None = None

    def values(self, data: StepData, statistics: dict[str, Measured]) -> list[Value]:
        """The pictures of a step as values of its event."""
        made: dict[str, list[Value]] = {}
        for picture in self._pictures(data, statistics):
            if picture.key not in self._left_out:
                self._failures.attempt(picture.key, partial(self._make, picture, made))
        if self._options.max_bytes is not None:
            sizes = [(key, values[0].nbytes) for key, values in made.items() if not key.startswith("inputs/")]
            self._left_out |= dict.fromkeys(over_budget(sizes, self._options.max_bytes))
            for key in self._left_out:
                self._failures.note(key, f"left out to keep a step within max_bytes={self._options.max_bytes}")
        return [value for key, values in made.items() if key not in self._left_out for value in values]

    def _make(self, picture: Picture, made: dict[str, list[Value]]) -> None:
        ordinal = self._ordinals.get(picture.key, 0) + 1
        made[picture.key] = picture_values(picture.kind, picture.name, picture.make(ordinal), ordinal=ordinal)
        self._ordinals[picture.key] = ordinal

    def _pictures(self, data: StepData, statistics: dict[str, Measured]) -> Iterator[Picture]:
        if data.probe_changed and self._options.record_inputs:
            self._probe_name = next(iter(data.inputs))
            for name, array in data.inputs.items():
                yield Picture("inputs", name, partial(self._inputs, name, array))
        for name, array in data.activations.items():
            if not self._layouts.is_unknown(name, data.network.layer(name)):
                yield Picture("maps", name, partial(self._maps, data, name, array, statistics.get(name)))
        joined = {name: Known(Taken(data.step, one.kernel)) for name, one in data.sharded.items() if one.kernel is not None}
        for name, known in {**data.weights.variables, **joined}.items():
            kernel = known.now.value
            layout = self._layouts.kernel(name, kernel.ndim, data.network.owner(name))
            if layout is not None:
                yield Picture("filters", name, partial(self._filters, data, name, known, layout))

    def _map_options(self, layout: str, activation: str | None = None) -> MapOptions:
        options = self._options
        return MapOptions(layout, activation, options.max_images, options.max_channels, options.precision)

    def _inputs(self, name: str, array: Array, ordinal: int) -> bytes:
        array, layout = self._layouts.maps(name, _unmasked(array))
        return inputs_record(name, array, self._map_options(layout), ordinal=ordinal)

    def _maps(self, data: StepData, name: str, array: Array, statistics: Measured | None, ordinal: int) -> bytes:
        layer = data.network.layer(name)
        array, layout = self._layouts.maps(name, _unmasked(array), layer)
        options = self._map_options(layout, layer.function if layer else None)
        return maps_record(name, array, options, statistics=statistics, ordinal=ordinal, inputs=self._probe_name)

    def _filters(self, data: StepData, name: str, known: Known, layout: str, ordinal: int) -> bytes:
        layer = data.network.owner(name)

        def shaped(taken: Taken) -> Array:
            return ungrouped(real_magnitude(_unmasked(taken.value)), layout, layer)[0]

        return filters_record(
            name,
            shaped(known.now),
            FilterOptions(ungrouped(known.now.value, layout, layer)[1], layer.name if layer else None),
            bias=_bias_of(data, name),
            initial=None if known.first is None else shaped(known.first),
            initial_step=None if known.first is None else known.first.step,
            previous=shaped(known.before[-1]) if known.before else None,
            ordinal=ordinal,
        )


def _unmasked(array: Array) -> Array:
    """The array, if all of it is real.

    Raises:
        ValueError: some entries are masked, or only pad ragged rows: a picture would show them as numbers.
    """
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise ValueError("it has no picture, because some of its entries are masked or fill up ragged rows; its statistics leave them out")
    return np.ma.getdata(array) if isinstance(array, np.ma.MaskedArray) else array


def _bias_of(data: StepData, kernel: str) -> Array | None:
    layer, variables = data.network.owner(kernel), data.weights.variables
    names = layer.weights if layer is not None else ()
    found = next((variables[name].now.value for name in names if name.endswith("bias") and name in variables), None)
    return None if found is None else real_magnitude(_unmasked(found))
