"""A run laid out for the rules: layers in order of depth with their curves, variables with theirs, and what both are called."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.diagnosis.connections import path_of
from tb_featuremap_plugin.diagnosis.loss import Chance, Loss, chance_of, parse_loss
from tb_featuremap_plugin.reading.run import Run, Table
from tb_featuremap_plugin.schema import activations, layer_kinds
from tb_featuremap_plugin.schema.activations import Activation
from tb_featuremap_plugin.schema.columns import INPUTS_ROW, TARGETS_ROW
from tb_featuremap_plugin.schema.network import Layer, RunRecord

Curve = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

UNKNOWN_ACTIVATION = Activation("")
"""Stands for what is not in the catalogue: nothing that a rule asks for is true of it."""


@dataclass(frozen=True)
class Row:
    """The curves of one row of a table; columns that were not logged are NaN throughout."""

    name: str
    steps: npt.NDArray[np.int64]
    values: Curve
    columns: Mapping[str, int]

    def __call__(self, column: str) -> Curve:
        """One curve, shape [T]."""
        position = self.columns.get(column)
        return np.full(len(self.steps), np.nan) if position is None else self.values[:, position]

    def first(self, column: str) -> float:
        """The earliest value that is known; NaN if there is none."""
        curve = self(column)
        known = curve[~np.isnan(curve)]
        return float(known[0]) if len(known) else math.nan

    def last(self, column: str, count: int = 1) -> float:
        """The median of the latest `count` known values; NaN if there is none."""
        curve = self(column)
        return median(curve[~np.isnan(curve)][-count:])

    def median(self, column: str, where: Mask) -> float:
        """The median of the known values where the mask holds; NaN if there is none."""
        return median(self(column)[where])

    def peak(self, column: str) -> float:
        """The largest known value, infinity included; NaN if there is none."""
        known = self(column)[~np.isnan(self(column))]
        return float(known.max()) if len(known) else math.nan

    def logged(self, column: str) -> Mask:
        """Where a curve is known."""
        return ~np.isnan(self(column))


@dataclass(frozen=True)
class LayerView:
    """One layer: what is known of it, and its curves."""

    info: Layer
    row: Row
    depth: int

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.info.name

    @property
    def family(self) -> str:
        """What it is: one of the families of `schema.layer_kinds`; "" if unknown."""
        return layer_kinds.family_of(self.info.kind)

    @property
    def activation(self) -> Activation:
        """Its activation function; `UNKNOWN_ACTIVATION` if it is not known."""
        return activations.find(self.info.activation) or activations.find(self.info.kind) or UNKNOWN_ACTIVATION

    @property
    def answers(self) -> Activation:
        """The activation through which its values become the model's answer: also one that the model's own code applies to them."""
        return activations.find(self.info.output_function) or self.activation

    @property
    def is_normalization(self) -> bool:
        """Whether it rescales what it gets to a fixed spread."""
        return self.family == layer_kinds.NORMALISATION

    @property
    def passes_through(self) -> bool:
        """Whether it puts out what it gets, in another shape or with holes."""
        return self.family == layer_kinds.SHAPE


@dataclass(frozen=True)
class VariableView:
    """One variable: where it belongs, and its curves."""

    name: str
    layer: LayerView | None
    row: Row
    shape: tuple[int, ...] | None
    trainable: bool
    is_state: bool

    @property
    def is_kernel(self) -> bool:
        """Whether it multiplies what a layer gets: a matrix, a convolution's filters; not a bias, a scale or an embedding."""
        return not self.is_state and layer_kinds.multiplies(self.name, self.sizes, self.layer.info if self.layer else None)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Its shape; where that was not logged, of as many entries, and of two axes if it adds up inputs."""
        if self.shape is not None:
            return self.shape
        size = self.row.first("size")
        entries = int(size) if math.isfinite(size) else 0
        return (entries,) if math.isnan(self.row.first("fan_in")) else (entries, 1)

    @property
    def first_step(self) -> float:
        """Updates that were done when its latest "first" value was taken: more than 0 where the run was resumed. 0 if unknown."""
        step = self.row.last("first_step")
        return 0.0 if math.isnan(step) else step

    @property
    def start_is_known(self) -> bool:
        """Whether its earliest known value is that of the start, not what a training was resumed with."""
        return not self.row.first("first_step") > _LATEST_START

    @property
    def starts_at_zero(self) -> bool:
        """Whether it has no size of its own at the start, so that its first ratios say nothing."""
        return not self.row.first("initial_norm") > _ZERO_NORM

    @property
    def he_factor(self) -> float:
        """Its initial standard deviation over sqrt(2 / fan_in) (He et al. 2015); NaN if unknown."""
        fan_in = self.row.first("fan_in")
        return self.row.first("initial_std") / math.sqrt(2 / fan_in) if 0 < fan_in < math.inf else math.nan


_ZERO_NORM = 1e-8

_LATEST_START = 1
"""Loops that log after each update only have no value from before the first one."""


@dataclass(frozen=True)
class RunView:
    """One run as the rules see it."""

    run: Run

    @cached_property
    def windows(self) -> dict[object, Mask]:
        """Steps on which something is judged, kept by whoever works them out."""
        return {}

    @property
    def title(self) -> str:
        """The run's title; "run" for one that lies in the logdir itself, whose title is a dot."""
        return self.run.title if self.run.title.strip("./") else "run"

    @cached_property
    def record(self) -> RunRecord:
        """What the run says of itself; empty where only single calls were logged."""
        return self.run.record or RunRecord()

    @cached_property
    def layer_rows(self) -> dict[str, Row]:
        """Rows of the layers' table, inputs and targets among them."""
        return _rows(self.run.layers)

    @cached_property
    def layers(self) -> tuple[LayerView, ...]:
        """Layers with logged activations, in order of depth."""
        rows = self.layer_rows
        known = {layer.name: layer for layer in self.record.layers}
        order = [name for name in known if name in rows] + [name for name in rows if name not in known and not name.startswith("@")]
        return tuple(LayerView(known.get(name, Layer(name)), rows[name], depth) for depth, name in enumerate(order))

    @cached_property
    def variables(self) -> tuple[VariableView, ...]:
        """All variables, in order of depth."""
        rows = _rows(self.run.variables)
        views = {layer.name: layer for layer in self.layers}
        owners = {name: layer for layer in self.record.layers for name in (*layer.weights, *layer.state)}
        order = [name for name in owners if name in rows] + [name for name in rows if name not in owners]
        return tuple(self._variable(rows[name], owners.get(name), views) for name in order)

    def _variable(self, row: Row, owner: Layer | None, views: Mapping[str, LayerView]) -> VariableView:
        shape = self.record.variable_shapes.get(row.name)
        is_state = bool(owner and row.name in owner.state) or layer_kinds.leaf_of(row.name) in layer_kinds.STATE_NAMES
        flag = row.last("trainable")
        frozen = owner is not None and (not owner.trainable or row.name in owner.frozen)
        trainable = not is_state and not frozen and (math.isnan(flag) or flag > 0)
        layer = views.get(owner.name) or (LayerView(owner, _empty(owner.name), -1)) if owner else None
        return VariableView(row.name, layer, row, tuple(shape) if shape is not None else None, trainable, is_state)

    @cached_property
    def kernels(self) -> tuple[VariableView, ...]:
        """Trainable kernels, in order of depth: what gradients, step sizes and initial scale are judged on."""
        return tuple(variable for variable in self.variables if variable.is_kernel and variable.trainable)

    @cached_property
    def inputs(self) -> Row:
        """The probe inputs; of several, the first."""
        rows = self.layer_rows
        named = next((row for name, row in rows.items() if name.startswith(f"{INPUTS_ROW}/")), None)
        return rows.get(INPUTS_ROW) or named or _empty(INPUTS_ROW)

    @cached_property
    def targets(self) -> Row:
        """The probe targets."""
        return self.layer_rows.get(TARGETS_ROW) or _empty(TARGETS_ROW)

    @cached_property
    def chain(self) -> tuple[LayerView, ...]:
        """All layers, those without logged activations too, in order of depth."""
        logged = {layer.name: layer for layer in self.layers}
        known = [logged.pop(layer.name, LayerView(layer, _empty(layer.name), -1)) for layer in self.record.layers]
        return (*known, *logged.values())

    @cached_property
    def output(self) -> LayerView | None:
        """The layer whose values are the answer: the output layer, or the one before it that it merely passes on.

        None where the model has several outputs, or its values were not logged.
        """
        chain = self.chain
        marked = [at for at, layer in enumerate(chain) if layer.info.role == "output"]
        if not chain or len(marked) > 1:
            return None
        at = marked[0] if marked else len(chain) - 1
        while at > 0 and chain[at].passes_through:
            at -= 1
        return chain[at] if chain[at].depth >= 0 else None

    @cached_property
    def hidden(self) -> tuple[LayerView, ...]:
        """Layers before the output."""
        end = self.output.depth if self.output else len(self.layers)
        return tuple(layer for layer in self.layers if layer.depth < end and layer.info.role != "output")

    @cached_property
    def first_kernel_layer(self) -> LayerView | None:
        """The first layer with a kernel, frozen or not: the one that the input is scaled for."""
        owners = [variable.layer for variable in self.variables if variable.is_kernel and variable.layer and variable.layer.depth >= 0]
        return min(owners, key=lambda layer: layer.depth) if owners else None

    @cached_property
    def loss(self) -> Loss:
        """What is known of the loss."""
        return parse_loss(self.record.loss, self.record.from_logits)

    @cached_property
    def chance(self) -> Chance:
        """The loss of a model that gives the best constant answer, and how low and high it may be."""
        units = self.output.row.last("units") if self.output else math.nan
        return chance_of(self.loss, self.record.loss_facts, units, self.targets)

    @property
    def chance_loss(self) -> float:
        """The loss of a model that gives the best constant answer; NaN if unknown."""
        return self.chance.likely

    @cached_property
    def path(self) -> frozenset[str]:
        """Names of the layers that all of the signal has to pass on its way to an output.

        Gates, masks, residual branches, side heads and dead branches are not among them. Without connections, every layer is.
        """
        return path_of([layer.info for layer in self.chain])

    def received(self, layer: LayerView) -> tuple[float, float]:
        """Lowest and highest number that a layer gets at the start; NaN where that is not known, or has no scale, as word numbers."""
        if layer.info.receives is not None and len(layer.info.receives) == 2:
            return layer.info.receives[0], layer.info.receives[1]
        if any(other.info.receives is not None for other in self.chain):  # this one gets whole numbers, or nothing
            return math.nan, math.nan
        before = self.chain[: self._position(layer)]
        if any(other.family == layer_kinds.EMBEDDING for other in before):
            return math.nan, math.nan
        row = self.before(layer)
        row = row if np.isfinite(row.first("max")) else self.inputs
        return row.first("min"), row.first("max")

    @cached_property
    def loss_curve(self) -> tuple[npt.NDArray[np.int64], Curve]:
        """Steps and losses, as dense as they were kept."""
        if self.run.losses is not None and len(self.run.losses.steps):
            return self.run.losses.steps, self.run.losses.values.astype(np.float64)
        progress = self.progress
        known = progress.logged("loss")
        return progress.steps[known], progress("loss")[known]

    @cached_property
    def progress(self) -> Row:
        """Numbers of the run as a whole."""
        rows = _rows(self.run.progress)
        return next(iter(rows.values()), _empty("run"))

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """All steps at which numbers were kept."""
        tables = [table.steps for table in (self.run.layers, self.run.variables, self.run.progress) if table is not None]
        return tuple(int(step) for step in np.unique(np.concatenate(tables))) if tables else ()

    @property
    def last_step(self) -> int:
        """The latest logged step; 0 if there is none."""
        return self.steps[-1] if self.steps else 0

    def kernel_of(self, layer: LayerView) -> VariableView | None:
        """The kernel of a layer, the largest if there are several; None if it has none."""
        return self._kernel_by_layer.get(layer.name)

    @cached_property
    def _kernel_by_layer(self) -> dict[str, VariableView]:
        views = {variable.name: variable for variable in self.variables}
        shapes = {name: variable.sizes for name, variable in views.items()}
        kernels = ((layer.name, layer_kinds.kernel_of(layer, shapes)) for layer in self.record.layers)
        return {layer: views[kernel] for layer, kernel in kernels if kernel in views}

    def feeding_kernel(self, layer: LayerView) -> VariableView | None:
        """The kernel whose sums a layer gets: its own, or for an activation by itself that of the layer before it."""
        own = self.kernel_of(layer)
        source = self._source(layer, {other.name: other for other in self.chain}) if own is None else None
        return own if source is None else self.kernel_of(source)

    def before(self, layer: LayerView) -> Row:
        """What a layer gets: the layer before it, or the probe inputs."""
        known = {other.name: other for other in self.chain}
        at = self._source(layer, known)
        while at is not None and at.depth < 0:
            at = self._source(at, known)
        return at.row if at is not None else self.inputs

    def _source(self, layer: LayerView, known: Mapping[str, LayerView]) -> LayerView | None:
        """The layer that one gets its input from; the one before it in the list, for layers that do not say."""
        if layer.info.inputs:
            return next((known[name] for name in reversed(layer.info.inputs) if name in known and name != layer.name), None)
        at = self._position(layer)
        return self.chain[at - 1] if at > 0 else None

    def _position(self, layer: LayerView) -> int:
        return next(at for at, other in enumerate(self.chain) if other.name == layer.name)

    def batch_normalized_before(self, layer: LayerView) -> bool:
        """Whether any layer before it in the list normalises by its batch, in evaluation mode by moving statistics."""
        return any(other.info.state and other.is_normalization for other in self.chain[: self._position(layer) + 1])

    def normalized_after(self, layer: LayerView) -> bool:
        """Whether all that a layer puts out goes into normalisations, which take its scale away; False where connections are unknown."""
        takers = [other for other in self.chain if layer.name in other.info.inputs]
        return bool(takers) and all(other.is_normalization for other in takers)

    def normalized_before(self, layer: LayerView) -> bool:
        """Whether any layer before it in the list rescales what it gets."""
        return any(other.is_normalization for other in self.chain[: self._position(layer)])


def median(values: Curve) -> float:
    """The median of what is known; NaN if nothing is. On short arrays numpy.median takes ten times as long."""
    known = values[~np.isnan(values)]
    known.sort()
    middle = len(known) // 2
    if len(known) == 0:
        return math.nan
    return float(known[middle]) if len(known) % 2 else float(known[middle - 1] / 2 + known[middle] / 2)


def _rows(table: Table | None) -> dict[str, Row]:
    if table is None:
        return {}
    columns = {name: at for at, name in enumerate(table.columns)}
    curves = np.ascontiguousarray(table.values.transpose(1, 2, 0), np.float64)  # every rule goes along the steps
    return {name: Row(name, table.steps, curves[at].T, columns) for at, name in enumerate(table.rows)}


def _empty(name: str) -> Row:
    return Row(name, np.zeros(0, np.int64), np.zeros((0, 0)), {})
