"""Records and rows as `Summary.Value`s, in the bytes in which they stand in an event.

Values of a series differ in their payload only. What they share is encoded once, and a payload of megabytes is not copied from message
to message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING

from tb_featuremap_plugin.arrays.tensors import float32_bytes
from tb_featuremap_plugin.format import metadata, wire

# Keys of fields, see `wire`.
_TAG, _TENSOR, _METADATA = 0x0A, 0x42, 0x4A  # of a Summary.Value
_CONTENT, _STRING = 0x22, 0x42  # of a TensorProto


class Value(NamedTuple):
    """A `Summary.Value`, encoded.

    Attributes:
        tag: of the series.
        head: the fields before the payload, and the payload's own key and length.
        payload: the record, or the numbers of the table.
        tail: the fields behind it.
    """

    tag: str
    head: bytes
    payload: bytes
    tail: bytes

    @property
    def nbytes(self) -> int:
        """Bytes of the whole value."""
        return len(self.head) + len(self.payload) + len(self.tail)

    def to_proto(self) -> Summary.Value:
        """The message."""
        return Summary.Value.FromString(self.head + self.payload + self.tail)


def summary(values: Iterable[Value]) -> Summary:
    """The message that holds these values."""
    return Summary(value=[value.to_proto() for value in values])


def encoded(value: Value | Summary.Value) -> Value:
    """A message as its bytes."""
    return value if isinstance(value, Value) else Value(value.tag, value.SerializeToString(), b"", b"")


def picture_values(kind: str, name: str, blob: bytes, *, ordinal: int | None = None, description: str | None = None) -> list[Value]:
    """A picture, and if it is the first of its series its copy under a tag that sampling cannot lose.

    Args:
        kind: "maps", "filters" or "inputs".
        name: of the layer, variable or input.
        blob: the record.
        ordinal: counts the pictures of this series from 1; None if unknown.
        description: Markdown.
    """
    value = blob_value(metadata.picture_tag(kind, name), blob, description)
    return [value, blob_value(metadata.picture_tag(kind, name, first=True), blob, description)] if ordinal == 1 else [value]


def blob_value(tag: str, blob: bytes, description: str | None = None) -> Value:
    """One blob, as a blob sequence of one element."""
    string = wire.opening(_STRING, len(blob))
    tensor = wire.opening(_TENSOR, len(_ONE_STRING) + len(string) + len(blob))
    return Value(tag, b"".join((_tag_field(tag), tensor, _ONE_STRING, string)), blob, _blob_tail(description))


def table_value(tag: str, rows: npt.NDArray[Any], description: str | None = None, layer: str | None = None) -> Value:
    """A packed table: float32 [rows, columns].

    Args:
        tag: of the series.
        rows: of the table.
        description: Markdown.
        layer: that a single variable belongs to, where there is no run record to say it.
    """
    content = np.ascontiguousarray(rows, "<f4")
    return Value(tag, _table_head(tag, content.shape), content.tobytes(), _table_tail(description, layer))


def row_value(tag: str, numbers: Sequence[float], description: str | None = None) -> Value:
    """A packed table of one row, a number a column; arguments as of `table_value`."""
    return Value(tag, _table_head(tag, (1, len(numbers))), float32_bytes(numbers), _table_tail(description, None))


@lru_cache(maxsize=1024)
def _table_head(tag: str, shape: tuple[int, ...]) -> bytes:
    tensor: bytes = TensorProto(dtype=DT_FLOAT, tensor_shape=_shape(*shape)).SerializeToString()
    size = 4 * int(np.prod(shape))
    content = wire.opening(_CONTENT, size) if size else b""
    return _tag_field(tag) + wire.opening(_TENSOR, len(tensor) + len(content) + size) + tensor + content


@lru_cache(maxsize=1024)
def _tag_field(tag: str) -> bytes:
    return wire.field(_TAG, tag.encode())


@lru_cache(maxsize=64)
def _blob_tail(description: str | None) -> bytes:
    return _metadata_field(metadata.blob_metadata(description))


@lru_cache(maxsize=64)
def _table_tail(description: str | None, layer: str | None) -> bytes:
    return _metadata_field(metadata.tensor_metadata(description, layer))


def _metadata_field(message: SummaryMetadata) -> bytes:
    return wire.field(_METADATA, message.SerializeToString())


def _shape(*sizes: int) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])


_ONE_STRING = TensorProto(dtype=DT_STRING, tensor_shape=_shape(1)).SerializeToString()
"""A TensorProto's dtype and shape."""
