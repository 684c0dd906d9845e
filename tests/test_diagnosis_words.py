"""Every message, read as by somebody who has that problem and not this code."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tb_featuremap_plugin.diagnosis import diagnose, phrases
from tb_featuremap_plugin.diagnosis.rule import all_rules
from tb_featuremap_plugin.schema.network import LoopFacts, NetworkChange, Probe
from tests.support import faulty_runs as today
from tests.support.synthetic_runs import STEPS, edit, edit_kernels, edit_layer, edit_record, flat_losses, healthy_run, losses

STUCK = flat_losses()


def stuck():
    return healthy_run(losses=STUCK)


EXAMPLES = {
    "non_finite": lambda: edit(healthy_run(), "layers", "fc", nan=np.where(STEPS >= 40, 7, 0)),
    "unscaled_input": lambda: edit(stuck(), "layers", "@inputs", min=0, max=255),
    "frozen_but_moving": lambda: edit(edit_layer(healthy_run(), "conv1", trainable=False), "variables", "conv1/kernel", trainable=0),
    "wrong_output": lambda: edit(healthy_run(), "layers", "out", units=1),
    "bad_init": lambda: edit(stuck(), "variables", "conv2/kernel", unit_spread=0),
    "exploding_activation": lambda: edit(stuck(), "layers", "conv2", std=4000),
    "vanishing_activation": lambda: edit(stuck(), "layers", "fc", input_share=4e-4),
    "too_fast": lambda: edit(stuck(), "variables", "fc/kernel", update_ratio=0.3, update_norm=1.5),
    "saturated_activation": lambda: edit_layer(edit(stuck(), "layers", "fc", saturated=0.97), "fc", activation="tanh"),
    "vanishing_gradient": lambda: edit(stuck(), "variables", "conv1/kernel", gradient_norm=1e-5),
    "dead_units": lambda: edit(stuck(), "layers", "fc", dead_units=0.97),
    "exploding_gradient": lambda: edit(stuck(), "variables", "fc/kernel", gradient_norm=1e5),
    "lost_to_rounding": lambda: edit(healthy_run(), "variables", "fc/kernel", lost=0.9, epsilon=7.8e-3),
    "unchanged_weights": lambda: edit(stuck(), "variables", "fc/kernel", update_ratio=0, displacement=0, changed=0, gradient_norm=0),
    "wrong_axis": lambda: edit_layer(healthy_run(), "out", output_axis=0),
    "gradient_accumulates": lambda: edit_record(stuck(), loop_facts=LoopFacts(updates=24, kept_gradients=23)),
    "eval_mode_training": lambda: edit_record(healthy_run(), loop_facts=LoopFacts(updates=24, evaluating=24)),
    "unscaled_targets": today.large_targets,
    "class_imbalance": today.uneven_classes,
    "tying_broken": lambda: today.tied(norm=np.where(STEPS >= 5, 3.5, 3.0)),
    "frozen_random": today.frozen_at_random,
    "gradient_clipped": today.clipped,
    "loss_rises": lambda: healthy_run(losses=losses(np.concatenate([np.geomspace(2.3, 0.8, 100), np.geomspace(0.8, 2.2, 100)]))),
    "batchnorm_frozen": today.standing_statistics,
    "unregistered_layers": lambda: edit_record(healthy_run(), unregistered=("blocks[0]", "blocks[1]")),
    "dropout_too_high": lambda: edit_layer(stuck(), "fc", kind="dropout", rate=0.95),
    "overfitting": lambda: today.overfitted(),
    "mode_collapse": today.collapsed,
    "batchnorm_lag": today.lagging,
    "constant_output": lambda: edit(stuck(), "layers", "out", input_share=1e-6),
    "too_slow": lambda: edit_kernels(stuck(), update_ratio=1e-5),
    "thrashing_weights": lambda: edit(stuck(), "variables", "fc/kernel", cosine=-0.9, update_ratio=0.02, update_norm=0.1, displacement=0.1),
    "duplicate_filters": lambda: edit(healthy_run(), "variables", "conv2/kernel", duplicates=0.8),
    "flat_loss": lambda: stuck(),
    "clipped_display": lambda: edit(healthy_run(), "layers", "conv1", above_one=0.45, zeros=0.5),
    "probe_changed": lambda: edit_record(healthy_run(), probes=(Probe(0, "a", {}), Probe(100, "b", {}))),
    "network_changed": lambda: edit_record(healthy_run(), changes=(NetworkChange(100, 50, layers_added=("fc2",)),)),
}

JARGON = ("rel_var", "input_share", "unit_spread", "NaN or inf ", "nan ", " inf ", "None", "healthy", "update_ratio", "gradient_norm")


def finding(rule):
    return next(found for found in diagnose(EXAMPLES[rule]()).findings if found.rule == rule)


def test_there_is_an_example_of_every_rule():
    assert set(EXAMPLES) == {rule.name for rule in all_rules()}


@pytest.mark.parametrize("rule", EXAMPLES)
def test_a_message_says_what_since_when_and_what_to_try(rule):
    found = finding(rule)
    assert re.search(r"step|start|steps", found.message) or rule in ("wrong_output", "clipped_display")
    assert found.message.count(". ") >= 1
    assert found.message.endswith(".")
    assert found.advice
    assert all(not advice.endswith(".") for advice in found.advice)
    assert 5 <= len(found.title) <= 70
    assert not found.title.endswith(".")


@pytest.mark.parametrize("rule", EXAMPLES)
def test_a_message_has_no_names_of_columns_and_no_missing_numbers(rule):
    found = finding(rule)
    text = " ".join((found.title, found.message, *found.advice))
    assert not [word for word in JARGON if word in text]
    assert "not a number" not in text or rule == "non_finite"
    assert "  " not in text
    assert not re.search(r"\d\.0*[1-9]\d{3,}", text)


@pytest.mark.parametrize("rule", EXAMPLES)
def test_a_finding_points_at_something_that_exists(rule):
    found = finding(rule)
    run = EXAMPLES[rule]()
    rows = {"layer": run.layers.rows, "input": run.layers.rows, "variable": run.variables.rows, "run": (run.title,)}
    assert found.target in rows[found.target_kind]
    if found.chart is not None and found.chart.table != "losses":
        table = getattr(run, found.chart.table)
        assert found.chart.row in table.rows
        assert found.chart.column in table.columns
        assert found.chart.label
    assert run.layers.steps[0] <= found.first_step <= found.last_step <= run.layers.steps[-1]


def test_a_cross_entropy_that_rises_is_said_to_rise():
    rising = healthy_run(losses=losses(np.linspace(2.3, 9, 200)))
    assert "its start (2.4)" in next(found for found in diagnose(rising).findings if found.rule == "flat_loss").message


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0042, "0.0042"),
        (1190, "1,190"),
        (12.34, "12"),
        (2.302, "2.3"),
        (3.2e-7, "3.2e-07"),
        (0, "0"),
        (-4.56, "-4.6"),
        (20.0, "20"),
        (0.1, "0.1"),
    ],
)
def test_numbers_are_rounded_to_what_matters(value, text):
    assert phrases.number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.97, "97 %"), (0.00412, "0.41 %"), (1.0, "100 %"), (0.9999, "over 99 %"), (0.0, "0 %"), (1e-9, "less than 0.001 %"), (3.5, "350 %")],
)
def test_shares_are_never_rounded_to_all_or_nothing(share, text):
    assert phrases.percent(share) == text


def test_lists_of_names_stay_short():
    assert phrases.names(["a"]) == "`a`"
    assert phrases.names(["a", "b"]) == "`a` and `b`"
    assert phrases.names(["a", "b", "c", "d", "e"]) == "`a`, `b`, `c` and 2 more"


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("dead_units", 0.5, "50 %"),
        ("duplicates", 0.25, "25 %"),
        ("input_share_before", 0.9, "90 %"),
        ("update_ratio", 0.0019, "0.0019"),
        ("std", 1234.0, "1,234"),
        ("first_nonfinite_loss_step", 1200000, "1,200,000"),
        ("steps", [3, 1500], "3, 1,500"),
        ("gradient_norms", {"a": 0.5}, "a 0.5"),
        ("layers", ["a", "b"], "a, b"),
        ("he_factor", None, "not known"),
    ],
)
def test_the_numbers_behind_a_finding_have_the_units_of_their_columns(key, value, text):
    assert phrases.evidence_phrases({key: value, "healthy_min": 1}) == [(key.replace("_", " "), text)]
