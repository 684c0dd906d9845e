"""Logdirs of every released format version open for ever, in every reader, with everything that was in them."""

from __future__ import annotations

import json

import pytest

from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.schema.pictures import FORMAT_VERSION
from tests.support.format_versions import FORMATS, VERSIONS, contents
from tests.support.providers import LOADERS, loaded


def assert_contains(found, expected, where: str = "") -> None:
    """Everything expected is there; a later package may find more, such as columns that it computes."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), where
        for key, value in expected.items():
            assert key in found, f"{where}/{key}"
            assert_contains(found[key], value, f"{where}/{key}")
    elif isinstance(expected, list) and any(isinstance(value, dict) for value in expected):
        assert len(found) == len(expected), where
        for at, value in enumerate(expected):
            assert_contains(found[at], value, f"{where}/{at}")
    else:
        assert found == expected, where


def test_the_version_that_is_written_has_its_logdir():
    assert str(FORMAT_VERSION) in VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_a_released_version_is_read_from_its_files(version):
    expected = json.loads((FORMATS / version / "expected.json").read_text())
    found = contents(EventSource(FORMATS / version / "logdir"))
    assert list(found) == list(expected)
    assert_contains(found, expected)
    assert sum(len(run["pictures"]) for run in expected.values()) > 20


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_released_version_is_read_by_tensorboard(version, loader):
    expected = json.loads((FORMATS / version / "expected.json").read_text())
    with loaded(loader, FORMATS / version / "logdir") as held:
        held.until(lambda source: len(source.outlines()) == len(expected) and not missing(contents(source), expected))
        assert_contains(contents(held.source()), expected)


def missing(found, expected) -> bool:
    try:
        assert_contains(found, expected)
    except AssertionError:
        return True
    return False
