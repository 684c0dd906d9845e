"""Faults that people make today, each in a made-up run that differs from the healthy one by nothing else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tb_featuremap_plugin.schema.network import Layer, LossFacts
from tests.support.faulty_runs import (
    clipped,
    collapsed,
    frozen_at_random,
    lagging,
    large_targets,
    overfitted,
    regression,
    tied,
    uneven_classes,
    with_variable,
    without_targets,
)
from tests.support.known import record_of
from tests.support.synthetic_runs import (
    STEPS,
    alarms,
    edit,
    edit_kernels,
    edit_layer,
    edit_record,
    falling_losses,
    flat_losses,
    found,
    headline_of,
    healthy_run,
    losses,
    stuck_run,
)


class TestTargets:
    def test_targets_of_hundreds_of_thousands(self):
        run = large_targets()
        finding = headline_of(run)
        assert (finding.rule, finding.target, finding.severity) == ("unscaled_targets", "out", "warning")
        assert "standard deviation" in finding.advice[0]
        there = edit(run, "layers", "out", mean=np.linspace(0, 2.9e5, len(STEPS)))
        assert found(there, "unscaled_targets") == []
        assert found(regression(healthy_run(losses=flat_losses(3)), mean=2, std=1.5), "unscaled_targets") == []

    def test_most_labels_of_one_class(self):
        run = uneven_classes()
        assert alarms(run) == ["class_imbalance"]
        assert "class_weight" in headline_of(run).advice[0]
        assert found(edit_record(run, loss_facts=LossFacts(constant=2.2, error=0.01, entries=200)), "class_imbalance") == []
        learned = dataclasses.replace(run, losses=falling_losses(0.05))
        assert alarms(learned) == []

    def test_a_sigmoid_for_classes_that_exclude_each_other(self):
        assert alarms(edit_layer(healthy_run(), "out", activation="sigmoid")) == ["wrong_output"]
        assert "Sigmoid" in headline_of(edit_layer(healthy_run(), "out", activation="sigmoid")).title

    def test_an_answer_for_each_of_several_positions(self):
        run = edit_record(
            regression(healthy_run(), mean=0, std=1, min=-2, max=2), loss_facts=LossFacts(output_shape=(24, 4), target_shape=(24,))
        )
        assert "several answers" in found(run, "wrong_output")[0].title


class TestLoop:
    def batch_norm(self, **columns):
        run = healthy_run()
        run = with_variable(run, "norm/moving_mean", "conv1/bias", **{"initial_norm": 0, "norm": 0, "displacement": 0, **columns})
        run = with_variable(run, "norm/gamma", "conv1/bias", displacement=STEPS / 100)
        layer = Layer("norm", kind="batch_normalization", weights=("norm/gamma",), state=("norm/moving_mean",))
        return edit_record(run, layers=(layer, *record_of(run).layers))

    def test_trained_in_evaluation_mode(self):
        finding = headline_of(self.batch_norm())
        assert (finding.rule, finding.target) == ("eval_mode_training", "norm")
        assert "model.train()" in finding.advice[0]
        assert alarms(self.batch_norm(displacement=STEPS / 10, norm=STEPS / 10)) == []
        assert alarms(self.batch_norm(initial_norm=2.0, norm=2.0)) == []  # of a trained network, kept on purpose

    def test_parameters_in_no_optimizer(self):
        still = {"update_ratio": 0.0, "displacement": 0.0, "changed": 0.0, "gradient_norm": 0.3}
        run = edit_record(edit(healthy_run(), "variables", "fc/kernel", **still), not_optimized=("fc/kernel",))
        finding = headline_of(run)
        assert finding.rule == "unchanged_weights"
        assert "optimizer does not have" in finding.message
        assert "model.parameters()" in finding.advice[0]

    def test_step_is_not_called(self):
        finding = headline_of(edit_kernels(stuck_run(), update_ratio=0.0, displacement=0.0, changed=0.0, gradient_norm=0.3))
        assert finding.rule == "unchanged_weights"
        assert "optimizer.step()" in finding.advice[0]

    def test_no_gradient_arrives(self):
        still = {"update_ratio": 0.0, "displacement": 0.0, "changed": 0.0, "gradient_norm": 0.0}
        finding = headline_of(edit(stuck_run(), "variables", "fc/kernel", **still))
        assert "detach()" in finding.advice[0]

    def test_gradients_clipped_to_next_to_nothing(self):
        run = clipped()
        finding = headline_of(run)
        assert finding.rule == "gradient_clipped"
        assert "0.01" in finding.title  # four kernels of 0.005
        assert found(edit_record(run, optimizer="adam"), "gradient_clipped") == []
        varying = edit(run, "variables", "out/kernel", gradient_norm=0.005 + 0.001 * np.arange(len(STEPS)))
        assert found(varying, "gradient_clipped") == []

    def test_a_backbone_that_is_frozen_at_random(self):
        bound = 1 / np.sqrt(144)
        fresh = frozen_at_random()
        assert alarms(fresh) == ["frozen_random"]
        assert "strict=True" in headline_of(fresh).advice[0]
        assert alarms(edit(fresh, "variables", "conv2/kernel", min=-1.4 * bound, max=1.3 * bound)) == []
        assert alarms(dataclasses.replace(fresh, losses=falling_losses(0.1))) == []

    def test_a_loss_that_rises_again(self):
        curve = losses(np.concatenate([np.geomspace(2.3, 0.8, 100), np.geomspace(0.8, 2.2, 100)]))
        assert alarms(healthy_run(losses=curve)) == ["loss_rises"]
        assert found(healthy_run(losses=curve), "loss_rises")[0].target_kind == "run"
        assert alarms(edit_record(healthy_run(losses=curve), loss="own game")) == []
        assert alarms(without_targets(healthy_run(losses=curve))) == []

    def test_float16_that_overflows_comes_before_the_input_that_is_large(self):
        run = edit(edit(stuck_run(), "layers", "@inputs", min=0, max=255), "layers", "conv2", pos_inf=np.where(STEPS >= 20, 4, 0))
        assert headline_of(run).rule == "unscaled_input"
        half = edit_record(run, variable_dtypes={"conv1/kernel": "float16"})
        assert headline_of(half).rule == "non_finite"
        assert "65,504" in headline_of(half).message


class TestDropout:
    @pytest.mark.parametrize(("rate", "severity"), [(0.9, "warning"), (1.0, "error")])
    def test_that_leaves_next_to_nothing(self, rate, severity):
        (finding,) = found(edit_layer(stuck_run(), "fc", kind="dropout", rate=rate), "dropout_too_high")
        assert (finding.target, finding.severity) == ("fc", severity)

    def test_is_fine_at_usual_rates_and_where_the_run_learns(self):
        assert found(edit_layer(stuck_run(), "fc", kind="dropout", rate=0.8), "dropout_too_high") == []
        assert found(edit_layer(healthy_run(), "fc", kind="dropout", rate=0.95), "dropout_too_high") == []
        assert found(edit_layer(stuck_run(), "fc", kind="dense", rate=0.95), "dropout_too_high") == []
        assert found(edit_layer(healthy_run(losses=flat_losses(steps=10)), "fc", kind="dropout", rate=0.95), "dropout_too_high") == []


class TestOverfitting:
    def test_validation_that_rises_while_training_falls(self):
        finding = headline_of(overfitted())
        assert (finding.rule, finding.target_kind, finding.first_step) == ("overfitting", "run", 40)
        assert "step 40" in finding.message
        assert "step 40" in finding.advice[0]

    @pytest.mark.parametrize(
        ("end", "loss"),
        [(0.54, 0.02), (0.5, 0.02), (0.2, 0.02), (0.9, 1.9)],
        ids=["hardly higher", "level", "falling", "training learns as little"],
    )
    def test_is_silent_otherwise(self, end, loss):
        assert found(overfitted(end, loss), "overfitting") == []

    def test_one_bad_validation_at_the_end_is_chance(self):
        curve = np.where(STEPS == 200, 3.0, np.interp(STEPS, [1, 200], [2.3, 0.5]))
        assert found(edit(overfitted(0.2), "progress", "run", validation_loss=curve), "overfitting") == []


class TestNetworks:
    def test_tied_weights_that_drift_apart(self):
        run = tied(norm=np.where(STEPS >= 5, 3.5, 3.0))
        finding = headline_of(run)
        assert (finding.rule, finding.target, finding.first_step) == ("tying_broken", "out", 5)
        assert alarms(tied()) == []
        assert alarms(tied(norm=2.9)) == []

    def test_a_generator_that_collapses(self):
        share = np.geomspace(0.5, 0.001, len(STEPS))
        assert alarms(collapsed()) == ["mode_collapse"]
        assert alarms(edit(collapsed(), "layers", "out", input_share=0.3)) == []
        assert found(edit(healthy_run(), "layers", "out", input_share=share), "mode_collapse") == []

    @pytest.mark.parametrize(("steps", "severity"), [(200, "warning"), (100, "info")])
    def test_moving_statistics_that_lag(self, steps, severity):
        plain = edit(healthy_run(losses=falling_losses(0.5, steps=steps)), "layers", "out", input_share=1e-6)
        assert found(plain, "batchnorm_lag") == []
        (finding,) = found(lagging(steps), "batchnorm_lag")
        assert (finding.severity, finding.target) == (severity, "conv2")
