"""Whatever bytes stand where a record should, reading them ends in numbers of the size they promised or in a FormatError."""

from __future__ import annotations

import contextlib
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings

from tb_featuremap_plugin.format import record, run_record
from tb_featuremap_plugin.schema import limits
from tb_featuremap_plugin.schema.errors import FormatError
from tb_featuremap_plugin.schema.network import RunRecord
from tests.support import hostile


def read_all(blob):
    """Every section of a record, or None where it is refused."""
    try:
        parsed = record.decode(blob)
        return {name: parsed.array(name) for name in parsed.sections}
    except FormatError:
        return None


@settings(max_examples=500, deadline=None)
@given(hostile.blobs())
def test_any_bytes_are_read_or_refused(blob):
    arrays = read_all(blob)
    if arrays is not None:
        for name, array in arrays.items():
            assert array.shape == record.decode(blob).sections[name].shape
    with contextlib.suppress(FormatError):
        assert isinstance(run_record.decode(blob), RunRecord)


def test_every_single_flipped_bit_is_read_or_refused():
    good = hostile._good_filters()
    for place in range(len(good)):
        for bit in range(8):
            data = bytearray(good)
            data[place] ^= 1 << bit
            read_all(bytes(data))


def test_every_length_is_read_or_refused():
    good = hostile._good_maps()
    assert read_all(good) is not None
    assert all(read_all(good[:length]) is None for length in range(len(good)))


def bomb(inflated, claimed):
    """A gzip member of zeros, behind a header that claims another size."""
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join([*(packer.compress(bytes(2**20)) for _ in range(inflated // 2**20)), packer.flush()])
    good = record.encode({}, {"x": np.zeros(1, np.uint8)})
    length = int.from_bytes(good[:8], "little")
    text = good[8 : 8 + length].decode()
    text = text.replace('"shape":[1]', f'"shape":[{claimed}]').replace(
        text[text.index('"offsets"') : text.index("]") + 1], f'"offsets":[0,{len(packed)}]'
    )
    return len(text).to_bytes(8, "little") + text.encode() + packed


def test_a_bomb_inflates_no_further_than_its_header_claims():
    blob = bomb(64 * 2**20, 1000)
    assert len(blob) < 2**20
    tracemalloc.start()
    with pytest.raises(FormatError, match="another size"):
        record.decode(blob).array("x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 2**20


def test_a_bomb_that_admits_its_size_is_refused_before_it_is_inflated():
    blob = bomb(2**20, limits.MAX_SECTION_BYTES + 1)
    with pytest.raises(FormatError, match="at most"):
        record.decode(blob)


@pytest.mark.parametrize(
    "shape", ["[4294967296,4294967296]", "[9007199254740991,2]", "[-1]", "[1.0]", "[true]", "[1e3]", "[1,1,1,1,1,1,1,1,1]", '"1"']
)
def test_shapes_that_overflow_are_refused(shape):
    good = record.encode({}, {"x": np.zeros(1, np.uint8)})
    length = int.from_bytes(good[:8], "little")
    text = good[8 : 8 + length].replace(b'"shape":[1]', f'"shape":{shape}'.encode())
    with pytest.raises(FormatError):
        record.decode(len(text).to_bytes(8, "little") + text + good[8 + length :])


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b'{"a":' * 50_000, b'{"version":NaN}', b'{"version":' + b"9" * 10_000 + b"}", b"\xff\xfe", b"{}"]
)
def test_headers_that_are_no_headers_are_refused(text):
    with pytest.raises(FormatError):
        record.decode(len(text).to_bytes(8, "little") + text)


def test_too_many_sections_are_refused():
    arrays = {f"s{index}": np.zeros(1, np.uint8) for index in range(limits.MAX_SECTIONS + 1)}
    with pytest.raises(FormatError, match="sections"):
        record.decode(record.encode({}, arrays))
