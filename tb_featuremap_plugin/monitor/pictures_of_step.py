"""The pictures of a logged step: which there are, and which fit into the byte budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy.typing as npt

from tb_featuremap_plugin.format.values import Value, picture_values
from tb_featuremap_plugin.images.options import FilterOptions, MapOptions
from tb_featuremap_plugin.images.pictures import filters_record, inputs_record, maps_record
from tb_featuremap_plugin.measures.activations.measured import Measured
from tb_featuremap_plugin.monitor.layer_layouts import LayerLayouts, ungrouped
from tb_featuremap_plugin.monitor.options import MonitorOptions
from tb_featuremap_plugin.monitor.schedule import over_budget
from tb_featuremap_plugin.monitor.snapshots import first_of, previous_of
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
        attempt: runs a function and keeps what it raises.
    """

    def __init__(self, options: MonitorOptions, layouts: LayerLayouts, attempt: Callable[[Callable[[], None]], None]) -> None:
        self._options = options
        self._layouts = layouts
        self._attempt = attempt
        self._ordinals: dict[str, int] = {}
        self._left_out: dict[str, None] = {}
        self._probe_name: str | None = None

    def note(self) -> str | None:
        """What was left out for the byte budget, in words."""
        if not self._left_out:
            return None
        return f"pictures left out to keep a step within max_bytes={self._options.max_bytes}: {', '.join(self._left_out)}"

    def values(self, data: StepData, statistics: dict[str, Measured]) -> list[Value]:
        """The pictures of a step as values of its event."""
        made: dict[str, list[Value]] = {}
        for picture in self._pictures(data, statistics):
            if picture.key not in self._left_out:
                self._attempt(partial(self._make, picture, made))
        if self._options.max_bytes is not None:
            sizes = [(key, values[0].nbytes) for key, values in made.items() if not key.startswith("inputs/")]
            self._left_out |= dict.fromkeys(over_budget(sizes, self._options.max_bytes))
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
        kernels = {name: one.kernel for name, one in data.sharded.items() if one.kernel is not None}
        for name, kernel in {**data.weights, **kernels}.items():
            layout = self._layouts.kernel(name, kernel.ndim, data.network.owner(name))
            if layout is not None:
                yield Picture("filters", name, partial(self._filters, data, name, kernel, layout))

    def _map_options(self, layout: str, activation: str | None = None) -> MapOptions:
        options = self._options
        return MapOptions(layout, activation, options.max_images, options.max_channels, options.precision)

    def _inputs(self, name: str, array: Array, ordinal: int) -> bytes:
        array, layout = self._layouts.maps(name, array)
        return inputs_record(name, array, self._map_options(layout), ordinal=ordinal)

    def _maps(self, data: StepData, name: str, array: Array, statistics: Measured | None, ordinal: int) -> bytes:
        layer = data.network.layer(name)
        array, layout = self._layouts.maps(name, array, layer)
        options = self._map_options(layout, layer.function if layer else None)
        return maps_record(name, array, options, statistics=statistics, ordinal=ordinal, inputs=self._probe_name)

    def _filters(self, data: StepData, name: str, kernel: Array, layout: str, ordinal: int) -> bytes:
        layer = data.network.owner(name)
        whole = name in data.weights
        initial, previous = (first_of(name, data.reads, data.first), previous_of(name, data.reads)) if whole else (None, None)
        shaped, shaped_layout = ungrouped(kernel, layout, layer)
        options = FilterOptions(shaped_layout, layer.name if layer else None)
        return filters_record(
            name,
            shaped,
            options,
            bias=_bias_of(data, name),
            initial=None if initial is None else ungrouped(initial.value, layout, layer)[0],
            initial_step=None if initial is None else initial.step,
            previous=None if previous is None else ungrouped(previous, layout, layer)[0],
            ordinal=ordinal,
        )


def _bias_of(data: StepData, kernel: str) -> Array | None:
    layer = data.network.owner(kernel)
    names = layer.weights if layer is not None else ()
    return next((data.weights[name] for name in names if name.endswith("bias") and name in data.weights), None)
