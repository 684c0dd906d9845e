"""The bytes of a record."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.schema import errors

ARRAYS = st.sampled_from(["uint8", "float16", "float32", "int32", "float64"]).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.text(max_size=8), ARRAYS, max_size=4),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.none(), max_size=3),
)
def test_what_is_written_is_read(sections, header):
    header = {key: value for key, value in header.items() if key not in ("version", "sections")}
    blob = record.encode(header, sections)
    read = record.decode(blob)
    assert {key: value for key, value in read.header.items() if key not in ("version", "sections")} == header
    assert set(read.sections) == set(sections)
    for name, array in sections.items():
        np.testing.assert_array_equal(read.array(name), array)
    assert record.encode(header, sections) == blob


def test_sections_are_gzip_members_that_anybody_inflates():
    values = np.arange(1000, dtype=np.float32)
    blob = record.encode({"kind": "maps"}, {"a": values, "b": values[::-1]})
    read = record.decode(blob)
    for name, section in read.sections.items():
        member = blob[read.body + section.start : read.body + section.stop]
        assert gzip.decompress(member) == read.array(name).tobytes()
        assert member[4:8] == bytes(4)


def test_big_endian_and_strided_arrays_are_stored_alike():
    values = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert record.encode({}, {"a": values.astype(">i4")}) == record.encode({}, {"a": values})
    assert record.encode({}, {"a": np.asfortranarray(values)}) == record.encode({}, {"a": values})


@pytest.mark.parametrize("dtype", ["int64", "complex64", "bool", "uint16"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match="the format stores"):
        record.encode({}, {"a": np.zeros(3, dtype)})


def test_a_missing_section_is_said():
    with pytest.raises(errors.FormatError, match="no section 'b', only"):
        record.decode(record.encode({}, {"a": np.zeros(3, np.uint8)})).array("b")


NAMES = st.text(max_size=8)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(NAMES, ARRAYS, max_size=4),
    st.dictionaries(NAMES, st.integers() | st.text() | st.lists(st.integers(), max_size=3), max_size=5),
    st.none() | st.integers(1, 2**40),
)
def test_a_header_is_the_json_of_all_its_fields_in_order(sections, fields, ordinal):
    fields = {key: value for key, value in fields.items() if key not in ("version", "sections", "ordinal")}
    blob = record.encode(record.shared_header(fields), sections, ordinal)
    read = record.decode(blob)
    described = {
        name: {"dtype": section.dtype, "shape": list(section.shape), "offsets": [section.start, section.stop]}
        for name, section in read.sections.items()
    }
    counted = {} if ordinal is None else {"ordinal": ordinal}
    expected = json.dumps({**fields, **counted, "version": 1, "sections": described}, sort_keys=True, separators=(",", ":"))
    assert blob[8 : read.body] == expected.encode("ascii")
    assert list(read.sections) == sorted(sections)
    assert record.encode(fields, sections, ordinal) == blob
    for name, array in sections.items():
        np.testing.assert_array_equal(read.array(name), array)
