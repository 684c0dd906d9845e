"""Rules about the signal on its way through the network, forth as activations and back as gradients."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.synthetic_runs import (
    HALFWAY,
    STEPS,
    STUCK,
    alarms,
    edit,
    edit_kernels,
    edit_layer,
    edit_record,
    flat_losses,
    found,
    headline_of,
    healthy_run,
    stuck_run,
)


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
        finding = headline_of(run)
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
        assert (headline_of(run).rule, headline_of(run).target) == ("vanishing_gradient", "conv1")
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
