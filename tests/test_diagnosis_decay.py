"""Weights that wither under weight decay, and runs that shrink and learn all the same."""

from __future__ import annotations

import pytest

from tb_featuremap_plugin.diagnosis import diagnose
from tb_featuremap_plugin.reading.events import EventSource
from tests.support.synthetic_runs import alarms, edit_kernels, falling_losses, flat_losses, found, healthy_run
from tests.support.tiny_training import train


def diagnosed(folder, **options):
    train(folder, **options)
    (run,) = EventSource(folder).runs()
    return diagnose(run)


@pytest.mark.parametrize(("decay", "steps"), [(0.3, 150), (1.0, 150), (0.3, 600), (2.0, 600)])
def test_decay_that_is_far_too_strong_is_the_headline(tmp_path, decay, steps):
    headline = diagnosed(tmp_path, decay=decay, steps=steps).headline
    assert (headline.rule, headline.severity) == ("flat_loss", "warning")
    assert "Weight decay" in headline.message
    assert headline.evidence["left_of_kernels"] < 0.5
    assert headline.chart.column == "norm"
    assert "weight decay" in headline.advice[0]


@pytest.mark.parametrize("decay", [0.0, 0.01, 0.03])
def test_decay_under_which_the_network_learns_is_none(tmp_path, decay):
    assert diagnosed(tmp_path, decay=decay, steps=600).headline is None


def withered(losses):
    return edit_kernels(healthy_run(losses=losses), norm=0.2, initial_norm=1.0)


def test_shrunken_weights_are_a_reason_only_near_chance():
    assert alarms(withered(flat_losses(2.3))) == ["flat_loss"]
    assert "flat_loss" not in alarms(withered(flat_losses(0.2)))
    assert "flat_loss" not in alarms(withered(falling_losses(7.2, 74)))  # a penalty that is part of the loss
    assert found(edit_kernels(healthy_run(losses=flat_losses(2.3)), norm=0.8, initial_norm=1.0), "flat_loss")[0].severity == "info"
