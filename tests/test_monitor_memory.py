"""What a monitor holds of weights at its peak, however fast steps follow; and that large ones are measured as small ones are."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.monitor import weight_reader
from tests.support import children
from tests.support.known import losses_of, variables_of
from tests.support.monitored import picture, picture_names, read_run

PROGRAM = """
import json, tracemalloc, numpy as np

rng = np.random.default_rng(0)
shapes = {"fc/kernel": (1000, 1000)} | {f"layer{i}/kernel": (3, 3, 128, 128) for i in range(20)}
weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
gradients = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
size = sum(value.nbytes for value in weights.values())
peaks = {}


def log(folder, steps, weights, **options):
    with fm.Monitor(f"{sys.argv[1]}/{folder}", every=1, strict=True, max_bytes=1_000_000, **options) as monitor:
        for step in range(steps):
            for name, value in weights.items():
                value -= np.float32(1e-3) * gradients[name]
            monitor.log(step, weights=weights, gradients=gradients, loss=1.0)


log("warm", 2, {"layer0/kernel": weights["layer0/kernel"]})
for keep_first in (True, False):
    tracemalloc.start()
    log(keep_first, 5, weights, keep_first=keep_first)
    peaks[str(keep_first)] = tracemalloc.get_traced_memory()[1] / size
    tracemalloc.stop()
print(json.dumps(peaks))
"""


def test_the_peak_is_three_and_a_half_times_the_weights_and_two_and_a_half_without_the_first(tmp_path):
    finished = children.run(PROGRAM, tmp_path)
    assert finished.returncode == 0, finished.stderr
    peaks = json.loads(finished.stdout)
    assert 2 < peaks["True"] <= 3.5
    assert 1 < peaks["False"] <= 2.5


def logged(folder, large, monkeypatch, kind):
    monkeypatch.setattr(weight_reader, "LARGE_BYTES", -1 if large else 1 << 40)
    rng = np.random.default_rng(3)
    weights: dict[str, Any] = {
        "conv/kernel": rng.normal(size=(3, 3, 4, 8)).astype(np.float32),
        "fc/kernel": np.asfortranarray(rng.normal(size=(80, 70)).astype(np.float32)),
        "half/bias": rng.normal(size=50).astype(np.float16),
        "whole": rng.integers(0, 9, 40),
        "phase": rng.normal(size=20) + 1j * rng.normal(size=20),
        "masked": np.ma.masked_array(rng.normal(size=30), np.arange(30) % 3 == 0),
        "big/kernel": rng.normal(size=(600, 500)).astype(np.float32),
    }
    with fm.Monitor(folder, every=lambda step: step in (0, 1, 2, 3, 6, 9), strict=False) as monitor:
        for step in range(12):
            gradients = {name: rng.normal(size=value.shape).astype(np.float32) for name, value in weights.items()}
            for name, value in weights.items():
                value += (gradients[name] * 0.1).astype(value.dtype) if name != "whole" else step
            given = {name: kind(value) for name, value in weights.items()}
            monitor.log(step, weights=given, gradients=gradients)
    return read_run(folder)


def immutable(value):
    jax = pytest.importorskip("jax")
    return jax.numpy.asarray(value) if value.dtype in (np.float32, np.float16) and not isinstance(value, np.ma.MaskedArray) else value


@pytest.mark.filterwarnings("ignore:feature maps are logged without filters:RuntimeWarning")
@pytest.mark.parametrize("kind", [lambda value: value, immutable], ids=["in place", "immutable"])
def test_large_weights_are_measured_as_small_ones_are(tmp_path, monkeypatch, kind):
    small, large = (logged(tmp_path / str(mode), mode, monkeypatch, kind) for mode in (False, True))
    assert variables_of(small).rows == variables_of(large).rows
    assert variables_of(small).steps.tolist() == variables_of(large).steps.tolist() == [0, 1, 2, 3, 6, 9, 11]
    np.testing.assert_array_equal(variables_of(small).values, variables_of(large).values)
    assert picture_names(small, "filters") == picture_names(large, "filters") >= {"conv/kernel", "fc/kernel", "big/kernel"}
    for name in picture_names(small, "filters"):
        for step in (0, 3, 9, 11):
            first, second = (picture(tmp_path / str(mode), "filters", name, step) for mode in (False, True))
            assert first.header == second.header
            for section in first.sections:
                np.testing.assert_array_equal(first.array(section), second.array(section))


def test_a_storage_that_hangs_costs_the_weights_of_a_step_and_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(weight_reader, "LARGE_BYTES", -1)
    monitor = fm.Monitor(tmp_path, every=1)
    monitor.log(0, weights={"w": np.ones(9)})
    writer = monitor._recorder._writer
    assert writer is not None
    waits: list[int] = []

    def never() -> bool:
        waits.append(1)
        return False

    monkeypatch.setattr(type(writer), "settled", False)
    monkeypatch.setattr(writer, "settle", never)
    with pytest.warns(RuntimeWarning, match="the storage does not answer"):
        monitor.log(1, weights={"w": np.ones(9)}, loss=1.0)
    monitor.log(2, weights={"w": np.ones(9)}, loss=1.0)
    assert len(waits) == 1, "it is waited for once, not at each step"
    monkeypatch.undo()
    monitor.log(3, weights={"w": np.ones(9)}, loss=1.0)
    monitor.close()
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == [0, 3]
    assert losses_of(run).steps.tolist() == [1, 2, 3]
