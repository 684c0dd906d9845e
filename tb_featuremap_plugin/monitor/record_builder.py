"""Makes a record of a logged step: tables of numbers, pictures, and the run record. Runs behind the training loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_SCALAR, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT

from tb_featuremap_plugin.format import run_record
from tb_featuremap_plugin.format.values import Value, blob_value, encoded, table_value
from tb_featuremap_plugin.measures.activations.measured import Measured, layer_row
from tb_featuremap_plugin.measures.weights.many import variable_rows
from tb_featuremap_plugin.measures.weights.variable import Change, Variable
from tb_featuremap_plugin.monitor.layer_layouts import LayerLayouts, measured, rows_of_batch, ungrouped, without_axes
from tb_featuremap_plugin.monitor.options import MonitorOptions
from tb_featuremap_plugin.monitor.pictures_of_step import StepPictures
from tb_featuremap_plugin.monitor.schedule import TimeBudget
from tb_featuremap_plugin.monitor.sharded_weights import JoinedVariable
from tb_featuremap_plugin.monitor.snapshots import change_of
from tb_featuremap_plugin.monitor.step_data import StepData
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.columns import HEADLINES, LAYER_COLUMNS, VARIABLE_COLUMNS
from tb_featuremap_plugin.schema.network import Layer, RunRecord

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]


class RecordBuilder:
    """Makes the values of one event a logged step, and remembers what must be counted over all of them.

    What fails for one layer or variable costs that layer or variable; the errors wait in `problems`.

    Args:
        options: of the monitor.
        budget: where the time that this takes is counted.
    """

    def __init__(self, options: MonitorOptions, budget: TimeBudget) -> None:
        self.problems: list[Exception] = []
        self._options = options
        self._layouts = LayerLayouts(options.layouts)
        self._step_pictures = StepPictures(options, self._layouts, self._attempt)
        self._budget = budget
        self._written: RunRecord | None = None
        self._bytes = 0

    def make(self, data: StepData) -> list[Value]:
        """All values of one event."""
        started = self._budget.clock()
        with self._budget.behind(), np.errstate(all="ignore"):  # numbers that float32 cannot hold are infinite there, and no news
            statistics = self._statistics(data)
            layers, variables = self._layer_rows(data, statistics), self._variable_rows(data)
            values = self._step_pictures.values(data, statistics)
            values += _tables(data, layers, variables)
            values += self._run_record(data)
            if self._options.mirror_scalars:
                values += _headline_scalars(layers, variables)
                values += _loop_scalars(data)
        return [*values, self._progress(data, values, self._budget.clock() - started)]

    def _statistics(self, data: StepData) -> dict[str, Measured]:
        """Statistics by row of the layers' table."""
        statistics: dict[str, Measured] = dict(data.joined)
        for row, array in {**rows_of_batch(data.inputs, data.targets), **data.activations}.items():
            if row not in statistics and data.own_share:
                self._attempt(partial(self._measure, statistics, row, array, data.network.layer(row)))
        return statistics

    def _layer_rows(self, data: StepData, statistics: dict[str, Measured]) -> dict[str, Float32]:
        rows = {row: layer_row(found, data.ordinals[row]) for row, found in statistics.items()}
        return {name: without_axes(row) if self._layouts.is_unknown(name, data.network.layer(name)) else row for name, row in rows.items()}

    def _variable_rows(self, data: StepData) -> dict[str, Float32]:
        found: dict[str, Variable] = {}
        for name in data.weights:
            self._attempt(partial(self._add_variable, found, data, name))
        sharded = {name: self._sharded_row(data, name, one) for name, one in data.sharded.items()}
        try:
            return sharded | dict(zip(found, variable_rows(list(found.values())), strict=True))
        except Exception:  # of one of them, which the others are measured without
            rows = sharded
            for name, variable in found.items():
                self._attempt(partial(_add_row, rows, name, variable))
            return rows

    def _measure(self, statistics: dict[str, Measured], row: str, array: Array, layer: Layer | None) -> None:
        statistics[row] = measured(self._layouts, row, array, layer)

    def _add_variable(self, found: dict[str, Variable], data: StepData, name: str) -> None:
        value = data.weights[name]
        layer = data.network.owner(name)
        layout = self._layouts.kernel(name, value.ndim, layer)
        change = change_of(name, data.reads, data.first, data.gradients.get(name))
        if layout is not None:
            change = _ungrouped_change(change, layout, layer)
            value, layout = ungrouped(value, layout, layer)
        dtype, ordinal = data.about.variable_dtypes.get(name), data.ordinals[name]
        found[name] = Variable(value, change, data.network.trainable(name), layout, dtype, ordinal)

    def _sharded_row(self, data: StepData, name: str, joined: JoinedVariable) -> Float32:
        """The row of a variable that no process holds all of."""
        layer = data.network.owner(name)
        layout = self._layouts.kernel(name, len(joined.shape), layer)
        value = np.broadcast_to(np.zeros((), np.float32), joined.shape) if joined.kernel is None else joined.kernel
        if joined.kernel is not None and layout is not None:
            value, layout = ungrouped(value, layout, layer)
        change, dtype = Change(gap=joined.gap), data.about.variable_dtypes.get(name)
        known = joined.kernel is not None
        variable = Variable(value, change, data.network.trainable(name), layout if known else None, dtype, data.ordinals[name])
        numbers = variable.described() | joined.numbers | {"first_step": joined.initial_step}
        return np.array([numbers.get(column, np.nan) for column in VARIABLE_COLUMNS], np.float32)

    def _run_record(self, data: StepData) -> list[Value]:
        note = self._step_pictures.note()
        about = replace(data.about, notes=(*data.about.notes, note)) if note is not None else data.about
        if about == self._written:
            return []
        self._written = about
        return [blob_value(tags.RUN_TAG, run_record.encode(about))]

    def _progress(self, data: StepData, values: list[Value], seconds: float) -> Value:
        size = sum(value.nbytes for value in values)
        self._bytes += size
        progress = replace(
            data.progress,
            log_seconds=self._budget.log_seconds,
            logged_bytes=self._bytes,
            step_log_seconds=data.progress.step_log_seconds + seconds,
            step_logged_bytes=size,
        )
        return table_value(tags.PROGRESS_TAG, progress.row())

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # of a layer's own code and data; it costs that layer
            self.problems.append(error)


