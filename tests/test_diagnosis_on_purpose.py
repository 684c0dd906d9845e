"""What programs do on purpose, beside the fault that looks like it: the first is no alarm, the second stays one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tb_featuremap_plugin.schema.network import Layer
from tests.support.known import record_of
from tests.support.synthetic_runs import (
    STEPS,
    STUCK,
    alarms,
    edit,
    edit_kernels,
    edit_layer,
    edit_record,
    falling_losses,
    found,
    headline_of,
    healthy_run,
    losses,
    stuck_run,
)


def normalised(run, name="conv1"):
    """The run with a normalisation directly behind a layer, and connections that are known."""
    layers: list[Layer] = []
    for layer in record_of(run).layers:
        before = layers[-1].name if layers else ""
        layers.append(dataclasses.replace(layer, inputs=(before,)))
        if layer.name == name:
            layers.append(Layer("norm", kind="instance_norm", inputs=(name,)))
    return edit_record(run, layers=tuple(layers))


class TestInput:
    def pixels(self, run):
        return edit_layer(run, "conv1", receives=(0.0, 255.0))

    def test_a_normalisation_right_behind_takes_the_scale_away(self):
        assert alarms(self.pixels(stuck_run())) == ["unscaled_input"]
        assert found(normalised(self.pixels(stuck_run())), "unscaled_input")[0].severity == "info"
        assert found(normalised(self.pixels(stuck_run()), "conv2"), "unscaled_input")[0].severity == "error"

    def test_features_of_tens_are_given_time(self):
        run = edit_layer(healthy_run(losses=falling_losses(0.9, steps=20)), "conv1", receives=(-13.0, 41.0))
        assert alarms(run) == []
        assert alarms(edit_layer(stuck_run(), "conv1", receives=(-13.0, 41.0))) == ["unscaled_input"]


class TestLoss:
    def test_losses_below_zero_do_not_jump(self):
        wave = 0.3 * np.sin(np.arange(200) / 7) + 0.002
        unknown = edit_record(healthy_run(losses=losses(wave)), loss=None)
        assert alarms(unknown) == []
        leap = np.where(np.arange(200) > 100, 150.0, 0.3)
        assert "too_fast" in alarms(edit_record(healthy_run(losses=losses(leap)), loss=None))


class TestWeights:
    def test_clipped_weights_are_not_lost_to_rounding(self):
        lost = edit_kernels(stuck_run(), lost=0.6, changed=0.4)
        assert found(lost, "lost_to_rounding") == []
        assert found(edit_kernels(lost, update_ratio=1e-7), "lost_to_rounding")[0].severity == "warning"

    def way_back(self, run):
        """The run with a second kernel of "fc" that no gradient reaches."""
        layers = tuple(
            dataclasses.replace(layer, weights=("fc/kernel", "conv2/kernel", "fc/bias")) if layer.name == "fc" else layer
            for layer in record_of(run).layers
        )
        still = dict.fromkeys(("update_ratio", "update_norm", "changed", "displacement", "gradient_norm"), 0.0)
        return edit(edit_record(run, layers=layers), "variables", "conv2/kernel", **still)

    def test_a_part_that_the_answer_does_not_need_is_a_note(self):
        finding = found(self.way_back(healthy_run()), "unchanged_weights")[0]
        assert (finding.severity, finding.target) == ("info", "conv2/kernel")
        assert "Other weights of the same layer move" in finding.message
        assert found(self.way_back(stuck_run()), "unchanged_weights")[0].severity == "error"

    def test_a_layer_whose_gradient_is_cut_off_does_not_change(self):
        still = dict.fromkeys(("update_ratio", "update_norm", "changed", "displacement", "gradient_norm"), 0.0)
        run = edit(stuck_run(), "variables", "conv1/kernel", **still)
        assert headline_of(run).rule == "unchanged_weights"
        fading = edit(stuck_run(), "variables", "conv1/kernel", gradient_norm=1e-6)
        assert headline_of(fading).rule == "vanishing_gradient"


class TestSteps:
    def test_a_rate_that_was_lowered_makes_small_steps(self):
        slow = edit_kernels(stuck_run(), update_ratio=6e-5)
        assert "too_slow" in alarms(slow)
        lowered = edit(slow, "progress", "run", learning_rate=np.where(STEPS < 100, 1e-3, 1e-5))
        assert "too_slow" not in alarms(lowered)

    def test_an_answer_that_became_one_after_a_leap(self):
        share = np.where(STEPS < 10, 0.3, 1e-5)
        numbed = edit(stuck_run(), "layers", "out", input_share=share)
        assert headline_of(numbed).rule == "constant_output"
        leaping = edit_kernels(
            numbed, update_ratio=np.where((STEPS > 0) & (STEPS < 10), 0.4, 1e-3), update_norm=np.where(STEPS < 10, 2.0, 0.005)
        )
        finding = headline_of(leaping)
        assert finding.rule == "too_fast"
        assert "the same answer for every input" in finding.message


class TestAnswers:
    def small(self, run, **facts):
        """The run with an answer of 0.5 to everything, from a sigmoid."""
        run = edit_layer(run, "out", activation="sigmoid")
        return edit_record(edit(run, "layers", "out", rms=0.5, input_share=1e-4), **facts)

    def test_a_critic_that_cannot_tell_is_no_fault(self):
        nothing = healthy_run(losses=None, progress=None)
        assert alarms(self.small(nothing, loss=None)) == []
        assert "constant_output" in alarms(edit(self.small(nothing, loss=None), "layers", "out", rms=0.98))
        assert found(self.small(stuck_run()), "constant_output") != []

    def test_a_probe_of_one_kind_gets_one_answer(self):
        run = edit(healthy_run(), "layers", "out", input_share=1e-5)
        assert "constant_output" in alarms(edit(stuck_run(), "layers", "out", input_share=1e-5))
        assert found(edit(run, "layers", "@targets", mean=np.nan), "constant_output") == []


class TestUnits:
    @pytest.mark.parametrize(("start", "end", "severity"), [(0.5, 0.65, "info"), (0.1, 0.65, "warning"), (0.5, 0.85, "warning")])
    def test_units_that_sleep_from_the_start(self, start, end, severity):
        run = edit(healthy_run(losses=STUCK), "layers", "fc", dead_units=np.linspace(start, end, len(STEPS)))
        assert found(run, "dead_units")[0].severity == severity


class TestMovingStatistics:
    def test_young_ones_make_no_explosion(self):
        wide = edit(stuck_run(), "layers", "fc", std=200.0)
        assert "exploding_activation" in alarms(wide)
        layers = (Layer("bn", kind="batch_normalization", state=("bn/mean", "bn/variance")), *record_of(wide).layers)
        assert found(edit_record(wide, layers=layers), "exploding_activation") == []
        large = edit_kernels(edit_record(wide, layers=layers), initial_std=1.0)
        assert found(large, "exploding_activation") != []
