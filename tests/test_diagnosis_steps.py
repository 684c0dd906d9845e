"""Rules about how far each step moves the weights."""

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
    falling_losses,
    found,
    healthy_run,
    losses,
    stuck_run,
)


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
        frozen = edit(edit_layer(healthy_run(), "conv1", trainable=False), "variables", "conv1/kernel", trainable=0)
        still = edit(edit(frozen, "variables", "conv1/kernel", update_ratio=0, displacement=0), "variables", "conv1/bias", displacement=0)
        assert found(still) == []
        assert alarms(frozen) == ["frozen_but_moving"]
        before = np.where(STEPS <= 40, 1.0, 0.0)
        still = edit(frozen, "variables", "conv1/kernel", trainable=before, displacement=np.minimum(STEPS, 60))
        assert not found(still, "frozen_but_moving")
        (late,) = found(edit(still, "variables", "conv1/kernel", displacement=np.minimum(STEPS, 100)), "frozen_but_moving")
        assert late.first_step == 80

    def test_lost_to_rounding(self):
        run = edit(healthy_run(), "variables", "fc/kernel", lost=0.9, epsilon=7.8e-3)
        assert alarms(run) == ["lost_to_rounding"]
        assert not found(edit(run, "variables", "fc/kernel", lost=0.3), "lost_to_rounding")

    def test_thrashing(self):
        run = edit(stuck_run(), "variables", "fc/kernel", cosine=-0.9, update_ratio=0.02, update_norm=0.1, displacement=0.1)
        assert alarms(run) == ["thrashing_weights"]
        assert not found(edit(run, "variables", "fc/kernel", cosine=-0.3), "thrashing_weights")
        assert not found(edit(run, "variables", "fc/kernel", displacement=15), "thrashing_weights")