def _add_row(rows: dict[str, Float32], name: str, variable: Variable) -> None:
    rows[name] = variable.row()


def _tables(data: StepData, layers: Mapping[str, Float32], variables: Mapping[str, Float32]) -> list[Value]:
    about, values = data.about, []
    if layers:
        values.append(table_value(tags.LAYERS_TAG, _packed(about.layer_rows, layers, len(LAYER_COLUMNS))))
    if variables:
        values.append(table_value(tags.VARIABLES_TAG, _packed(about.variable_rows, variables, len(VARIABLE_COLUMNS))))
    if data.losses is not None:
        values.append(table_value(tags.LOSSES_TAG, data.losses))
    return values


def _packed(names: tuple[str, ...], rows: Mapping[str, Float32], columns: int) -> Float32:
    """Rows in the order of their names; NaN where a row was not logged this time."""
    unknown = np.full(columns, np.nan, np.float32)
    return np.stack([rows.get(name, unknown) for name in names])


def _loop_scalars(data: StepData) -> list[Value]:
    numbers = {"loss": data.progress.loss, "learning_rate": data.progress.learning_rate}
    return [_scalar_value(tag, number) for tag, number in numbers.items() if not np.isnan(number)]


def _ungrouped_change(change: Change, layout: str, layer: Layer | None) -> Change:
    def arranged(array: Array | None) -> Array | None:
        return None if array is None else ungrouped(array, layout, layer)[0]

    return replace(
        change,
        previous=arranged(change.previous),
        initial=arranged(change.initial),
        previous_update=arranged(change.previous_update),
        gradient=arranged(change.gradient),
    )


Rows = Mapping[str, npt.NDArray[np.float32]]


def _headline_scalars(layers: Rows, variables: Rows) -> list[Value]:
    """One scalar a headline column and row, under tags such as `update_ratio/conv1/kernel`; what is not known is left out.

    Args:
        layers: rows of the layers' table by name.
        variables: rows of the variables' table by name.
    """
    return [*_scalars(layers, LAYER_COLUMNS, HEADLINES["layers"]), *_scalars(variables, VARIABLE_COLUMNS, HEADLINES["variables"])]


def _scalar_value(tag: str, number: float) -> Value:
    """A scalar as TensorBoard's own dashboards read it."""
    plugin = SummaryMetadata.PluginData(plugin_name="scalars")
    message = Summary.Value(
        tag=tag,
        metadata=SummaryMetadata(plugin_data=plugin, data_class=DATA_CLASS_SCALAR),
        tensor=TensorProto(dtype=DT_FLOAT, tensor_shape=TensorShapeProto(), float_val=[number]),
    )
    return encoded(message)


def _scalars(rows: Rows, columns: tuple[str, ...], headlines: Iterable[str]) -> list[Value]:
    return [
        _scalar_value(f"{headline}/{name}", float(row[columns.index(headline)]))
        for headline in headlines
        for name, row in rows.items()
        if not np.isnan(row[columns.index(headline)])
    ]
