"""What looks like a fault and is not one: each is a made-up run in which the numbers of a healthy program stand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tb_featuremap_plugin.diagnosis.connections import path_of
from tb_featuremap_plugin.diagnosis.learning_progress import learning
from tb_featuremap_plugin.diagnosis.run_view import RunView
from tb_featuremap_plugin.schema.network import Layer, LossFacts
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
    healthy_run,
    losses,
    stuck_run,
)

FIVE = losses(np.linspace(2.3, 2.28, 5))


class TestWhereAllOfTheSignalPasses:
    def test_layers_in_a_row(self):
        assert path_of([Layer("a"), Layer("b"), Layer("c")]) == {"a", "b", "c"}

    def test_a_gate_is_beside_it(self):
        layers = [Layer("a"), Layer("gate", inputs=("a",)), Layer("b", inputs=("a", "gate")), Layer("c", inputs=("b",), role="output")]
        assert path_of(layers) == {"a", "b", "c"}

    def test_a_residual_branch_is_beside_it(self):
        layers = [Layer("a"), Layer("f", inputs=("a",)), Layer("g", inputs=("f",)), Layer("out", inputs=("a", "g"), role="output")]
        assert path_of(layers) == {"a", "out"}

    def test_a_dead_branch_and_a_second_input_are_beside_it(self):
        layers = [Layer("a"), Layer("other"), Layer("dead", inputs=("a",)), Layer("out", inputs=("a", "other"), role="output")]
        assert path_of(layers) == {"out"}

    def test_each_of_several_outputs_has_its_own(self):
        layers = [Layer("a"), Layer("left", inputs=("a",), role="output"), Layer("right", inputs=("a",), role="output")]
        assert path_of(layers) == {"a", "left", "right"}

    def test_what_comes_from_a_layer_that_is_not_known_may_have_gone_round(self):
        assert path_of([Layer("a"), Layer("b", inputs=("a",)), Layer("c", inputs=("b", "unknown"))]) == {"c"}

    def test_nothing(self):
        assert path_of([]) == frozenset()

    def beside(self, run):
        """The run with conv2 as a gate."""
        run = edit_layer(run, "conv2", inputs=("conv1",))
        return edit_layer(edit_layer(run, "fc", inputs=("conv1", "conv2")), "out", inputs=("fc",))

    @pytest.mark.parametrize(("columns", "rule"), [({"input_share": 1e-5}, "vanishing_activation"), ({"dead_units": 1.0}, "dead_units")])
    def test_a_gate_that_is_shut_is_no_alarm(self, columns, rule):
        run = edit(stuck_run(), "layers", "conv2", **columns)
        assert alarms(run) == [rule]
        assert alarms(self.beside(run)) == []


class TestInput:
    def pixels(self, run=None, **facts):
        run = edit(healthy_run() if run is None else run, "layers", "@inputs", min=0, max=255)
        return edit_layer(run, "conv1", **facts)

    def test_what_the_first_layer_receives_counts_and_not_the_probe(self):
        assert found(self.pixels(receives=(0.0, 1.0)), "unscaled_input") == []
        assert found(self.pixels(receives=(0.0, 255.0)), "unscaled_input") != []
        dark = edit_layer(edit(healthy_run(), "layers", "@inputs", min=0, max=1), "conv1", receives=(0.0, 300.0))
        assert found(dark, "unscaled_input") != []

    def test_word_numbers_have_no_scale(self):
        words = edit(healthy_run(), "layers", "@inputs", min=0, max=30000, integers=1)
        words = edit_record(words, layers=(Layer("words", kind="embedding"), *record_of(words).layers))
        assert found(words, "unscaled_input") == []

    def test_a_run_that_has_learned_gets_a_note(self):
        assert [finding.severity for finding in found(self.pixels(receives=(0.0, 99.0)), "unscaled_input")] == ["info"]
        assert [finding.severity for finding in found(self.pixels(), "unscaled_input")] == ["warning"]  # raw pixels
        assert [finding.severity for finding in found(self.pixels(stuck_run()), "unscaled_input")] == ["error"]


class TestHandfulOfLosses:
    @pytest.mark.parametrize(
        "columns",
        [{"update_ratio": 0.5, "update_norm": 1.0}, {"update_ratio": 3.0, "update_norm": 9.0}, {"update_ratio": 1e-6}],
        ids=["fast", "leaping", "slow"],
    )
    def test_five_steps_say_nothing_of_the_size_of_steps(self, columns):
        assert alarms(edit_kernels(healthy_run(losses=FIVE), **columns)) == []
        assert alarms(edit_kernels(stuck_run(), **columns)) != []

    def test_a_constant_answer_after_five_steps_is_none(self):
        assert alarms(edit(healthy_run(losses=FIVE), "layers", "out", input_share=1e-6)) == []

    def test_no_run_is_stuck_below_twenty_losses(self):
        assert learning(RunView(healthy_run(losses=flat_losses(steps=19)))).level == "early"
        assert learning(RunView(healthy_run(losses=flat_losses(steps=20)))).level == "stuck"

    def test_a_rate_that_rises_counts_from_where_it_is_half(self):
        rates = np.interp(STEPS, [0, 180], [1e-5, 1e-3])
        run = edit(healthy_run(losses=flat_losses(steps=105)), "progress", "run", learning_rate=rates)
        assert learning(RunView(run)).level == "early"  # the rate is half of its highest from step 100 on


class TestWhatAConstantAnswerReaches:
    def with_facts(self, run, **facts):
        return edit_record(run, loss_facts=LossFacts(**{"entries": 100, **facts}))

    def level(self, run):
        return learning(RunView(run)).level

    def test_a_loss_below_it_refutes_a_constant_output(self):
        constant = edit(healthy_run(losses=flat_losses(1.2)), "layers", "out", input_share=1e-6)
        assert alarms(self.with_facts(constant, constant=1.2, error=0.01)) == ["constant_output"]
        assert alarms(self.with_facts(constant, constant=2.3, error=0.01)) == []

    def test_few_of_one_class_are_no_progress(self):
        run = healthy_run(losses=losses([2.3] * 5 + [0.2] * 95))
        assert self.level(run) == "learned"
        assert self.level(self.with_facts(run, constant=0.2, error=0.001)) == "stuck"
        assert self.level(self.with_facts(run, constant=0.2, error=0.2)) == "learned"  # the probe is too small to say

    def test_a_probe_of_one_class_says_nothing(self):
        assert self.level(self.with_facts(stuck_run(), constant=0.0, error=0.0)) == "stuck"
        assert self.level(self.with_facts(healthy_run(), constant=0.0, error=0.0)) == "learned"

    def test_a_weighted_or_summed_loss_has_none(self):
        weighted = self.with_facts(healthy_run(losses=flat_losses(40)), constant=2.3, weighted=True)
        assert np.isnan(RunView(weighted).chance_loss)

    def test_of_absolute_errors_it_is_about_the_median(self):
        """Targets of which 90 % are 0 and the rest spreads to 10: far from a normal distribution of that spread, whose mean is 1.8."""
        quantiles = {"min": 0, "p01": 0, "p05": 0, "p25": 0, "p50": 0, "p75": 0, "p95": 5, "p99": 9, "max": 10, "std": 2.2}
        run = edit_record(edit(healthy_run(), "layers", "@targets", **quantiles), loss="mae")
        by_straight_lines = 0.2 * 2.5 + 0.04 * 7 + 0.01 * 9.5
        assert RunView(run).chance_loss == pytest.approx(by_straight_lines, rel=1e-5)

    def test_a_run_that_starts_learnt(self):
        assert self.level(healthy_run(losses=flat_losses(0.1))) == "learned"
        assert alarms(edit_kernels(healthy_run(losses=flat_losses(0.1)), update_ratio=1e-5)) == []


class TestFrozen:
    def moving(self, **columns):
        run = edit_layer(healthy_run(), "conv2", trainable=False)
        return edit(run, "variables", "conv2/kernel", trainable=0, displacement=STEPS / 100, **{"gradient_norm": np.nan, **columns})

    def test_a_slow_copy_that_no_gradient_reaches(self):
        run = self.moving()
        assert alarms(run) == ["frozen_but_moving"]
        shapes = {**record_of(run).variable_shapes, "fc/kernel": record_of(run).variable_shapes["conv2/kernel"]}
        assert alarms(edit_record(run, variable_shapes=shapes)) == []

    def test_a_network_that_is_frozen_in_turns_has_a_new_gradient_each_time(self):
        assert alarms(self.moving(gradient_norm=1 + 0.01 * np.arange(len(STEPS)))) == []
        assert alarms(self.moving(gradient_norm=1.0)) == ["frozen_but_moving"]

    def test_a_frozen_base_may_stand_still(self):
        still = {"update_ratio": 0.0, "displacement": 0.0, "changed": 0.0}
        run = edit(healthy_run(), "variables", "fc/kernel", **still)
        assert alarms(run) == ["unchanged_weights"]
        assert alarms(edit_layer(run, "fc", frozen=("fc/kernel",))) == []


class TestSteps:
    def test_accumulated_gradients_move_at_times(self):
        assert alarms(edit_kernels(stuck_run(), update_ratio=0.0, changed=0.0, displacement=np.floor(STEPS / 40))) == []

    def test_a_gradient_that_comes_back_has_not_vanished(self):
        start = np.where(STEPS < 100, 1e-6, 0.5)
        run = edit(edit_kernels(healthy_run(losses=flat_losses()), gradient_norm=1.0), "variables", "conv1/kernel", gradient_norm=start)
        assert alarms(run) == []
        assert alarms(edit(run, "variables", "conv1/kernel", gradient_norm=1e-6)) == ["vanishing_gradient"]

    def test_a_kernel_that_grows_from_next_to_nothing_makes_no_leaps(self):
        tiny = {"initial_norm": 0.01, "initial_std": 1e-4, "update_norm": 0.02, "update_ratio": 0.5}
        slow_loss = falling_losses(end=2.1)
        assert "too_fast" not in alarms(edit(healthy_run(losses=slow_loss), "variables", "out/kernel", size=640, **tiny))


class TestOutput:
    def labels(self, run, low, high):
        return edit(edit_record(run, loss="sparse_categorical_crossentropy"), "layers", "@targets", min=low, max=high, integers=1)

    @pytest.mark.parametrize(("low", "high", "ignored"), [(-100, 9, -100), (0, 255, 255)])
    def test_targets_that_the_loss_ignores(self, low, high, ignored):
        run = self.labels(healthy_run(), low, high)
        assert alarms(run) == ["wrong_output"]
        assert alarms(edit_record(run, loss_facts=LossFacts(ignored=ignored))) == []

    def test_other_targets_still_have_to_fit(self):
        assert alarms(edit_record(self.labels(healthy_run(), -100, 30), loss_facts=LossFacts(ignored=-100))) == ["wrong_output"]

    def test_a_loss_that_is_not_said_to_be_of_this_output(self):
        """A generator's loss judges what the critic answers to it; there are no targets."""
        run = edit_record(edit_layer(healthy_run(), "out", activation="tanh"), loss="binary_crossentropy", from_logits=False)
        assert alarms(run) == ["wrong_output"]
        assert run.layers is not None
        kept = tuple(row for row in run.layers.rows if row != "@targets")
        chosen = [run.layers.rows.index(row) for row in kept]
        without = dataclasses.replace(run, layers=dataclasses.replace(run.layers, rows=kept, values=run.layers.values[:, chosen]))
        assert alarms(edit_record(without, loss_facts=LossFacts())) == []

    def test_a_small_answer_at_the_start_is_no_lost_signal(self):
        assert alarms(edit(healthy_run(losses=falling_losses(1.3)), "layers", "out", input_share=np.where(STEPS < 20, 1e-4, 0.3))) == []


