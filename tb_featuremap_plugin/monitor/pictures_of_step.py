"""The pictures of a logged step: which there are, and how much each may hold of the bytes of a step and of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.layouts import canonical_maps
from tb_featuremap_plugin.arrays.tensors import real_magnitude
from tb_featuremap_plugin.format.values import Value, picture_values
from tb_featuremap_plugin.images.kernels import LARGEST_NORM_SIDE as FULL_NORMS
from tb_featuremap_plugin.images.options import FilterOptions, MapOptions
from tb_featuremap_plugin.images.pictures import filters_record, view_record
from tb_featuremap_plugin.measures.activations.layer_rows import rectifies
from tb_featuremap_plugin.measures.activations.measured import Measured, channel_stats, describe
from tb_featuremap_plugin.monitor.layer_layouts import LayerLayouts, ungrouped
from tb_featuremap_plugin.monitor.left_out import LeftOut
from tb_featuremap_plugin.monitor.options import MonitorOptions
from tb_featuremap_plugin.monitor.picture_budget import Demand, Share, TiledDemand, share_out
from tb_featuremap_plugin.monitor.picture_sizes import filters_demand, maps_demand, numbers_bytes
from tb_featuremap_plugin.monitor.remarkable import chosen_channels, remarkable_channels
from tb_featuremap_plugin.monitor.run_budget import RunBudget
from tb_featuremap_plugin.monitor.snapshots import Known, Taken
from tb_featuremap_plugin.monitor.step_data import StepData
from tb_featuremap_plugin.schema.columns import LAYER_COLUMNS, VARIABLE_COLUMNS
from tb_featuremap_plugin.schema.log_sizes import KERNEL_SHARE
from tb_featuremap_plugin.schema.network import before_weights

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """One picture of a step.

    Attributes:
        kind: "maps", "filters" or "inputs".
        name: of the layer, variable or input.
        demand: how many bytes it would take.
        make: its ordinal, its share and its remarkable channels in, its bytes out.
        statistics: of its channels; None for inputs and kernels.
        cut: whether it has more channels than may be stored.
    """

    kind: str
    name: str
    demand: Demand
    make: Callable[[int, Share, Sequence[int]], bytes]
    statistics: Measured | None = None
    cut: bool = False


_UNKNOWN = "no picture, because it is not certain which of its axes are samples and channels; layouts={name: layout} says it"

_PRIVATE = "no picture, because it shows the inputs, which record_inputs=False keeps out of the logdir"


class StepPictures:
    """Makes the pictures of one step after the other.

    Args:
        options: of the monitor.
        layouts: of the axes.
        left_out: takes the pictures that fail, and those that are left out to save space.
        used: says how many bytes earlier sessions have written; asked once.
    """

    def __init__(self, options: MonitorOptions, layouts: LayerLayouts, left_out: LeftOut, used: Callable[[], int]) -> None:
        self._options = options
        self._layouts = layouts
        self._left_out = left_out
        self._ordinals: dict[str, int] = {}
        self._stats: dict[str, Float32] = {}
        self._probe_name: str | None = None
        self._used = used
        self._run: RunBudget | None = None

    def values(self, data: StepData, statistics: dict[str, Measured]) -> list[Value]:
        """The pictures of a step as values of its event."""
        if self._run is None:
            self._run = RunBudget(self._options.max_run_bytes, self._used())
        due = self._run.is_due()
        if not due:
            self._note_stride(data.step, self._run)
        pictures = [*self._inputs(data), *(self._maps_and_filters(data, statistics) if due else ())]
        shares, remarkable = self._shares(data, pictures, self._run)
        values: list[Value] = []
        for picture in pictures:
            key = picture.demand.key
            if key in shares:
                make = partial(self._make, picture, shares[key], remarkable.get(key, ()))
                values += self._left_out.attempt(key, make) or []
        self._run.used += sum(value.nbytes for value in values)
        return values

    def _shares(self, data: StepData, pictures: Sequence[Picture], run: RunBudget) -> tuple[dict[str, Share], dict[str, list[int]]]:
        """What each picture may hold, and the remarkable channels of those that cannot hold all of them."""
        budget, limit = run.left, self._options.max_bytes
        if limit is not None:
            about = data.about
            numbers = numbers_bytes(len(about.layer_rows), len(about.variable_rows), (len(LAYER_COLUMNS), len(VARIABLE_COLUMNS)))
            budget = min(budget, max(0, limit - numbers))
        shares = share_out([picture.demand for picture in pictures if picture.kind == "filters"], budget / KERNEL_SHARE)
        budget -= sum(share.size for share in shares.values())
        others = [picture for picture in pictures if picture.kind != "filters"]
        tight = sum(picture.demand.most().size for picture in others) > budget
        remarkable = {one.demand.key: self._remarkable(data, one) for one in others if one.statistics is not None and (tight or one.cut)}
        shares |= share_out([_wanting(one.demand, len(remarkable.get(one.demand.key, ()))) for one in others], budget)
        self._note_sizes([picture.demand for picture in pictures], shares, run)
        return shares, remarkable

    def _make(self, picture: Picture, share: Share, remarkable: Sequence[int]) -> list[Value]:
        key = picture.demand.key
        ordinal = self._ordinals.get(key, 0) + 1
        values = picture_values(picture.kind, picture.name, picture.make(ordinal, share, remarkable), ordinal=ordinal)
        self._ordinals[key] = ordinal
        return values

    def _inputs(self, data: StepData) -> Iterator[Picture]:
        if data.probe_changed and self._options.record_inputs:
            self._probe_name = next(iter(data.inputs))
            for name, array in data.inputs.items():
                yield from self._prepared("inputs", name, partial(self._tiled, data, "inputs", name, array, None))

    def _maps_and_filters(self, data: StepData, statistics: dict[str, Measured]) -> Iterator[Picture]:
        private = frozenset() if self._options.record_inputs else before_weights(data.network.layers)
        for name, array in data.activations.items():
            if name in private:
                self._left_out.note(f"maps/{name}", _PRIVATE)
            elif self._layouts.is_unknown(name, data.network.layer(name)):
                self._left_out.note(f"maps/{name}", _UNKNOWN)
            else:
                yield from self._prepared("maps", name, partial(self._tiled, data, "maps", name, array, statistics.get(name)))
        joined = {name: Known(Taken(data.step, one.kernel)) for name, one in data.sharded.items() if one.kernel is not None}
        for name, known in {**data.weights.variables, **joined}.items():
            layout = self._layouts.kernel(name, known.now.value.ndim, data.network.owner(name))
            if layout is not None:
                yield from self._prepared("filters", name, partial(self._kernel, data, name, known, layout))

    def _prepared(self, kind: str, name: str, prepare: Callable[[], Picture]) -> Iterator[Picture]:
        picture = self._left_out.attempt(f"{kind}/{name}", prepare)
        if picture is not None:
            yield picture

    def _tiled(self, data: StepData, kind: str, name: str, array: Array, statistics: Measured | None) -> Picture:
        key, layer = f"{kind}/{name}", data.network.layer(name) if kind == "maps" else None
        plain = _unmasked(array)
        array, layout = self._layouts.inputs(name, plain) if kind == "inputs" else self._layouts.maps(name, plain, layer)
        view = canonical_maps(array, layout)
        given, function = self._options, layer.function if layer else None
        options = MapOptions(layout, function, given.max_images, given.max_channels, given.precision)
        found = statistics if statistics is not None else describe(view, function)
        demand = maps_demand(key, view.shape, options, first=key not in self._ordinals)

        def make(ordinal: int, share: Share, remarkable: Sequence[int]) -> bytes:
            stored = chosen_channels(remarkable, share.units, view.shape[1])
            shown = MapOptions(layout, function, share.images, max(1, share.units), given.precision)
            inputs = self._probe_name if kind == "maps" else None
            return view_record(kind, name, view, shown, found, ordinal, inputs, stored)

        return Picture(kind, name, demand, make, found if kind == "maps" else None, demand.units < view.shape[1])

    def _remarkable(self, data: StepData, picture: Picture) -> list[int]:
        if picture.statistics is None:
            return []
        key, layer = picture.demand.key, data.network.layer(picture.name)
        stats = channel_stats(picture.statistics)
        before, self._stats[key] = self._stats.get(key), stats
        return remarkable_channels(stats, before, rectifies=rectifies(layer.function if layer is not None else None))

    def _kernel(self, data: StepData, name: str, known: Known, layout: str) -> Picture:
        key, layer = f"filters/{name}", data.network.owner(name)
        whole = real_magnitude(_unmasked(known.now.value))
        differences = (known.first is not None) + bool(known.before)
        demand = filters_demand(key, whole.shape, layout, layer, differences, first=key not in self._ordinals)

        def shaped(taken: Taken) -> Array:
            return ungrouped(real_magnitude(_unmasked(taken.value)), layout, layer)[0]

        def make(ordinal: int, share: Share, remarkable: Sequence[int]) -> bytes:
            arranged, shaped_layout = ungrouped(whole, layout, layer)
            return filters_record(
                name,
                arranged,
                FilterOptions(shaped_layout, layer.name if layer else None, max(1, share.units)),
                bias=_bias_of(data, name),
                initial=None if known.first is None else shaped(known.first),
                initial_step=None if known.first is None else known.first.step,
                previous=shaped(known.before[-1]) if known.before else None,
                ordinal=ordinal,
                norm_side=share.norm_side or FULL_NORMS,
            )

        return Picture("filters", name, demand, make)

    def _note_sizes(self, demands: Sequence[Demand], shares: dict[str, Share], run: RunBudget) -> None:
        """Says of each picture that is smaller than it could be, or missing, what brings it."""
        of_step, of_run = self._options.max_bytes, self._options.max_run_bytes
        name, limit = ("max_bytes", of_step) if of_step is not None and run.left >= of_step else ("max_run_bytes", of_run)
        why = f"to stay within {name}={limit or 0:_}; a larger {name}, or fewer layers=[...], brings more"
        for demand in demands:
            share = shares.get(demand.key)
            if share is None:
                self._left_out.note(demand.key, f"no picture, {why}")
            elif share.size < demand.most().size and not self._left_out.knows(demand.key):
                self._left_out.note(demand.key, f"{_part(demand)}, {why}")

    def _note_stride(self, step: int, run: RunBudget) -> None:
        words = f"only at every {_ordinal(run.stride)} logged step"
        if words not in self._left_out.reasons.get("pictures", ""):
            limit = f"max_run_bytes={self._options.max_run_bytes or 0:_}"
            self._left_out.note("pictures", f"{words} from about step {step} on, to keep those of the run within {limit}; None is no limit")


def _wanting(demand: Demand, wanted: int) -> Demand:
    """The same demand with so many remarkable units."""
    return replace(demand, wanted=wanted) if wanted and isinstance(demand, TiledDemand) else demand


def _ordinal(number: int) -> str:
    return {2: "second", 4: "fourth", 8: "eighth"}.get(number, f"{number}th")


def _part(demand: Demand) -> str:
    """What of a picture is there, in words that stay as they are when channels come and go."""
    if not isinstance(demand, TiledDemand):
        return "a coarser picture of norms"
    what = "filters" if demand.key.startswith("filters/") else "channels"
    images = f" or of {demand.images} images" if demand.images > 1 else ""
    return f"only some of {demand.units} {what}{images}"


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
