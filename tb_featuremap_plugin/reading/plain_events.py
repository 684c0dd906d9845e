"""Events of the very form in which this package writes them, told by their first bytes: a step may hold hundreds of small pictures.

A protobuf parser makes objects of all that an event holds. Here only lengths are followed, from one summary value to the next, and
each value's bytes are compared with the only ones that a picture, or a table of a known shape, of that length can begin with. An event
with anything else in it is left to the parser; of damage inside an event nothing is lost, since what is compared is all but payload.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT

from tb_featuremap_plugin.format.values import opening
from tb_featuremap_plugin.reading.raw_series import Array

# Keys of fields, see `wire`.
_WALL_TIME, _STEP, _SUMMARY = 0x09, 0x10, 0x2A  # of an Event
_VALUE = 0x0A  # of a Summary
_TAG, _TENSOR, _METADATA = 0x0A, 0x42, 0x4A  # of a Summary.Value
_STRING = 0x42  # of a TensorProto
_ONE_STRING = bytes([0x08, 7, 0x12, 4, 0x12, 2, 0x08, 1])
"""A TensorProto's dtype, DT_STRING, and its shape, [1]."""

_DOUBLE = struct.Struct("<d")
_SHORT = 127
"""Lengths up to it take one byte; of tags, only such are followed."""

_MEDIUM = 1 << 14
"""Lengths below it take two bytes at most."""

_MOST_NUMBER_BYTES = 8
_MOST_HEADS, _MOST_STARTS = 10_000, 200


class Heads(Protocol):
    """What a value's bytes between tag and tail begin with if there are that many of them; empty if no such value is known."""

    def __getitem__(self, size: int, /) -> bytes:
        """The bytes before the payload, which is all that follows up to the tail."""


class Form(NamedTuple):
    """What the values of a series look like.

    Attributes:
        key: key and bytes of their tag, which they begin with.
        heads: what follows it.
        tail: what they end with.
        is_table: whether they hold numbers, which are wanted; pictures stay where they are.
        fixed: how many bytes `key` and `tail` take.
    """

    key: bytes
    heads: Heads
    tail: bytes
    is_table: bool
    fixed: int


class Table(NamedTuple):
    """A value of numbers in an event: its place among the values, where its payload ends, and how many bytes behind its tag that is."""

    place: int
    stop: int
    size: int


class Pattern:
    """The values of an event, one behind the other.

    Args:
        forms: of the values.
    """

    def __init__(self, forms: Sequence[Form]) -> None:
        tails = [b"", *(form.tail for form in forms)]
        self.last = tails.pop()
        tables = [(place, len(form.tail), form.fixed) if form.is_table else None for place, form in enumerate(forms)]
        self.spans = [(_Starts(tail, form), len(tail), table) for tail, form, table in zip(tails, forms, tables, strict=True)]


class _Starts(dict[int, bytes]):
    """All that stands between two payloads, by the size of the second value; empty where that cannot be one.

    Args:
        tail: of the value before.
        form: of the second.
    """

    def __init__(self, tail: bytes, form: Form) -> None:
        super().__init__()
        self._tail = tail
        self._form = form

    def __missing__(self, size: int) -> bytes:
        head = self._form.heads[size - self._form.fixed]
        if not head:
            return b""
        if len(self) >= _MOST_STARTS:
            self.clear()
        self[size] = start = b"".join([self._tail, opening(_VALUE, size), self._form.key, head])
        return start


class Head(NamedTuple):
    """What an event says of its summary, and where that lies: its values begin at `begin` and end with the event."""

    wall_time: float
    step: int
    begin: int


def read_head(data: bytes, begin: int, end: int) -> Head | None:
    """The head of the event between two places; None if it is not wall time, step and summary, in this order and nothing else."""
    try:
        if data[begin] != _WALL_TIME:
            return None
        (wall_time,) = _DOUBLE.unpack_from(data, begin + 1)
        at, step = begin + 1 + _DOUBLE.size, 0
        if data[at] == _STEP:
            step, at = read_number(data, at + 1)
        if data[at] != _SUMMARY:
            return None
        size, at = read_number(data, at + 1)
    except (IndexError, ValueError, struct.error):
        return None
    return Head(wall_time, step, at) if at + size == end else None


