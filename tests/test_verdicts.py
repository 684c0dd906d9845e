"""One word for each variable, and the numbers that say so."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from tb_featuremap_plugin import diagnosis
from tb_featuremap_plugin.diagnosis import diagnose
from tb_featuremap_plugin.schema.verdicts import VERDICTS
from tests.support.known import variables_of
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


def test_slow_is_said_of_a_median_with_its_limit_and_what_is_usual():
    found = verdict(edited(update_ratio=np.where(STEPS > 100, 5e-3, 2e-4)))
    assert found.message == (
        "Changes by only 0.02 % of its size a step, the median over the steps that are judged; "
        "below 0.03 % is slow, 0.1 % to 6.5 % is usual."
    )


def test_there_is_one_usual_range():
    """The one of the charts and the heat map stands in every sentence that names one."""
    low, high = diagnosis.report([healthy_run()])["healthy"]["variables"]["update_ratio"]
    assert low is not None
    assert high is not None
    usual = f"{100 * low:g} % to {100 * high:g} % is usual"
    stuck = dataclasses.replace(edited(update_ratio=0.2, update_norm=1.0), losses=flat_losses())
    assert verdict(stuck).message == f"Changes by 20 % of its size a step; {usual}."
    assert usual in verdict(edited(update_ratio=2e-4)).message
    sentences = [finding.message for finding in diagnose(stuck).findings if finding.rule == "too_fast"]
    slow = dataclasses.replace(healthy_run(), losses=flat_losses())
    for name in variables_of(slow).rows:
        slow = edit(slow, "variables", name, update_ratio=2e-4)
    sentences += [finding.message for finding in diagnose(slow).findings if finding.rule == "too_slow"]
    assert len(sentences) == 2
    assert all(usual in sentence for sentence in sentences)


@pytest.mark.parametrize(("ratio", "fires"), [(0.06, False), (0.07, True)])
def test_a_stuck_run_is_too_fast_from_the_top_of_the_usual_range_on(ratio, fires):
    stuck = dataclasses.replace(edited(update_ratio=ratio, update_norm=5 * ratio), losses=flat_losses())
    assert ("too_fast" in {finding.rule for finding in diagnose(stuck).findings}) == fires


def test_every_word_of_the_catalogue_can_be_said():
    numbers = {"ratio": "1 %", "usual": "2 %", "slow": "3 %", "lost": "4 %", "direction": "0", "shrinking": "5 %"}
    assert all(word.sentence.format(**numbers).endswith(".") for word in VERDICTS)


def test_every_verdict_has_words():
    for found in diagnose(healthy_run()).verdicts:
        assert found.message
        assert "nan" not in found.message
        assert not math.isnan(found.evidence["update_ratio"])
