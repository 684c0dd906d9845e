"""What is said of a run that was resumed: nothing about a start that nobody saw, and distances from where it went on."""

from __future__ import annotations

import numpy as np

from tests.support.synthetic_runs import STEPS, alarms, edit, edit_kernels, falling_losses, found, healthy_run, stuck_run

RESUMED_AT = 160
SINCE = np.where(STEPS >= RESUMED_AT, RESUMED_AT, 0)


def test_a_way_is_compared_with_the_distance_since_the_same_step():
    """Displacement begins anew where a run is resumed, and so does the way: else every resumed run would go to and fro."""
    against = {"cosine": -0.9, "update_ratio": 0.02, "update_norm": 0.1}
    resumed = edit(stuck_run(), "variables", "fc/kernel", **against, first_step=SINCE, displacement=(STEPS - SINCE) * 0.05)
    assert alarms(resumed) == []
    assert alarms(edit(resumed, "variables", "fc/kernel", displacement=(STEPS - SINCE) * 0.005)) == ["thrashing_weights"]
    unaware = edit(resumed, "variables", "fc/kernel", first_step=np.nan)
    assert alarms(unaware) == ["thrashing_weights"]


def test_a_training_that_goes_on_in_a_new_logdir_is_not_blamed_for_its_start():
    """Its first values are those of a trained network: what they look like says nothing of how it was initialised."""
    wide = edit_kernels(stuck_run(), initial_std=50.0, first_step=0)
    assert [finding.rule for finding in found(wide, "bad_init")] == ["bad_init"]
    assert not found(edit_kernels(wide, first_step=5000), "bad_init")
    zero = edit(healthy_run(), "variables", "conv2/kernel", initial_norm=0, unit_spread=0, norm=0, first_step=0)
    assert [finding.target for finding in found(zero, "bad_init")] == ["conv2"]
    assert not found(edit(zero, "variables", "conv2/kernel", first_step=5000), "bad_init")


def test_a_loop_that_logs_after_each_update_only_is_judged_by_its_first_value():
    assert found(edit_kernels(stuck_run(), initial_std=50.0, first_step=1), "bad_init")


def test_the_start_of_a_resumed_run_is_that_of_its_first_session():
    """Where both are there, the first value is the one before the resume."""
    later = edit_kernels(stuck_run(), initial_std=np.where(STEPS >= RESUMED_AT, 50.0, 0.1), first_step=SINCE)
    assert not found(later, "bad_init")
    earlier = edit_kernels(stuck_run(), initial_std=np.where(STEPS >= RESUMED_AT, 0.1, 50.0), first_step=SINCE)
    assert found(earlier, "bad_init")


def test_what_was_learned_before_the_logdir_began_counts():
    """A loss far below chance that hardly falls any more is no fault, whether or not the logger knew that the training goes on."""
    converged = healthy_run(losses=falling_losses(start=0.12, end=0.118))
    assert found(converged) == []
    assert found(edit_kernels(converged, first_step=5000)) == []
    stuck = edit_kernels(stuck_run(), first_step=5000)
    assert [finding.rule for finding in found(stuck)] == ["flat_loss"]
