"""A channel is on its page what its layer's row says of it: both are held to the raw values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.server import api
from tests.support.frames import read_frame
from tests.support.known import layers_of

RANDOM = np.random.default_rng(5)
SHAPE = (6, 4, 4)
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "tanh": np.tanh,
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "linear": lambda x: x,
}
ENDS = {"relu6": (None, 6), "sigmoid": (0, 1), "hardsigmoid": (0, 1), "tanh": (-1, 1), "hardtanh": (-1, 1), "softsign": (-1, 1)}
WIDTHS = {"relu6": 6, "sigmoid": 1, "hardsigmoid": 1, "tanh": 2, "hardtanh": 2, "softsign": 2}


def channels(name: str) -> np.ndarray:
    """What a layer puts out: [samples, y, x, channels], some of them far at one side, one the same for every sample, one damaged."""
    free = RANDOM.normal(size=SHAPE)
    alike = np.broadcast_to(RANDOM.normal(size=SHAPE[1:]), SHAPE)
    before = np.stack([free, free + 400, free - 400, alike, np.zeros(SHAPE), np.full(SHAPE, 0.3), free], axis=-1)
    values = FUNCTIONS[name](before).astype(np.float32)
    values[2, 1, 1, 6] = np.nan
    return values


def expected(name: str, values: np.ndarray) -> str:
    """One channel judged in float64, rule by rule."""
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        return "not finite"
    if (values == 0).all() or (name in ("relu", "relu6") and values.max() <= 0):
        return "dead"
    low, high = ENDS.get(name, (None, None))
    margin = 0.025 * WIDTHS.get(name, 0)
    at_low = low is not None and (values < low + margin).all()
    at_high = high is not None and (values > high - margin).all()
    if at_low or at_high:
        return "saturated"
    return "constant" if (values == values[:1]).all() else "alive"


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("said_by", ["activation", "kind"])
def test_conditions_are_those_of_the_values_and_of_the_layers_row(name, said_by, tmp_path):
    values = channels(name)
    layer = fm.Layer("act", **{said_by: name})
    with fm.Monitor(tmp_path, every=1, layers=[layer], strict=True) as monitor:
        monitor.log(0, inputs=np.ones((6, 4, 4, 1), np.float32), activations={"act": values})
    source = EventSource(tmp_path)
    header, arrays = read_frame(api.channels(source, "featuremaps", "maps", "act"))
    found = [header["conditions"][code] for code in arrays["conditions"][0]]
    wanted = [expected(name, values[..., channel]) for channel in range(values.shape[-1])]
    assert found == wanted
    row = layers_of(source.run("featuremaps"))
    assert row.column("act", "dead_units")[0] == pytest.approx(wanted.count("dead") / 7)
    if name in ENDS:
        whole = [channel for channel in range(6) if wanted[channel] == "saturated"]
        assert row.column("act", "saturated_units")[0] >= len(whole) / 7 - 1e-6
        assert len(whole) >= 1


def test_a_single_call_says_its_activation_itself(tmp_path):
    with fm.Writer(tmp_path) as writer:
        writer.feature_maps("act", channels("softsign"), step=0, activation="softsign")
    header, arrays = read_frame(api.channels(EventSource(tmp_path), ".", "maps", "act"))
    assert header["conditions"][arrays["conditions"][0][1]] == "saturated"
