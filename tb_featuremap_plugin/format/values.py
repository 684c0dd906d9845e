"""Records and rows as `Summary.Value`s, in the bytes in which they stand in an event.

Protobuf's wire format is written by hand here, and here alone: values of a series differ in their payload only, so what they share is
encoded once, and a payload of megabytes is not copied from message to message.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, DATA_CLASS_TENSOR, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING

from tb_featuremap_plugin.arrays.tensors import float32_bytes
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.tags import CONTENT_VERSION, MAX_CONTENT_BYTES, PLUGIN_NAME, STATS_PLUGIN_NAME

# Keys of fields: the number of the field times 8, plus 0 for a number, 1 for eight bytes, 2 for a length and as many bytes.
_TAG, _TENSOR, _METADATA = 0x0A, 0x42, 0x4A  # of a Summary.Value
_CONTENT, _STRING = 0x22, 0x42  # of a TensorProto

_MORE = 0x80
_SHORT = [bytes([value]) for value in range(_MORE)]
_NEGATIVE = 1 << 64
"""What is added to a negative int64, which always takes ten bytes."""


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
    value = blob_value(tags.picture_tag(kind, name), blob, description)
    return [value, blob_value(tags.picture_tag(kind, name, first=True), blob, description)] if ordinal == 1 else [value]


def blob_value(tag: str, blob: bytes, description: str | None = None) -> Value:
    """One blob, as a blob sequence of one element."""
    string = opening(_STRING, len(blob))
    tensor = opening(_TENSOR, len(_ONE_STRING) + len(string) + len(blob))
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
    content = opening(_CONTENT, size) if size else b""
    return _tag_field(tag) + opening(_TENSOR, len(tensor) + len(content) + size) + tensor + content


@lru_cache(maxsize=1024)
def _tag_field(tag: str) -> bytes:
    return field(_TAG, tag.encode())


@lru_cache(maxsize=64)
def _blob_tail(description: str | None) -> bytes:
    return _metadata_field(blob_metadata(description))


@lru_cache(maxsize=64)
def _table_tail(description: str | None, layer: str | None) -> bytes:
    return _metadata_field(tensor_metadata(description, layer))


def _metadata_field(message: SummaryMetadata) -> bytes:
    return field(_METADATA, message.SerializeToString())


def _shape(*sizes: int) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])


_ONE_STRING = TensorProto(dtype=DT_STRING, tensor_shape=_shape(1)).SerializeToString()
"""A TensorProto's dtype and shape."""


def blob_metadata(description: str | None = None) -> SummaryMetadata:
    """Metadata of a blob sequence of ours: a picture or the run record."""
    return _metadata(PLUGIN_NAME, DATA_CLASS_BLOB_SEQUENCE, description)


def tensor_metadata(description: str | None = None, layer: str | None = None) -> SummaryMetadata:
    """Metadata of a table of numbers; `layer` is the one that a single variable belongs to, left out where its name is too long."""
    return _metadata(STATS_PLUGIN_NAME, DATA_CLASS_TENSOR, description, layer)


@lru_cache(maxsize=1024)
def content_version(content: bytes) -> int | None:
    """The version that metadata content declares; None where it is not ours or damaged."""
    if len(content) > MAX_CONTENT_BYTES:
        return None
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return None
    version = parsed.get("version") if isinstance(parsed, dict) else None
    return version if type(version) is int else None


def _metadata(plugin_name: str, data_class: int, description: str | None, layer: str | None = None) -> SummaryMetadata:
    content = _content(layer)
    return SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=plugin_name, content=content),
        data_class=data_class,
        summary_description=description or "",
    )


@lru_cache(maxsize=1024)
def _content(layer: str | None) -> bytes:
    fields: dict[str, object] = {"version": CONTENT_VERSION}
    if layer is None:
        return json.dumps(fields, separators=(",", ":")).encode("ascii")
    content = json.dumps({**fields, "layer": layer}, separators=(",", ":")).encode("ascii")
    return content if len(content) <= MAX_CONTENT_BYTES else _content(None)


def number(value: int) -> bytes:
    """A whole number, seven bits a byte, the lowest first."""
    if 0 <= value < _MORE:
        return _SHORT[value]
    if 0 <= value < _MORE * _MORE:
        return bytes((value & _MORE - 1 | _MORE, value >> 7))
    if value < 0:
        value += _NEGATIVE
    encoded = bytearray()
    while value >= _MORE:
        encoded.append(value & _MORE - 1 | _MORE)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def opening(key: int, size: int) -> bytes:
    """A key, and the length of what follows."""
    return _SHORT[key] + number(size)


def field(key: int, data: bytes) -> bytes:
    """A key, a length, and as many bytes."""
    return opening(key, len(data)) + data
