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

from tb_featuremap_plugin.arrays.dense import real_entries
from tb_featuremap_plugin.format import run_record
from tb_featuremap_plugin.format.values import Value, blob_value, encoded, table_value
from tb_featuremap_plugin.measures.activations.measured import Measured, describe, layer_row
from tb_featuremap_plugin.monitor.layer_layouts import LayerLayouts, measured, rows_of_batch, without_axes
from tb_featuremap_plugin.monitor.left_out import LeftOut
from tb_featuremap_plugin.monitor.options import MonitorOptions
from tb_featuremap_plugin.monitor.pictures_of_step import StepPictures
from tb_featuremap_plugin.monitor.schedule import TimeBudget
from tb_featuremap_plugin.monitor.step_data import StepData
from tb_featuremap_plugin.monitor.variable_table import Subject, VariableTable
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.columns import HEADLINES, INPUTS_ROW, LAYER_COLUMNS, TARGETS_ROW, VARIABLE_COLUMNS
from tb_featuremap_plugin.schema.network import Layer, RunRecord

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]


class RecordBuilder:
    """Makes the values of one event a logged step, and remembers what must be counted over all of them.

    What fails for one layer, variable or picture costs that one; `left_out` takes the errors.

    Args:
        options: of the monitor.
        budget: where the time that this takes is counted.
        layouts: of the axes.
        table: measures variables.
        left_out: what was left out so far.
        used: bytes that earlier sessions of the run have written.
    """

    def __init__(
        self,
        options: MonitorOptions,
        budget: TimeBudget,
        layouts: LayerLayouts,
        table: VariableTable,
        left_out: LeftOut,
        used: Callable[[], int],
    ) -> None:
        self._options = options
        self._layouts = layouts
        self._table = table
        self._left_out = left_out
        self._step_pictures = StepPictures(options, layouts, left_out, used)
        self._budget = budget
        self._written: RunRecord | None = None
        self._bytes = 0

    def make(self, data: StepData) -> list[Value]:
        """All values of one event."""
        started = self._budget.clock()
        values: list[Value] = []
        with self._budget.behind(), np.errstate(all="ignore"):  # numbers that float32 cannot hold are infinite there, and no news
            statistics = self._statistics(data)
            layers, variables = self._layer_rows(data, statistics), self._variable_rows(data)
            parts = (
                partial(self._step_pictures.values, data, statistics),
                partial(_tables, data, layers, variables),
                *((partial(_headline_scalars, layers, variables), partial(_loop_scalars, data)) if self._options.mirror_scalars else ()),
                partial(self._run_record, data),
            )
            for part in parts:
                values += self._left_out.attempt("record", part) or []
        return [*values, self._progress(data, values, self._budget.clock() - started)]

    def _statistics(self, data: StepData) -> dict[str, Measured]:
        """Statistics by row of the layers' table."""
        statistics: dict[str, Measured] = dict(data.joined)
        for row, array in {**rows_of_batch(data.inputs, data.targets), **data.activations}.items():
            if row not in statistics and data.own_share:
                found = self._left_out.attempt(_name_of(row), partial(_measured, self._layouts, row, array, data.network.layer(row)))
                if found is not None:
                    statistics[row] = found
        return statistics

    def _layer_rows(self, data: StepData, statistics: dict[str, Measured]) -> dict[str, Float32]:
        rows = {}
        for row, found in statistics.items():
            numbers = self._left_out.attempt(_name_of(row), partial(layer_row, found, data.ordinals.get(row, np.nan)))
            if numbers is not None:
                rows[row] = numbers
        return {name: without_axes(row) if self._layouts.is_unknown(name, data.network.layer(name)) else row for name, row in rows.items()}

    def _variable_rows(self, data: StepData) -> dict[str, Float32]:
        weights, dtypes = data.weights, data.about.variable_dtypes
        rows = weights.rows
        if rows is None:
            known = weights.variables.items()
            subjects = {name: Subject(one, weights.gradients.get(name), dtypes.get(name)) for name, one in known}
            rows = self._table.rows(subjects, data.network)
        for name, one in data.sharded.items():
            row = self._left_out.attempt(f"weights/{name}", partial(self._table.sharded_row, name, one, dtypes.get(name), data.network))
            rows = rows if row is None else {**rows, name: row}
        for name, row in rows.items():
            row[_ORDINAL] = data.variable_ordinals.get(name, np.nan)
        return dict(rows)

    def _run_record(self, data: StepData) -> list[Value]:
        about = replace(data.about, left_out=self._left_out.snapshot(), notes=(*data.about.notes, *self._left_out.notes()))
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


_ORDINAL = VARIABLE_COLUMNS.index("ordinal")


def _name_of(row: str) -> str:
    """Of a row of the layers' table, as what is left out is named."""
    for special, name in ((INPUTS_ROW, "inputs"), (TARGETS_ROW, "targets")):
        if row == special or row.startswith(f"{special}/"):
            return name + row[len(special) :]
    return f"activations/{row}"


def _measured(layouts: LayerLayouts, row: str, array: Array, layer: Layer | None) -> Measured:
    if not isinstance(array, np.ma.MaskedArray):
        return measured(layouts, row, array, layer)
    shaped, layout = layouts.maps(row, array, layer)
    return describe(real_entries(shaped, layout.index("C") if "C" in layout else None), layer.function if layer is not None else None)


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
