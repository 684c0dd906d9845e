"""Records and rows as `Summary.Value`s: what stands in an event."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING

from tb_featuremap_plugin import metadata

Value: TypeAlias = Summary.Value


def picture_values(kind: str, name: str, blob: bytes, *, ordinal: int | None = None, description: str | None = None) -> list[Value]:
    """A picture, and if it is the first of its series its copy under a tag that sampling cannot lose.

    Args:
        kind: "maps", "filters" or "inputs".
        name: of the layer, variable or input.
        blob: the record.
        ordinal: counts the pictures of this series from 1; None if unknown.
        description: Markdown.
    """
    tags = [metadata.picture_tag(kind, name)]
    if ordinal == 1:
        tags.append(metadata.picture_tag(kind, name, first=True))
    return [blob_value(tag, blob, description) for tag in tags]


def blob_value(tag: str, blob: bytes, description: str | None = None) -> Value:
    """One blob, as a blob sequence of one element."""
    value = Value()
    value.CopyFrom(_blob_template(description))
    value.tag = tag
    value.tensor.string_val.append(blob)
    return value


def table_value(tag: str, rows: npt.NDArray[Any], description: str | None = None, layer: str | None = None) -> Value:
    """A packed table: float32 [rows, columns].

    Args:
        tag: of the series.
        rows: of the table.
        description: Markdown.
        layer: that a single variable belongs to, where there is no run record to say it.
    """
    content = np.ascontiguousarray(rows, "<f4")
    value = Value()
    value.CopyFrom(_table_template(content.shape, description, layer))
    value.tag = tag
    value.tensor.tensor_content = content.tobytes()
    return value


# Values of a series differ in little: to copy one takes a quarter of the time that it takes to put it together.
@lru_cache(maxsize=64)
def _blob_template(description: str | None) -> Value:
    tensor = TensorProto(dtype=DT_STRING, tensor_shape=_shape(1))
    return Value(tensor=tensor, metadata=metadata.blob_metadata(description))


@lru_cache(maxsize=64)
def _table_template(shape: tuple[int, ...], description: str | None, layer: str | None) -> Value:
    tensor = TensorProto(dtype=DT_FLOAT, tensor_shape=_shape(*shape))
    return Value(tensor=tensor, metadata=metadata.tensor_metadata(description, layer))


def _shape(*sizes: int) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])
