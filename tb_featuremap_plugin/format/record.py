"""The bytes of a record, and nothing else: docs/format.md is the specification, this file its only implementation.

A record is `length | header | sections`: eight bytes little-endian, a JSON object of that many bytes, and the sections that the
header describes, back to back. This module may touch bytes, JSON, gzip and NumPy. It knows neither statistics nor event files.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import numpy.typing as npt
from isal import igzip_lib

from tb_featuremap_plugin.schema import limits
from tb_featuremap_plugin.schema.errors import FormatError, NewerVersionError
from tb_featuremap_plugin.schema.pictures import DTYPES, FORMAT_VERSION

_ORDINAL, _SECTIONS = "ordinal", "sections"
_LENGTH_BYTES = 8
_json = json.JSONEncoder(allow_nan=False, check_circular=False, separators=(",", ":"), sort_keys=True)

_NAMES = {np.dtype(order + stored[1:]): name for name, stored in DTYPES.items() for order in "<>"}

Array = npt.NDArray[Any]

_FAST, _THOROUGH = 1, 3

_LARGEST_THOROUGH = 1 << 17
"""Statistics up to this size are worth a slower level, which saves a sixth of them; codes of pixels do not get smaller by it."""

_NEARBY, _ANYWHERE = 12, 15
"""Bits of how far back repetitions are looked for: pixels are like those near by, and short distances take fewer bits and less time."""

_LARGEST_STORED = 512
"""Up to this size a member is stored, not compressed: setting a compressor up takes longer than all else that a tiny map needs."""

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


@dataclass(frozen=True)
class Section:
    """Where an array lies in a record.

    Attributes:
        dtype: one of `schema.pictures.DTYPES`.
        shape: sizes of the axes, row-major.
        start, stop: the gzip member's bytes, counted from the end of the header.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        """Bytes of the array once inflated."""
        return math.prod(self.shape) * np.dtype(DTYPES[self.dtype]).itemsize


@dataclass(frozen=True)
class Record:
    """A record whose header was read and checked; sections are inflated when asked for."""

    header: Mapping[str, Any]
    sections: Mapping[str, Section]
    blob: bytes
    body: int

    def array(self, name: str) -> Array:
        """Inflates one section.

        Raises:
            FormatError: there is no such section, or its bytes do not inflate to exactly what the header says.
        """
        section = self.sections.get(name)
        if section is None:
            raise FormatError(f"the record has no section {name!r}, only {sorted(self.sections)}")
        packed = self.blob[self.body + section.start : self.body + section.stop]
        flat = np.frombuffer(_inflate(packed, section.nbytes, name), dtype=DTYPES[section.dtype])
        return flat.reshape(section.shape)


class Header(NamedTuple):
    """A header that the records of a series share: its JSON before the ordinal, from there to the sections, and behind them."""

    start: str
    middle: str
    end: str