class TestOutputFunctions:
    def test_softmax_of_the_model_s_own_counts(self):
        run = edit_record(edit_layer(healthy_run(losses=falling_losses(1.5)), "out", activation="linear"), from_logits=True)
        assert found(run, "wrong_output") == []
        assert "twice" in found(edit_layer(run, "out", output_function="softmax"), "wrong_output")[0].title

    def test_softmax_over_the_batch(self):
        run = edit_layer(healthy_run(), "out", output_axis=0)
        (finding,) = found(run, "wrong_axis")
        assert "over the batch" in finding.title
        assert alarms(edit_layer(run, "out", output_axis=1)) == []

    def test_outputs_that_are_spread_over_all_targets(self):
        run = edit_layer(edit_record(healthy_run(), loss="mse"), "out", activation="linear")
        (finding,) = found(edit_record(run, loss_facts=LossFacts(output_shape=(32, 1), target_shape=(32,))), "wrong_output")
        assert "every target" in finding.title
        assert "[32, 32]" in finding.message
        for shapes in (((32, 1), (32, 1)), ((32,), (32,)), ((1, 1), (1,))):
            facts = LossFacts(output_shape=shapes[0], target_shape=shapes[1])
            assert found(edit_record(run, loss_facts=facts), "wrong_output") == []
