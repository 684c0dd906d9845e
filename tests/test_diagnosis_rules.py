"""The rules as a whole, and those about the input, the start and what merely deserves a note: each fires where it should, and stays quiet
at the margin and where a gate holds it back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tb_featuremap_plugin.diagnosis import diagnose
from tb_featuremap_plugin.diagnosis.rule import all_rules
from tb_featuremap_plugin.schema.network import Layer, NetworkChange, Probe
from tests.support.known import record_of
from tests.support.synthetic_runs import STEPS, alarms, edit, edit_record, found, headline_of, healthy_run, losses, stuck_run


def test_a_run_that_learns_has_no_findings():
    assert found(healthy_run()) == []


def test_a_stuck_run_without_a_reason_gets_a_note_and_no_alarm():
    assert alarms(stuck_run()) == []
    assert [finding.rule for finding in found(stuck_run())] == ["flat_loss"]


def test_every_rule_of_the_contract_exists_in_causal_order():
    names = [rule.name for rule in all_rules()]
    assert set(names) == {
        "non_finite", "unscaled_input", "bad_init", "exploding_activation", "vanishing_activation", "dead_units", "saturated_activation",
        "vanishing_gradient", "exploding_gradient", "too_fast", "too_slow", "unchanged_weights", "lost_to_rounding", "thrashing_weights",
        "constant_output", "wrong_output", "frozen_but_moving", "wrong_axis", "gradient_accumulates",
        "unscaled_targets", "class_imbalance", "tying_broken", "unregistered_layers", "dropout_too_high",
        "eval_mode_training", "frozen_random", "gradient_clipped", "loss_rises", "overfitting", "mode_collapse",
        "batchnorm_lag", "batchnorm_frozen",
        "duplicate_filters", "flat_loss", "clipped_display", "probe_changed", "network_changed",
    }  # fmt: skip
    assert names.index("unscaled_input") < names.index("bad_init") < names.index("dead_units") < names.index("constant_output")


class TestNonFinite:
    def test_names_the_first_layer_of_the_first_step(self):
        counts = np.where(STEPS >= 40, 7, 0)
        run = edit(edit(healthy_run(), "layers", "fc", nan=counts), "layers", "conv2", pos_inf=counts)
        run = edit(run, "layers", "conv1", nan=np.where(STEPS >= 60, 1, 0))
        (finding,) = found(run, "non_finite")
        assert (finding.target, finding.target_kind, finding.first_step, finding.severity) == ("conv2", "layer", 40, "error")

    def test_weights_and_gradients_count_too(self):
        (finding,) = found(edit(healthy_run(), "variables", "conv2/kernel", gradient_nonfinite=np.where(STEPS >= 20, 3, 0)), "non_finite")
        assert (finding.target, finding.target_kind, finding.first_step) == ("conv2/kernel", "variable", 20)

    def test_infinity_that_a_buffer_had_from_the_start_is_meant(self):
        masked = edit(edit(healthy_run(), "variables", "conv2/kernel", neg_inf=21), "variables", "conv2/kernel", trainable=0)
        assert not found(masked, "non_finite")
        grows = edit(masked, "variables", "conv2/kernel", neg_inf=np.where(STEPS >= 40, 22, 21))
        assert [finding.target for finding in found(grows, "non_finite")] == ["conv2/kernel"]
        broken = edit(masked, "variables", "conv2/kernel", nan=np.where(STEPS >= 40, 1, 0))
        assert [finding.target for finding in found(broken, "non_finite")] == ["conv2/kernel"]
        assert found(edit(healthy_run(), "variables", "conv2/kernel", neg_inf=21), "non_finite")

    def test_a_loss_that_breaks_while_layers_are_modest_is_blamed_itself(self):
        values = np.full(200, 2.0)
        values[149:] = np.nan
        run = edit(healthy_run(losses=losses(values)), "layers", "conv1", nan=np.where(STEPS >= 160, 1, 0))
        (finding,) = found(run, "non_finite")
        assert (finding.target, finding.first_step) == ("out", 150)
        assert "logarithm" in finding.message

    def test_a_broken_loss_that_sampling_dropped_is_remembered(self):
        run = edit(healthy_run(), "progress", "run", first_nonfinite_loss_step=np.where(STEPS >= 60, 55, np.nan))
        assert found(run, "non_finite")[0].first_step == 55


class TestUnscaledInput:
    @pytest.mark.parametrize(("largest", "fires"), [(255, True), (21, True), (19, False), (12, False), (0.02, False), (0.004, True)])
    def test_limits(self, largest, fires):
        run = edit(healthy_run(), "layers", "@inputs", min=0, max=largest)
        assert bool(found(run, "unscaled_input")) == fires

    def test_names_the_layer_that_receives_it(self):
        finding = headline_of(edit(stuck_run(), "layers", "@inputs", min=0, max=255))
        assert (finding.rule, finding.target, finding.target_kind, finding.layer) == ("unscaled_input", "conv1", "input", "conv1")

    @pytest.mark.parametrize("kind", ["batch_normalization", "BatchNorm2d", "normalization", "layer_norm"])
    def test_a_normalisation_in_front_is_fine(self, kind):
        run = edit(healthy_run(), "layers", "@inputs", min=0, max=255)
        run = edit_record(run, layers=(Layer("norm", kind=kind), *record_of(run).layers))
        assert not found(run, "unscaled_input")

    def test_what_a_rescaling_puts_out_is_judged(self):
        run = edit(healthy_run(), "layers", "@inputs", min=0, max=255)
        first, *rest = record_of(run).layers
        run = edit_record(run, layers=(dataclasses.replace(rest[0], name="conv1", kind="rescaling", weights=()), *[first, *rest][1:]))
        run = edit_record(run, layers=(Layer("conv1", kind="rescaling"), *rest))
        assert not found(run, "unscaled_input")


class TestBadInit:
    def test_equal_units(self):
        (finding,) = found(edit(healthy_run(), "variables", "conv2/kernel", unit_spread=0), "bad_init")
        assert (finding.target, finding.severity) == ("conv2", "error")
        assert not found(edit(healthy_run(), "variables", "conv2/kernel", unit_spread=0.01), "bad_init")

    def test_equal_units_of_the_last_layer_come_apart_by_themselves(self):
        assert not found(edit(healthy_run(), "variables", "out/kernel", unit_spread=0, initial_norm=0, norm=1), "bad_init")

    def test_a_zero_kernel_that_stays_put(self):
        run = edit(stuck_run(), "variables", "conv2/kernel", initial_norm=0, norm=0, displacement=0, unit_spread=0)
        assert found(run, "bad_init")[0].target == "conv2"

    def test_a_zero_kernel_that_grows_and_learns_is_deliberate(self):
        grown = np.where(STEPS > 0, 1.0, 0.0)
        assert not found(edit(healthy_run(), "variables", "conv2/kernel", initial_norm=0, norm=grown, unit_spread=grown), "bad_init")

    def test_a_scale_far_off_is_blamed_only_for_a_run_that_is_stuck(self):
        small = {"initial_std": np.sqrt(2 / 144) / 40}
        assert alarms(edit(stuck_run(), "variables", "conv2/kernel", **small)) == ["bad_init"]
        assert not found(edit(healthy_run(), "variables", "conv2/kernel", **small), "bad_init")

    def test_a_start_far_too_small_comes_before_units_that_die_of_it(self):
        small = edit(stuck_run(), "variables", "conv1/kernel", initial_std=0.001, fan_in=144)
        dying = edit(small, "layers", "fc", dead_units=np.where(STEPS >= 5, 0.97, 0.1))
        assert alarms(dying) == ["bad_init"]
        assert [finding.because for finding in found(dying, "dead_units")] == ["bad_init"]


class TestNotes:
    def test_duplicates(self):
        (finding,) = found(edit(healthy_run(), "variables", "conv2/kernel", duplicates=np.where(STEPS >= 100, 0.8, 0)), "duplicate_filters")
        assert (finding.severity, finding.first_step) == ("info", 100)
        assert not found(edit(healthy_run(), "variables", "conv2/kernel", duplicates=0.4), "duplicate_filters")

    def test_clipped_display(self):
        (finding,) = found(edit(healthy_run(), "layers", "conv1", above_one=0.45, zeros=0.5), "clipped_display")
        assert (finding.severity, finding.target) == ("info", "conv1")
        assert "white" in finding.title
        assert "black" in found(edit(healthy_run(), "layers", "conv1", below_zero=0.95, above_one=0, zeros=0), "clipped_display")[0].title

    def test_probe_changed(self):
        probes = (Probe(0, "a", {}), Probe(100, "b", {}))
        (finding,) = found(edit_record(healthy_run(), probes=probes), "probe_changed")
        assert (finding.first_step, finding.severity) == (100, "info")
        assert not found(edit_record(healthy_run(), probes=probes[:1]), "probe_changed")

    def test_network_changed(self):
        head = NetworkChange(120, 100, variables_replaced=("fc/kernel", "fc/bias"))
        grown = NetworkChange(140, 120, layers_added=("fc2",), variables_added=("fc2/kernel",), frozen=("conv1/kernel",))
        (finding,) = found(edit_record(healthy_run(), changes=(head, grown)), "network_changed")
        assert (finding.first_step, finding.severity) == (120, "info")
        assert "After step 100, and by step 120: variables that were replaced `fc/kernel` and `fc/bias`." in finding.message
        assert "After step 120, and by step 140: new layers `fc2`; frozen `conv1/kernel`." in finding.message
        assert not found(healthy_run(), "network_changed")

    def test_a_rising_loss_is_said_to_rise(self):
        assert found(healthy_run(losses=losses(np.linspace(2.3, 9, 200))), "flat_loss")[0].title == "The loss rises"


class TestFolding:
    def test_one_cause_stands_and_the_rest_folds_under_it(self):
        run = edit(stuck_run(), "layers", "@inputs", min=0, max=255)
        run = edit(edit(run, "layers", "conv2", dead_units=1.0), "layers", "out", input_share=1e-6)
        diagnosis = diagnose(run)
        assert [finding.rule for finding in diagnosis.findings if finding.is_alarm] == ["unscaled_input"]
        assert {finding.rule for finding in diagnosis.findings if finding.because == "unscaled_input"} >= {"dead_units", "constant_output"}

    def test_two_causes_both_stand(self):
        run = edit(edit_record(stuck_run(), from_logits=True), "layers", "@inputs", max=255)
        assert alarms(run) == ["unscaled_input", "wrong_output"]

    def test_the_json_points_from_consequence_to_cause(self):
        run = edit(stuck_run(), "layers", "conv2", dead_units=1.0)
        findings = diagnose(run).to_dict()["findings"]
        assert findings[0]["because_of"] is None
        assert all(finding["because_of"] == 0 for finding in findings[1:])
