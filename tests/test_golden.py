"""Records of format version 1, as they were written once: they are read for ever, and written the same."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.schema import errors
from tests.golden import make

GOOD = sorted(make.good())
BAD = sorted(make.bad())


def stored(name):
    return (make.FOLDER / f"{name}.bin").read_bytes(), json.loads((make.FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", GOOD)
def test_a_golden_record_is_read_as_it_always_was(name):
    blob, expected = stored(name)
    assert json.loads(json.dumps(make.expected(blob))) == expected


@pytest.mark.parametrize("name", GOOD)
def test_writing_it_again_gives_the_same_values(name):
    blob, written = stored(name)[0], make.good()[name]
    before, now = record.decode(blob), record.decode(written)
    assert set(before.sections) == set(now.sections)
    assert {key: value for key, value in now.header.items() if key != "sections"} == {
        key: value for key, value in before.header.items() if key != "sections"
    }
    for section in before.sections:
        np.testing.assert_allclose(now.array(section).astype(np.float64), before.array(section).astype(np.float64), rtol=1e-6, atol=1e-6)


def test_the_same_call_makes_the_same_bytes():
    assert make.good() == make.good()


@pytest.mark.parametrize("name", BAD)
def test_a_broken_record_is_refused(name):
    blob, expected = stored(name)
    with pytest.raises(errors.FormatError) as raised:
        make.expected(blob)
    assert type(raised.value).__name__ == expected["error"]
