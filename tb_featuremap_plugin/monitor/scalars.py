"""Headline numbers as ordinary scalars, so that they can be pinned in Time Series and compared in HParams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_SCALAR, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT

from tb_featuremap_plugin.format.values import Value, encoded
from tb_featuremap_plugin.schema.columns import LAYER_COLUMNS, VARIABLE_COLUMNS

LAYER_HEADLINES = ("std", "dead_units", "input_share")
VARIABLE_HEADLINES = ("norm", "update_ratio", "gradient_norm")

Rows = Mapping[str, npt.NDArray[np.float32]]


def headline_scalars(layers: Rows, variables: Rows) -> list[Value]:
    """One scalar a headline column and row, under tags such as `update_ratio/conv1/kernel`; what is not known is left out.

    Args:
        layers: rows of the layers' table by name.
        variables: rows of the variables' table by name.
    """
    return [*_scalars(layers, LAYER_COLUMNS, LAYER_HEADLINES), *_scalars(variables, VARIABLE_COLUMNS, VARIABLE_HEADLINES)]


def scalar_value(tag: str, number: float) -> Value:
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
        scalar_value(f"{headline}/{name}", float(row[columns.index(headline)]))
        for headline in headlines
        for name, row in rows.items()
        if not np.isnan(row[columns.index(headline)])
    ]