def read_values(data: bytes, at: int, end: int, pattern: Pattern) -> list[Table] | None:
    """Follows a summary of which the values are known.

    Args:
        data: bytes of a file.
        at, end: where the summary lies.
        pattern: of its values.

    Returns:
        Where the numbers are; None unless there are just these values.
    """
    begins_at = data.startswith
    tables = []
    try:
        for starts, before, table in pattern.spans:
            size, begin = data[at + 1], at + 2
            if size > _SHORT:
                size, begin = (size & _SHORT) + (data[begin] << 7), begin + 1
                if size >= _MEDIUM:
                    size, begin = read_number(data, at + 1)
            start = starts[size]
            if not start or not begins_at(start, at - before):
                return None
            at = begin + size
            if table is not None:
                place, tail, fixed = table
                tables.append(Table(place, at - tail, size - fixed))
    except (IndexError, ValueError):
        return None
    return tables if at == end and begins_at(pattern.last, at - len(pattern.last)) else None


def find_tags(data: bytes, at: int, end: int) -> list[bytes] | None:
    """The tags of a summary's values, each with its key; None if that is not what its values begin with."""
    tags = []
    try:
        while at < end:
            size, begin = read_number(data, at + 1)
            if data[at] != _VALUE or data[begin] != _TAG:
                return None
            tags.append(data[begin : begin + 2 + data[begin + 1]])
            at = begin + size
    except (IndexError, ValueError):
        return None
    return tags if at == end else None


def form_of(value: Summary.Value, heads: Heads, *, is_table: bool) -> Form | None:
    """The form of all values of a series that have the metadata of this one; None for a tag that is too long to be followed."""
    tag, stored = value.tag.encode(), value.metadata.SerializeToString()
    tail = opening(_METADATA, len(stored)) + stored if value.HasField("metadata") else b""
    return Form(opening(_TAG, len(tag)) + tag, heads, tail, is_table, 2 + len(tag) + len(tail)) if len(tag) <= _SHORT else None


class _PictureHeads(dict[int, bytes]):
    """Of string tensors with one element."""

    def __missing__(self, size: int) -> bytes:
        if len(self) >= _MOST_HEADS:
            self.clear()
        self[size] = head = _picture_head(size)
        return head


PICTURE_HEADS = _PictureHeads()
"""The same for all series of pictures."""


class TableHeads(dict[int, bytes]):
    """Of float32 tables with the shapes that a series was seen to have."""

    def __init__(self) -> None:
        super().__init__()
        self._shapes: dict[int, tuple[int, ...]] = {}

    def __missing__(self, size: int) -> bytes:
        return b""

    def learn(self, table: Array) -> None:
        """Takes notice of a table that the parser has read, and checked."""
        if table.dtype != np.float32 or not table.size or len(self) >= _MOST_HEADS:
            return
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in table.shape])
        tensor = TensorProto(dtype=DT_FLOAT, tensor_shape=shape, tensor_content=table.tobytes()).SerializeToString()
        head = opening(_TENSOR, len(tensor)) + tensor[: len(tensor) - table.nbytes]
        self[len(head) + table.nbytes] = head
        self._shapes[len(head) + table.nbytes] = table.shape

    def table(self, data: bytes, stop: int, size: int) -> Array:
        """The numbers of a value with a known head, of `size` bytes that end at `stop`. They do not keep `data` in memory."""
        content = data[stop - size + len(self[size]) : stop]
        return np.frombuffer(content, np.float32).reshape(self._shapes[size])


def _picture_head(size: int) -> bytes:
    """Key and length of the tensor, its type and shape, key and length of its string; empty where no string makes `size` bytes in all."""
    tensor = _length_within(size - 1)
    content = _length_within(tensor - len(_ONE_STRING) - 1)
    return opening(_TENSOR, tensor) + _ONE_STRING + opening(_STRING, content) if content >= 0 else b""


def _length_within(size: int) -> int:
    """The length that takes `size` bytes together with what it counts; -1 if there is none."""
    fitting = (size - own for own in range(1, _MOST_NUMBER_BYTES + 1) if size >= own and len(opening(0, size - own)) == 1 + own)
    return next(fitting, -1)


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to 56 bits, and where it ends.

    Raises:
        IndexError: the data end first.
        ValueError: it is longer, as negative ones are.
    """
    value = 0
    for place in range(_MOST_NUMBER_BYTES):
        byte = data[at + place]
        value |= (byte & _SHORT) << 7 * place
        if byte <= _SHORT:
            return value, at + place + 1
    raise ValueError("the number is too long")
