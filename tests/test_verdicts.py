"""One word for each variable, and the numbers that say so."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from tb_featuremap_plugin.diagnosis import diagnose
from tests.support.synthetic_runs import STEPS, edit, edit_layer, flat_losses, healthy_run

KERNEL = "fc/kernel"


def verdict(run, variable=KERNEL):
    (found,) = (verdict for verdict in diagnose(run).verdicts if verdict.variable == variable)
    return found


def edited(**columns):
    return edit(healthy_run(), "variables", KERNEL, **columns)


@pytest.mark.parametrize(
    ("expected", "columns"),
    [
        ("changing", {}),
        ("changing", {"update_ratio": 4e-4}),
        ("changing", {"cosine": -0.45, "displacement": 0.01}),
        ("changing", {"radial": -0.65}),
        ("slow", {"update_ratio": 2e-4}),
        ("unchanged", {"update_ratio": 0, "displacement": 0, "changed": 0}),
        ("unchanged", {"update_ratio": 5e-8}),
        ("lost_to_rounding", {"lost": 0.9, "epsilon": 7.8e-3}),
        ("lost_to_rounding", {"update_ratio": 0, "displacement": 0, "changed": 0, "lost": 1, "epsilon": 9.8e-4}),
        ("thrashing", {"cosine": -0.8, "update_ratio": 0.02, "update_norm": 0.1, "displacement": 0.1}),
        ("decaying", {"radial": -0.8}),
        ("unknown", {"update_ratio": np.nan, "displacement": np.nan}),
    ],
)
def test_verdicts_of_kernels(expected, columns):
    assert verdict(edited(**columns)).verdict == expected


def test_large_steps_are_too_fast_where_they_lead_nowhere():
    large = edited(update_ratio=0.2)
    assert verdict(large).verdict == "changing"
    assert verdict(dataclasses.replace(large, losses=flat_losses())).verdict == "too_fast"


def test_a_frozen_layer_is_frozen_on_purpose():
    assert verdict(edit_layer(healthy_run(), "fc", trainable=False)).verdict == "frozen"


def test_biases_start_at_zero_so_their_ratio_is_not_judged():
    assert verdict(edit(healthy_run(), "variables", "fc/bias", update_ratio=0.5), "fc/bias").verdict == "changing"


def test_a_bias_of_two_units_cannot_but_grow_or_shrink():
    run = edit(healthy_run(), "variables", "out/bias", radial=-1, size=2)
    assert verdict(run, "out/bias").verdict == "changing"


def test_only_early_single_steps_count():
    converged = np.where(STEPS > 100, 1e-9, 0.004)
    assert verdict(edited(update_ratio=converged)).verdict == "changing"
    several_steps = np.where(np.isin(STEPS, [20, 40, 60]), 1, 20)
    wild = np.where(np.isin(STEPS, [20, 40, 60]), 0.004, 0.9)
    assert verdict(edited(gap=several_steps, update_ratio=wild)).verdict == "changing"


def test_after_a_drop_of_the_learning_rate_what_follows_is_judged():
    run = edit(healthy_run(), "progress", "run", learning_rate=np.where(STEPS < 100, 0.1, 0.0001))
    assert verdict(edit(run, "variables", KERNEL, update_ratio=np.where(STEPS < 100, 0.004, 1e-4))).verdict == "slow"


def test_the_numbers_stand_beside_the_word():
    evidence = verdict(edited(radial=-0.5)).evidence
    assert evidence["update_ratio"] == pytest.approx(0.004)
    assert evidence["moved_since_start"] == pytest.approx(2.0 / 5)
    assert evidence["direction"] == pytest.approx(0.4)
    assert evidence["shrinking_share"] == pytest.approx(0.25)


def test_growing_is_no_shrinking():
    assert verdict(edited(radial=0.5)).evidence["shrinking_share"] == 0


def test_numbers_that_are_missing_are_null_in_json():
    answer = verdict(edited(radial=np.nan)).to_dict()
    assert answer["evidence"]["shrinking_share"] is None
    assert answer["message"] == "Changes by 0.4 % of its size a step."


def test_moving_statistics_get_no_verdict():
    run = edit_layer(healthy_run(), "fc", weights=("fc/kernel",), state=("fc/bias",))
    assert "fc/bias" not in {verdict.variable for verdict in diagnose(run).verdicts}


def test_every_verdict_has_words():
    for found in diagnose(healthy_run()).verdicts:
        assert found.message
        assert "nan" not in found.message
        assert not math.isnan(found.evidence["update_ratio"])
