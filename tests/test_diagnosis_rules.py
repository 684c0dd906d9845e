"""Each rule on runs made of numbers: it fires where it should, and stays quiet at the margin and where a gate holds it back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tb_featuremap_plugin.diagnosis import all_rules, diagnose
from tb_featuremap_plugin.layer import Layer, Probe
from tests.synthetic_runs import (
    STEPS,
    edit,
    edit_kernels,
    edit_layer,
    edit_record,
    falling_losses,
    flat_losses,
    healthy_run,
    losses,
)

STUCK = flat_losses()
HALFWAY = falling_losses(end=1.3)


def found(run, rule=None):
    return [finding for finding in diagnose(run).findings if rule is None or finding.rule == rule]


def alarms(run):
    return [finding.rule for finding in diagnose(run).findings if finding.is_alarm]


def stuck_run():
    return healthy_run(losses=STUCK)


def regression(run, activation="linear", loss="mse", **targets):
    run = edit_record(edit_layer(run, "out", activation=activation), loss=loss, from_logits=None)
    run = edit(run, "layers", "out", units=1)
    return edit(
        run,
        "layers",
        "@targets",
        **{"units": 1, "integers": 0, "min": -2, "max": 2, "p05": -1.6, "p95": 1.6, "mean": 0, "std": 1, **targets},
    )


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
        "constant_output", "wrong_output", "frozen_but_moving", "duplicate_filters", "flat_loss", "clipped_display", "probe_changed",
    }  # fmt: skip
    assert [rule.rank for rule in all_rules()] == sorted(rule.rank for rule in all_rules())
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
        finding = diagnose(edit(stuck_run(), "layers", "@inputs", min=0, max=255)).headline
        assert (finding.rule, finding.target, finding.target_kind, finding.layer) == ("unscaled_input", "conv1", "input", "conv1")

    @pytest.mark.parametrize("kind", ["batch_normalization", "BatchNorm2d", "normalization", "layer_norm"])
    def test_a_normalisation_in_front_is_fine(self, kind):
        run = edit(healthy_run(), "layers", "@inputs", min=0, max=255)
        run = edit_record(run, layers=(Layer("norm", kind=kind), *run.record.layers))
        assert not found(run, "unscaled_input")

    def test_what_a_rescaling_puts_out_is_judged(self):
        run = edit(healthy_run(), "layers", "@inputs", min=0, max=255)
        first, *rest = run.record.layers
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


class TestActivations:
    def test_exploding_names_the_first_layer_over_the_limit(self):
        run = edit(edit(stuck_run(), "layers", "conv2", std=31), "layers", "fc", std=900)
        assert found(run, "exploding_activation")[0].target == "conv2"
        assert not found(edit(stuck_run(), "layers", "conv2", std=29), "exploding_activation")

    def test_growth_during_training(self):
        run = edit(stuck_run(), "layers", "fc", max=np.where(STEPS >= 60, 2e4, 3))
        (finding,) = found(run, "exploding_activation")
        assert (finding.target, finding.first_step) == ("fc", 60)
        assert not found(edit(healthy_run(), "layers", "fc", max=np.where(STEPS >= 60, 2e4, 3)), "exploding_activation")

    def test_vanishing_names_the_layer_and_its_initial_scale(self):
        run = edit(edit(stuck_run(), "layers", "conv2", input_share=0.05), "layers", "fc", input_share=0.004)
        run = edit(run, "variables", "fc/kernel", initial_std=np.sqrt(2 / 512) / 12)
        finding = diagnose(run).headline
        assert (finding.rule, finding.target) == ("vanishing_activation", "fc")
        assert "0.4 %" in finding.message
        assert "5 %" in finding.message
        assert "12 times smaller" in finding.message

    def test_a_low_share_alone_is_no_fault_where_the_weights_start_well(self):
        assert "vanishing_activation" not in alarms(edit(stuck_run(), "layers", "fc", input_share=0.004))

    @pytest.mark.parametrize(("share", "fires"), [(9e-4, True), (2e-3, False)])
    def test_vanishing_limit(self, share, fires):
        assert ("vanishing_activation" in alarms(edit(stuck_run(), "layers", "conv2", input_share=share))) == fires

    def test_a_lost_signal_is_no_fault_in_a_run_that_learns(self):
        assert not found(edit(healthy_run(), "layers", "conv2", input_share=5e-4), "vanishing_activation")

    def test_saturation_counts_in_hidden_squashing_layers(self):
        run = edit_layer(edit(stuck_run(), "layers", "fc", saturated=0.8), "fc", activation="tanh")
        assert alarms(run) == ["saturated_activation"]
        assert not found(edit_layer(edit(stuck_run(), "layers", "fc", saturated=0.4), "fc", activation="tanh"), "saturated_activation")
        assert not found(edit(stuck_run(), "layers", "out", saturated=1.0), "saturated_activation")

    def test_saturation_is_a_note_in_a_run_that_learns(self):
        run = edit_layer(edit(healthy_run(), "layers", "fc", saturated=0.8), "fc", activation="sigmoid")
        assert [finding.severity for finding in found(run, "saturated_activation")] == ["info"]

    def test_dead_units_since_when(self):
        (finding,) = found(edit(stuck_run(), "layers", "conv2", dead_units=np.where(STEPS >= 80, 0.7, 0.1)), "dead_units")
        assert (finding.severity, finding.first_step, finding.target) == ("warning", 80, "conv2")

    @pytest.mark.parametrize(
        ("share", "of", "severity"), [(0.99, STUCK, "error"), (0.7, STUCK, "warning"), (0.55, STUCK, "info"), (0.7, HALFWAY, "info")]
    )
    def test_dead_units_severity(self, share, of, severity):
        assert found(edit(healthy_run(losses=of), "layers", "fc", dead_units=share), "dead_units")[0].severity == severity

    def test_many_dead_units_are_a_note_in_a_run_that_learns(self):
        assert alarms(edit(healthy_run(), "layers", "fc", dead_units=0.88)) == []

    def test_units_of_other_activations_do_not_die(self):
        assert not found(edit_layer(edit(stuck_run(), "layers", "fc", dead_units=0.9), "fc", activation="leaky_relu"), "dead_units")


class TestGradients:
    def test_vanishing(self):
        run = edit(stuck_run(), "variables", "conv1/kernel", gradient_norm=4e-4)
        assert (diagnose(run).headline.rule, diagnose(run).headline.target) == ("vanishing_gradient", "conv1")
        assert not found(edit(stuck_run(), "variables", "conv1/kernel", gradient_norm=6e-4 * 5), "vanishing_gradient")
        assert not found(edit(healthy_run(), "variables", "conv1/kernel", gradient_norm=4e-4), "vanishing_gradient")

    def test_a_stack_of_squashing_layers_is_judged_more_strictly(self):
        run = edit(stuck_run(), "variables", "conv1/kernel", gradient_norm=0.01)
        assert not found(run, "vanishing_gradient")
        for name in ("conv1", "conv2", "fc"):
            run = edit_layer(run, name, activation="sigmoid")
        assert found(run, "vanishing_gradient")

    def test_without_gradients_updates_tell_for_plain_gradient_descent_only(self):
        run = edit_kernels(stuck_run(), gradient_norm=np.nan)
        run = edit(run, "variables", "conv1/kernel", update_norm=1e-6)
        assert not found(run, "vanishing_gradient")
        (finding,) = found(edit_record(run, optimizer="SGD"), "vanishing_gradient")
        assert "judged from the size of its updates" in finding.message

    def test_exploding_is_judged_against_the_first_loss(self):
        assert found(edit(stuck_run(), "variables", "fc/kernel", gradient_norm=3e3), "exploding_gradient")
        assert not found(edit(healthy_run(losses=flat_losses(500)), "variables", "fc/kernel", gradient_norm=3e3), "exploding_gradient")


class TestSteps:
    def test_too_fast_by_the_median_ratio(self):
        ratios = {"update_ratio": 0.3, "update_norm": 1.5}
        assert alarms(edit(stuck_run(), "variables", "fc/kernel", **ratios)) == ["too_fast"]
        assert not found(edit(healthy_run(), "variables", "fc/kernel", **ratios), "too_fast")
        assert not found(edit(stuck_run(), "variables", "fc/kernel", update_ratio=0.04, update_norm=0.2), "too_fast")

    def test_too_fast_by_a_jump_of_the_loss(self):
        values = np.geomspace(2.3, 0.5, 200)
        values[30] = 300
        (finding,) = found(healthy_run(losses=losses(values)), "too_fast")
        assert finding.first_step == 31
        values[30] = 60
        assert not found(healthy_run(losses=losses(values)), "too_fast")

    def test_a_kernel_that_passes_through_zero_makes_no_leap(self):
        run = edit(stuck_run(), "variables", "fc/kernel", update_ratio=np.where(STEPS == 60, 40, 0.004), update_norm=0.02)
        assert not found(run, "too_fast")

    def test_the_step_that_killed_a_layer_is_the_cause(self):
        run = edit(stuck_run(), "layers", "fc", dead_units=np.where(STEPS >= 5, 1.0, 0.05))
        assert alarms(run) == ["dead_units"]
        run = edit(
            run, "variables", "fc/kernel", update_ratio=np.where(STEPS == 2, 0.6, 0.004), update_norm=np.where(STEPS == 2, 3.0, 0.02)
        )
        assert alarms(run) == ["too_fast"]
        assert [finding.because for finding in found(run, "dead_units")] == ["too_fast"]

    @pytest.mark.parametrize(
        ("ratio", "of", "fires"), [(2e-4, STUCK, True), (2e-4, HALFWAY, True), (2e-4, falling_losses(), False), (4e-3, STUCK, False)]
    )
    def test_too_slow(self, ratio, of, fires):
        assert bool(found(edit_kernels(healthy_run(losses=of), update_ratio=ratio), "too_slow")) == fires

    def test_too_slow_in_a_straight_shallow_line(self):
        line = losses(np.linspace(2.3, 1.9, 200))
        assert found(edit_kernels(healthy_run(losses=line), update_ratio=1.5e-3), "too_slow")
        plateau = losses(np.r_[np.linspace(2.3, 1.6, 50), np.full(150, 1.6)])
        assert not found(edit_kernels(healthy_run(losses=plateau), update_ratio=1.5e-3), "too_slow")

    def test_a_straight_line_with_far_to_go_is_too_slow_at_usual_steps_too(self):
        assert found(healthy_run(losses=losses(np.linspace(2.3, 2.0, 200))), "too_slow")
        assert not found(healthy_run(losses=losses(np.linspace(2.3, 1.2, 200))), "too_slow")

    def test_only_single_steps_are_judged(self):
        run = edit_kernels(stuck_run(), update_ratio=0.5, update_norm=2.5, gap=np.where(STEPS > 0, 20, np.nan))
        assert not found(run, "too_fast")

    def test_unchanged_weights(self):
        run = edit(stuck_run(), "variables", "conv2/kernel", update_ratio=0, displacement=0, changed=0, gradient_norm=0)
        (finding,) = found(run, "unchanged_weights")
        assert (finding.target, finding.severity) == ("conv2/kernel", "error")
        assert "no gradient reaches it" in finding.message

    def test_a_trainable_kernel_that_never_moves_is_odd_even_in_a_run_that_learns(self):
        run = edit(healthy_run(), "variables", "conv2/kernel", update_ratio=0, displacement=0, changed=0)
        assert alarms(run) == ["unchanged_weights"]

    def test_frozen_layers_may_stand_still_but_not_move(self):
        frozen = edit_layer(healthy_run(), "conv1", trainable=False)
        still = edit(edit(frozen, "variables", "conv1/kernel", update_ratio=0, displacement=0), "variables", "conv1/bias", displacement=0)
        assert found(still) == []
        assert alarms(frozen) == ["frozen_but_moving"]

    def test_lost_to_rounding(self):
        run = edit(healthy_run(), "variables", "fc/kernel", lost=0.9, epsilon=7.8e-3)
        assert alarms(run) == ["lost_to_rounding"]
        assert not found(edit(run, "variables", "fc/kernel", lost=0.3), "lost_to_rounding")

    def test_thrashing(self):
        run = edit(stuck_run(), "variables", "fc/kernel", cosine=-0.9, update_ratio=0.02, update_norm=0.1, displacement=0.1)
        assert alarms(run) == ["thrashing_weights"]
        assert not found(edit(run, "variables", "fc/kernel", cosine=-0.3), "thrashing_weights")
        assert not found(edit(run, "variables", "fc/kernel", displacement=15), "thrashing_weights")


class TestOutput:
    def test_constant_output(self):
        run = edit(healthy_run(), "layers", "out", input_share=np.where(STEPS >= 60, 1e-5, 0.4))
        (finding,) = found(run, "constant_output")
        assert (finding.target, finding.first_step, finding.severity) == ("out", 60, "error")
        assert not found(edit(healthy_run(), "layers", "out", input_share=np.where(STEPS == 120, 1e-5, 0.4)), "constant_output")

    def test_a_small_share_is_right_for_targets_far_from_zero(self):
        run = regression(healthy_run(), mean=500, std=0.5, min=498, max=502, p05=499, p95=501)
        run = edit(run, "layers", "out", input_share=9e-4, rms=500)
        assert not found(run, "constant_output")

    def test_softmax_over_one_unit(self):
        assert found(edit(healthy_run(), "layers", "out", units=1), "wrong_output")[0].title == "A softmax over a single unit is always 1"

    def test_softmax_twice_until_the_loss_falls_below_what_that_allows(self):
        twice = edit_record(healthy_run(losses=falling_losses(1.6)), from_logits=True)
        assert "twice" in found(twice, "wrong_output")[0].title
        assert not found(edit_record(healthy_run(losses=falling_losses(0.3)), from_logits=True), "wrong_output")

    def test_sigmoid_twice(self):
        run = edit_record(edit_layer(healthy_run(losses=flat_losses(0.6)), "out", activation="sigmoid"), loss="bce", from_logits=True)
        assert "Sigmoid is applied twice" in found(edit(run, "layers", "@targets", mean=0.5), "wrong_output")[0].title

    @pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
    def test_raw_scores_into_a_loss_on_probabilities(self, activation):
        assert alarms(edit_layer(healthy_run(), "out", activation=activation)) == ["wrong_output"]
        assert not found(edit_record(edit_layer(healthy_run(), "out", activation="linear"), from_logits=True), "wrong_output")

    @pytest.mark.parametrize(
        ("activation", "fires"), [("sigmoid", True), ("relu", True), ("tanh", True), ("linear", False), ("elu", False)]
    )
    def test_targets_beyond_the_activation(self, activation, fires):
        assert bool(found(regression(healthy_run(), activation), "wrong_output")) == fires

    def test_targets_within_the_activation(self):
        inside = {"min": -1, "max": 1, "p05": -0.9, "p95": 0.9}
        assert not found(regression(healthy_run(), "tanh", **inside), "wrong_output")

    def test_class_numbers_for_binary_cross_entropy(self):
        run = edit_record(edit_layer(healthy_run(), "out", activation="sigmoid"), loss="binary_crossentropy")
        assert alarms(edit(run, "layers", "@targets", max=2, mean=1)) == ["wrong_output"]
        assert not found(run, "wrong_output")

    def test_class_numbers_beyond_the_units(self):
        run = edit_record(healthy_run(), loss="sparse_categorical_crossentropy")
        assert alarms(edit(run, "layers", "@targets", max=10, units=1)) == ["wrong_output"]
        assert not found(edit(run, "layers", "@targets", max=9, units=1), "wrong_output")

    def test_negative_cross_entropy(self):
        falling = losses(np.linspace(2.3, -40, 200))
        assert "wrong_output" in alarms(healthy_run(losses=falling))
        assert "wrong_output" in alarms(edit_record(healthy_run(losses=falling), loss=None))
        assert "wrong_output" in alarms(edit_record(healthy_run(losses=falling), loss="my_cross_entropy"))

    def test_overlap_losses_go_down_to_minus_one(self):
        overlap = losses(np.linspace(0, -0.95, 200))
        assert not found(edit_record(healthy_run(losses=overlap), loss="dice_loss"), "wrong_output")
        assert not found(edit_record(healthy_run(losses=overlap), loss="mse"), "wrong_output")

    @pytest.mark.parametrize("loss", ["binary_crossentropy", "mse"])
    def test_softmax_for_several_labels_at_once(self, loss):
        run = edit_record(healthy_run(), loss=loss)
        assert not found(run, "wrong_output")
        several = edit(run, "layers", "@targets", channel_sum_min=0, channel_sum_max=4)
        assert alarms(several) == ["wrong_output"]
        assert not found(edit_layer(several, "out", activation="sigmoid"), "wrong_output")

    def test_hinge_on_probabilities(self):
        assert alarms(edit_record(healthy_run(), loss="hinge")) == ["wrong_output"]
        assert not found(edit_record(edit_layer(healthy_run(), "out", activation="linear"), loss="hinge"), "wrong_output")

    def test_squared_error_on_classes_only_where_it_does_not_learn(self):
        assert alarms(edit_record(healthy_run(losses=flat_losses(0.09)), loss="mse")) == ["wrong_output"]
        assert not found(edit_record(healthy_run(losses=falling_losses(0.01, 0.09)), loss="mse"), "wrong_output")


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
