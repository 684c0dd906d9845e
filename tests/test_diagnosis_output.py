"""Rules about the last layer, the loss and the targets."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.synthetic_runs import (
    STEPS,
    alarms,
    edit,
    edit_layer,
    edit_record,
    falling_losses,
    flat_losses,
    found,
    healthy_run,
    losses,
    stuck_run,
)


def regression(run, activation="linear", loss="mse", **targets):
    run = edit_record(edit_layer(run, "out", activation=activation), loss=loss, from_logits=None)
    run = edit(run, "layers", "out", units=1)
    return edit(
        run,
        "layers",
        "@targets",
        **{"units": 1, "integers": 0, "min": -2, "max": 2, "p05": -1.6, "p95": 1.6, "mean": 0, "std": 1, **targets},
    )


class TestOutput:
    def test_constant_output(self):
        run = edit(stuck_run(), "layers", "out", input_share=np.where(STEPS >= 60, 1e-5, 0.4))
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

    def test_logarithms_of_probabilities_into_the_loss_that_takes_them(self):
        run = edit_layer(healthy_run(), "out", activation="log_softmax")
        run = edit(edit(run, "layers", "out", min=-9, max=0), "layers", "@targets", units=1, max=9, mean=4)
        assert not found(edit_record(run, loss="NLLLoss"), "wrong_output")
        assert not found(edit_record(run, loss="NLLLoss", from_logits=False), "wrong_output")
        assert alarms(edit_record(run, loss="sparse_categorical_crossentropy", from_logits=False)) == ["wrong_output"]

    @pytest.mark.parametrize(
        ("activation", "fires"),
        [
            *(("sigmoid", True), ("relu", True), ("tanh", True), ("hardtanh", True), ("Softplus", True), ("gelu_new", True)),
            *(("linear", False), ("elu", False), ("leaky_relu", False), ("my_own", False)),
        ],
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
