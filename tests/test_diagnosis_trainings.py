"""Real trainings, logged by a Monitor and read from their files: the headline is right, wherever and however the run is read."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from tb_featuremap_plugin.diagnosis import diagnose, report
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.server import api
from tests.support.known import losses_of
from tests.support.servers import start_tensorboard
from tests.support.synthetic_runs import edit, edit_layer, flat_losses, healthy_run, keep_steps
from tests.support.tiny_training import Network, points, train

FAULTS: dict[str, dict[str, Any]] = {
    "unscaled_input": {"data": points(scale=200.0), "rate": 0.05},
    "too_fast": {"rate": 60.0},
    "too_slow": {"rate": 1e-4},
    "bad_init": {"network": lambda: Network(start=lambda shape, rng: np.zeros(shape))},
    "exploding_activation": {
        "network": lambda: Network((2, 24, 24, 24, 3), start=lambda shape, rng: rng.normal(0, 4, shape)),
        "rate": 1e-3,
    },
    "vanishing_activation": {
        "network": lambda: Network((2, 24, 24, 24, 3), start=lambda shape, rng: rng.normal(0, 0.01, shape), bias=0.1),
        "rate": 0.05,
    },
    "dead_units": {"network": lambda: Network(bias=-9.0)},
}


def train_fault(logdir, rule):
    options = dict(FAULTS[rule])
    network = options.pop("network", None)
    train(logdir, network=network() if network else None, **options)


def headline(logdir):
    (run,) = EventSource(logdir).runs()
    return diagnose(run).headline


def test_a_training_that_learns_is_not_alarmed(tmp_path):
    train(tmp_path)
    (run,) = EventSource(tmp_path).runs()
    assert [finding.rule for finding in diagnose(run).findings if finding.is_alarm] == []
    assert {verdict.verdict for verdict in diagnose(run).verdicts} == {"changing"}


@pytest.mark.parametrize("rule", FAULTS)
def test_the_headline_names_the_fault(tmp_path, rule):
    train_fault(tmp_path, rule)
    assert headline(tmp_path).rule == rule


def test_a_learning_rate_of_zero_leaves_weights_unchanged(tmp_path):
    train(tmp_path, rate=0.0)
    assert headline(tmp_path).rule == "unchanged_weights"


def test_half_precision_weights_lose_their_updates(tmp_path):
    from tb_featuremap_plugin import Monitor

    rng = np.random.default_rng(0)
    weights = rng.normal(0, 1, (20, 20)).astype(np.float16)
    with Monitor(str(tmp_path), every=5) as monitor:
        for step in range(40):
            gradient = rng.normal(0, 1e-4, weights.shape)
            monitor.log(step, weights={"kernel": weights}, gradients={"kernel": gradient})
            weights = (weights - gradient.astype(np.float16)).astype(np.float16)
    (run,) = EventSource(tmp_path).runs()
    assert [verdict.verdict for verdict in diagnose(run).verdicts] == ["lost_to_rounding"]


@pytest.mark.parametrize("load_fast", [True, False], ids=["native loader", "Python loader"])
def test_both_loaders_give_the_findings_of_the_files(tmp_path, load_fast):
    for rule in ("unscaled_input", "too_slow"):
        train_fault(tmp_path / rule, rule)
    expected = json.loads(json.dumps(api.diagnosis(EventSource(tmp_path))))
    server = start_tensorboard(tmp_path, load_fast=load_fast)
    try:
        served = server.json("/data/plugin/featuremaps/diagnosis")
    finally:
        server.stop()
    assert [run["run"] for run in served["runs"]] == [run["run"] for run in expected["runs"]]
    assert served["runs"] == expected["runs"]


def test_sampling_loses_no_finding():
    """100 of 2,000 steps, the last among them, as TensorBoard's sampling leaves them."""
    steps = np.arange(0, 20000, 10)
    full = stretch(stuck_with_two_faults(), steps)
    expected = essence(full)
    assert expected[0][0] == "dead_units"
    for seed in range(5):
        kept = np.random.default_rng(seed).choice(steps, 99, replace=False)
        assert essence(keep_steps(full, [*kept, steps[-1]])) == expected


def stuck_with_two_faults():
    run = edit(healthy_run(losses=flat_losses(steps=2000)), "layers", "fc", dead_units=1.0)
    return edit(run, "variables", "conv1/kernel", gradient_norm=1e-7, update_ratio=1e-9)


def stretch(run, steps):
    """The run's last record at each of many steps."""

    def longer(table):
        values = np.repeat(table.values[-1:], len(steps), 0)
        return dataclasses.replace(table, steps=steps, wall_times=steps.astype(float), values=values)

    return dataclasses.replace(run, layers=longer(run.layers), variables=longer(run.variables), progress=longer(run.progress))


def essence(run):
    return [(finding.rule, finding.target, finding.severity, finding.because) for finding in diagnose(run).findings]


def test_an_empty_run_says_nothing():
    from tb_featuremap_plugin.reading.run import Run

    diagnosis = diagnose(Run("x", "x"))
    assert (diagnosis.findings, diagnosis.verdicts, diagnosis.steps) == ((), (), ())


def test_single_calls_without_a_run_record_are_judged_as_far_as_known(tmp_path):
    from tb_featuremap_plugin import Writer

    with Writer(str(tmp_path)) as writer:
        for step in range(1, 12):
            writer.weight_change("kernel", np.full((4, 4), 1.0 + step), np.full((4, 4), float(step)), step=step)
    (run,) = EventSource(tmp_path).runs()
    assert [verdict.variable for verdict in diagnose(run).verdicts] == ["kernel"]


ODD = np.array([0, 1, -1, 1e-30, 1e30, 0.5, 255, 3, np.nan, np.inf, -np.inf], np.float32)


@pytest.mark.parametrize("seed", range(40))
def test_no_numbers_make_the_diagnosis_fail(seed):
    """Whatever stands in the tables, the answer is JSON of the right shape, with words in it."""
    rng = np.random.default_rng(seed)
    run = healthy_run()
    share = rng.choice([0.02, 0.3, 1.0])
    for name in ("layers", "variables", "progress"):
        table = getattr(run, name)
        run = dataclasses.replace(run, **{name: dataclasses.replace(table, values=spoilt(table.values, share, rng))})
    kept = losses_of(run)
    run = dataclasses.replace(run, losses=dataclasses.replace(kept, values=spoilt(kept.values, share, rng)))
    for layer in ("conv1", "fc", "out"):
        run = edit_layer(run, layer, activation=str(rng.choice(["relu", "tanh", "sigmoid", "linear", "softmax"])))
    answer = json.loads(json.dumps(report([run]), allow_nan=False))
    for finding in answer["runs"][0]["findings"]:
        assert finding["severity"] in ("info", "warning", "error")
        assert finding["message"]


def spoilt(values, share, rng):
    """Some of the numbers replaced by odd ones, at all steps alike or at each by itself."""
    odd = rng.choice(ODD, values.shape)
    chosen = rng.random(values.shape) < share
    if rng.random() < 0.5:
        odd[:], chosen[:] = odd[:1], chosen[:1]
    return np.where(chosen, odd, values).astype(np.float32)
