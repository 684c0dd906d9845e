"""What a summary value of an event holds: to which plugin it belongs, and its numbers."""

from __future__ import annotations

import math

import numpy as np
from tensorboard.compat.proto import types_pb2
from tensorboard.compat.proto.summary_pb2 import (
    DATA_CLASS_BLOB_SEQUENCE,
    DATA_CLASS_SCALAR,
    DATA_CLASS_TENSOR,
    DATA_CLASS_UNKNOWN,
    Summary,
    SummaryMetadata,
)
from tensorboard.compat.proto.tensor_pb2 import TensorProto

from tb_featuremap_plugin.reading.raw_series import Array
from tb_featuremap_plugin.schema import limits, tags

SCALARS = "scalars"
OURS = (tags.PLUGIN_NAME, tags.STATS_PLUGIN_NAME)

_DATA_CLASSES = {
    tags.PLUGIN_NAME: (DATA_CLASS_BLOB_SEQUENCE,),
    tags.STATS_PLUGIN_NAME: (DATA_CLASS_TENSOR,),
    SCALARS: (DATA_CLASS_SCALAR, DATA_CLASS_UNKNOWN),
}
_VALUE_FIELDS = ("float_val", "double_val", "half_val", "int_val", "int64_val", "bool_val", "uint32_val", "uint64_val")


def known_metadata(value: Summary.Value) -> SummaryMetadata:
    """A value's metadata; of a scalar that has none, as older writers leave it, those that it means."""
    if value.HasField("metadata") or not value.HasField("simple_value"):
        return value.metadata
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=SCALARS), data_class=DATA_CLASS_SCALAR)


def is_read(known: SummaryMetadata) -> bool:
    """Whether series with such metadata are read."""
    return known.data_class in _DATA_CLASSES.get(known.plugin_data.plugin_name, ())


def content(plugin: str, value: Summary.Value) -> Array | float | None:
    """A table's or a scalar's numbers; None for a picture, which stays where it is.

    Raises:
        TypeError, ValueError: the value is not what its plugin stores.
    """
    if plugin == tags.PLUGIN_NAME:
        _check_blob(value.tensor)
        return None
    if plugin == SCALARS:
        return float(value.simple_value) if value.HasField("simple_value") else float(_numbers(value.tensor).item())
    return _numbers(value.tensor)


def _check_blob(tensor: TensorProto) -> None:
    if tensor.dtype != types_pb2.DT_STRING or len(tensor.tensor_shape.dim) != 1 or not tensor.string_val:
        raise ValueError("a picture must be a string tensor of one axis and one element")


def _numbers(stored: TensorProto) -> Array:
    """Numbers of a tensor that stores each of them: a single number may claim any shape, and would be repeated to fill it."""
    sizes = [dim.size for dim in stored.tensor_shape.dim]
    count = math.prod(sizes)
    if any(size < 0 for size in sizes) or count > limits.MAX_TABLE_CELLS:
        raise ValueError(f"shape {sizes!r:.100} is not one of at most {limits.MAX_TABLE_CELLS} numbers")
    if not stored.tensor_content and count > max(len(getattr(stored, name)) for name in _VALUE_FIELDS):
        raise ValueError(f"fewer numbers are stored than shape {sizes!r:.100} has")
    if stored.dtype == types_pb2.DT_FLOAT and (stored.tensor_content or not count):
        return np.frombuffer(stored.tensor_content, np.float32).reshape(sizes)
    return _other_numbers(stored)


def _other_numbers(stored: TensorProto) -> Array:
    """Of any type and encoding. What TensorBoard has for it takes longer to load than a small logdir to read."""
    from tensorboard.util import tensor_util

    try:
        array: Array = np.asarray(tensor_util.make_ndarray(stored))
    except KeyError:  # what TensorBoard raises
        raise ValueError(f"its dtype is number {stored.dtype}, which TensorBoard does not know") from None
    return array
