"""The cases that the frontend is tested with are what NumPy and the frameworks say."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tb_featuremap_plugin.diagnosis import channel_health
from tests.support import golden_cases, golden_layers


@pytest.mark.tensorflow
@pytest.mark.torch
def test_receptive_fields_are_those_of_real_layers() -> None:
    assert json.loads(golden_cases.GEOMETRY.read_text()) == json.loads(golden_cases.encode(golden_cases.geometry_cases()))


def test_ranges_are_those_that_numpy_finds() -> None:
    stored = json.loads(golden_cases.RANGES.read_text())
    found = json.loads(golden_cases.encode(golden_cases.range_cases()))
    for case, expected in zip(stored, found, strict=True):
        assert case["percentile"] == pytest.approx(expected["percentile"], rel=1e-12)
        assert {**case, "percentile": None} == {**expected, "percentile": None}


@pytest.mark.torch
def test_products_add_up_to_what_torch_computes() -> None:
    stored = json.loads(golden_cases.PRODUCTS.read_text())
    found = json.loads(golden_cases.encode(golden_cases.product_cases()))
    for case, expected in zip(stored, found, strict=True):
        assert case["value"] == pytest.approx(expected["value"], rel=1e-9, abs=1e-12)
        assert {**case, "value": None} == {**expected, "value": None}


def test_conditions_follow_from_one_rule_after_the_other() -> None:
    stored = json.loads(golden_cases.CONDITIONS.read_text())
    assert stored == json.loads(golden_cases.encode(golden_cases.condition_cases()))
    assert {word for case in stored for word in case["conditions"]} == {"alive", "dead", "constant", "saturated", "not finite", "unknown"}


@pytest.mark.parametrize("case", json.loads(golden_cases.CONDITIONS.read_text()), ids=lambda case: str(case["activation"]))
def test_the_backend_says_of_a_channel_what_the_cases_say(case: dict[str, Any]) -> None:
    names = tuple(case["statistics"])
    values = np.array([[list(map(float, case["statistics"][name])) for name in names]], np.float32)
    codes = channel_health.conditions(names, values, case["activation"])
    words = ("alive", "dead", "constant", "saturated", "not finite", "unknown")
    assert [words[code] for code in codes[0]] == case["conditions"]


@pytest.mark.tensorflow
@pytest.mark.torch
def test_values_of_layers_are_those_of_real_ones() -> None:
    stored = json.loads(golden_layers.LAYERS.read_text())
    found = json.loads(golden_cases.encode(golden_layers.layer_cases()))
    for case, expected in zip(stored, found, strict=True):
        assert case["value"] == pytest.approx(expected["value"], rel=1e-9, abs=1e-12)
        assert {**case, "value": None} == {**expected, "value": None}
