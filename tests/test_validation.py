"""Validation losses: given by hand or taken from Keras, they come back with the step after which they were computed."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.diagnosis import diagnose
from tests.support.monitored import progress, read_run

NAMES = ("validation_loss", "validation_step", "lowest_validation_loss", "lowest_validation_step")


def columns(run):
    return {name: progress(run, name) for name in NAMES}


def test_they_go_into_the_next_record(tmp_path):
    with fm.Monitor(str(tmp_path), every=1) as monitor:
        monitor.log(0, weights={"w": np.ones(3, np.float32)})
        for step, loss in ((1, 2.0), (2, np.float32(0.5)), (3, np.array([0.5, 1.0]))):
            monitor.log(step, weights={"w": np.ones(3, np.float32)})
            monitor.validate(loss)
        monitor.log(4, weights={"w": np.ones(3, np.float32)})
    found = columns(read_run(tmp_path))
    assert found["validation_loss"][2:] == [2.0, 0.5, 0.75]
    assert all(map(math.isnan, found["validation_loss"][:2]))
    assert found["validation_step"][2:] == [1, 2, 3]
    assert found["lowest_validation_loss"][-1] == 0.5
    assert found["lowest_validation_step"][-1] == 2


def test_what_is_not_a_loss_costs_itself_alone(tmp_path):
    with fm.Monitor(str(tmp_path), every=1) as monitor:
        monitor.log(0, weights={"w": np.ones(3, np.float32)})
        with pytest.warns(RuntimeWarning, match="without validation: TypeError"):
            monitor.validate("low")
        monitor.validate(math.nan)
        monitor.log(1, weights={"w": np.ones(3, np.float32)}, loss=1.0)
    run = read_run(tmp_path)
    assert math.isnan(progress(run, "lowest_validation_loss")[-1])
    assert progress(run, "loss")[-1] == 1.0


def test_keras_gives_its_own(tmp_path):
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callback = fm.keras.FeatureMapCallback(str(tmp_path), x[:4], every=1)
    history = model.fit(x, x[:, :1], epochs=3, batch_size=16, validation_data=(x, x[:, :1]), verbose=0, callbacks=[callback])
    found = columns(read_run(tmp_path))
    assert found["validation_step"][-1] == 4  # of the third epoch nothing was logged after it
    np.testing.assert_allclose(found["validation_loss"][-1], history.history["val_loss"][1], rtol=1e-6)


@pytest.mark.filterwarnings("error")
def test_keras_without_validation_trains_as_ever(tmp_path):
    keras = pytest.importorskip("keras")
    x = np.ones((8, 4), np.float32)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[fm.keras.FeatureMapCallback(str(tmp_path), x[:4], every=1)])
    assert all(map(math.isnan, columns(read_run(tmp_path))["validation_loss"]))


def test_a_torch_loop_that_learns_by_heart_is_told(tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    x, y = torch.randn(400, 20), torch.randint(0, 2, (400,))
    model = torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))
    optimizer, loss_fn = torch.optim.Adam(model.parameters(), 1e-2), torch.nn.CrossEntropyLoss()
    with fm.torch.watch(model, str(tmp_path), probe=(x[:16], y[:16]), loss_fn=loss_fn, optimizer=optimizer, every=5) as watcher:
        for step in range(120):
            optimizer.zero_grad()
            loss = loss_fn(model(x[:60]), y[:60])
            loss.backward()
            optimizer.step()
            watcher.step(loss)
            if step % 5 == 2:
                with torch.no_grad():
                    watcher.validate(loss_fn(model(x[60:]), y[60:]))
    rules = [finding.rule for finding in diagnose(read_run(tmp_path)).findings if finding.severity != "info"]
    assert rules == ["overfitting"]