class Packed(NamedTuple):
    """An array as the bytes that are stored of it: of dtype and shape as in `Section`."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes | memoryview


def shared_header(fields: Mapping[str, Any]) -> Header:
    """What `encode` writes before and behind what differs from record to record.

    Args:
        fields: JSON values under any keys but "version" and "sections", which are filled in.
    """
    before = {key: value for key, value in fields.items() if key <= _ORDINAL}
    between = {key: value for key, value in fields.items() if _ORDINAL < key < _SECTIONS}
    behind = {key: value for key, value in fields.items() if key > _SECTIONS} | {"version": FORMAT_VERSION}
    middle = f'{_fields_text(between)}"{_SECTIONS}":{{'
    return Header("{" + _fields_text(before), middle, "}," + _json.encode(behind)[1:])


def encode(header: Mapping[str, Any] | Header, arrays: Mapping[str, Array | Packed], ordinal: int | None = None) -> bytes:
    """Writes a record: the same header and arrays always give the same bytes.

    Args:
        header: as of `shared_header`, or what that made of it.
        arrays: section name to array of one of the stored dtypes, in the order in which they are written.
        ordinal: of the record in its series; left out where it is None.

    Raises:
        ValueError: an array's dtype is not one that the format stores.
    """
    shared = header if isinstance(header, Header) else shared_header(header)
    members, sections, start = [], [], 0
    for name, array in arrays.items():
        packed = array if isinstance(array, Packed) else _packed(name, array)
        member = gzip_member(packed.data, of_numbers=packed.dtype != "uint8")
        stop = start + len(member)
        sections.append((name, f'{{"dtype":"{packed.dtype}","offsets":[{start},{stop}],"shape":{_sizes_text(packed.shape)}}}'))
        members.append(member)
        start = stop
    described = ",".join([f"{_name_text(name)}:{section}" for name, section in sorted(sections)])
    counted = "" if ordinal is None else f'"{_ORDINAL}":{ordinal},'
    encoded = f"{shared.start}{counted}{shared.middle}{described}{shared.end}".encode("ascii")
    return b"".join([len(encoded).to_bytes(_LENGTH_BYTES, "little"), encoded, *members])


def decode(blob: bytes) -> Record:
    """Reads and checks a record's header; no section is inflated yet.

    Raises:
        NewerVersionError: the record is of a later format version.
        FormatError: anything else that the specification forbids.
    """
    if len(blob) > limits.MAX_BLOB_BYTES:
        raise FormatError(f"the record has {len(blob)} bytes; at most {limits.MAX_BLOB_BYTES} are read")
    length = int.from_bytes(blob[:_LENGTH_BYTES], "little")
    body = _LENGTH_BYTES + length
    if len(blob) < _LENGTH_BYTES or length > limits.MAX_HEADER_BYTES or body > len(blob):
        raise FormatError(f"the header claims {length} bytes of a record of {len(blob)}; at most {limits.MAX_HEADER_BYTES} are read")
    header = _parse_header(blob[_LENGTH_BYTES:body])
    return Record(header, _parse_sections(header.get("sections"), len(blob) - body), blob, body)


def _packed(section: str, array: Array) -> Packed:
    dtype = _NAMES.get(array.dtype)
    if dtype is None:
        raise ValueError(f"section {section!r} has dtype {array.dtype}; the format stores {sorted(DTYPES)}")
    return Packed(dtype, array.shape, np.ascontiguousarray(array, dtype=DTYPES[dtype]).reshape(-1).view(np.uint8).data)


def _fields_text(fields: Mapping[str, Any]) -> str:
    """The fields of an object, each with a comma behind it."""
    return _json.encode(fields)[1:-1] + "," if fields else ""


@lru_cache(maxsize=1024)
def _name_text(name: str) -> str:
    return _json.encode(name)


@lru_cache(maxsize=1024)
def _sizes_text(shape: tuple[int, ...]) -> str:
    return _json.encode(shape)


def gzip_member(data: bytes | memoryview, *, of_numbers: bool = False) -> bytes:
    """One complete gzip member with mtime 0 and no file name.

    Args:
        data: bytes, or a view of bytes.
        of_numbers: whether they are numbers of several bytes each.
    """
    if len(data) <= _LARGEST_STORED:
        block = struct.pack("<BHH", 1, len(data), len(data) ^ 0xFFFF)
        return b"".join([_GZIP_HEADER, block, data, struct.pack("<II", zlib.crc32(data), len(data))])
    level = _THOROUGH if of_numbers and len(data) <= _LARGEST_THOROUGH else _FAST
    return igzip_lib.compress(data, level=level, flag=igzip_lib.COMP_GZIP, hist_bits=_ANYWHERE if of_numbers else _NEARBY)


def _inflate(packed: bytes, expected: int, name: str) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        data = inflater.decompress(packed, expected + 1)
    except zlib.error as error:
        raise FormatError(f"section {name!r} is not a gzip member: {error}") from None
    if len(data) != expected or not inflater.eof or inflater.unused_data:
        raise FormatError(f"section {name!r} inflates to another size than the {expected} bytes of its shape")
    return data


def _parse_header(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise FormatError(f"the header is a {type(header).__name__}, not an object")
    version = header.get("version")
    if type(version) is not int or version < 1:
        raise FormatError(f"the header's version is {version!r:.100}, not a whole number from 1")
    if version > FORMAT_VERSION:
        raise NewerVersionError(f"the record is of format version {version}; this package reads up to {FORMAT_VERSION}")
    return header


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _parse_sections(raw: object, available: int) -> dict[str, Section]:
    if not isinstance(raw, dict) or len(raw) > limits.MAX_SECTIONS:
        raise FormatError(f"sections must be an object of at most {limits.MAX_SECTIONS} entries")
    sections = {name: _parse_section(name, entry) for name, entry in raw.items()}
    expected = 0
    for name, section in sorted(sections.items(), key=lambda item: (item[1].start, item[1].stop)):
        if section.start != expected or section.stop < section.start:
            raise FormatError(f"section {name!r} starts at {section.start}, where {expected} was expected")
        expected = section.stop
    if expected != available:
        raise FormatError(f"the sections end at {expected}, the record at {available}")
    return sections


def _parse_section(name: str, entry: object) -> Section:
    if not isinstance(entry, dict):
        raise FormatError(f"section {name!r:.100} is not an object")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("offsets")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise FormatError(f"section {name!r:.100} has dtype {dtype!r:.100}; known are {sorted(DTYPES)}")
    if not _is_sizes(shape) or len(shape) > limits.MAX_DIMENSIONS:
        raise FormatError(f"section {name!r:.100} has shape {shape!r:.100}")
    if not _is_sizes(offsets) or len(offsets) != 2:
        raise FormatError(f"section {name!r:.100} has offsets {offsets!r:.100}")
    section = Section(dtype, tuple(shape), offsets[0], offsets[1])
    if section.nbytes > limits.MAX_SECTION_BYTES:
        raise FormatError(f"section {name!r:.100} holds {section.nbytes} bytes; at most {limits.MAX_SECTION_BYTES} are read")
    return section


def _is_sizes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(size) is int and 0 <= size < 2**53 for size in value)
