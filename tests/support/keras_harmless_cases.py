"""A watched training is the unwatched one to the last bit; `test_keras_harmless.py` runs this on each backend."""

from __future__ import annotations

import contextlib
import os
import random
import sys
from typing import Any

import keras
import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.integrations.keras.guarded_pass import Guard
from tests.support.keras_zoo import SOME, TARGETS, ZOO
from tests.support.known import variables_of
from tests.support.monitored import read_run

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
EFFECTS = ("counter", "appended", "array_in_place", "global_values", "closure", "own_generators")


def trained(kind, folder):
    """All that a training leaves behind, with a callback that logs into `folder`, or without if that is None."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].random.set_global_generator(sys.modules["tensorflow"].random.Generator.from_seed(7))
    case = ZOO[kind]()
    case.model.compile(**{"optimizer": "adam", "loss": "mse", "jit_compile": False, **case.compile})
    probe = (case.inputs[:4], TARGETS[:4])
    callbacks = [] if folder is None else [fm.keras.FeatureMapCallback(folder, probe, every=2, gradients=True, strict=True)]
    history = case.model.fit(case.inputs, case.targets, batch_size=4, epochs=2, verbose=0, callbacks=callbacks)
    values = [np.array(keras.ops.convert_to_numpy(variable)) for variable in [*case.model.variables, *case.model.optimizer.variables]]
    return [*values, case.kept(), history.history, *random_states(), sorted(variable.path for variable in case.model.variables)]


def random_states():
    yield random.getstate()
    state: Any = np.random.get_state()
    yield state[1].tolist(), state[2]
    yield np.array(keras.ops.convert_to_numpy(keras.random.uniform((2,))))
    if "tensorflow" in sys.modules and keras.backend.backend() == "tensorflow":
        tf = sys.modules["tensorflow"]
        yield tf.random.normal((2,)).numpy()
        yield tf.random.get_global_generator().normal((2,)).numpy()
    if "torch" in sys.modules:
        yield sys.modules["torch"].rand(2).numpy()


def assert_same(kind, folder):
    plain, watched = trained(kind, None), trained(kind, folder)
    assert len(plain) == len(watched)
    for index, (one, other) in enumerate(zip(plain, watched, strict=True)):
        same = np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other
        assert same, f"{kind}, item {index}: {one} without, {other} with the callback"


@pytest.mark.parametrize("kind", ZOO if os.environ.get("KERAS_ZOO") == "all" else SOME)
def test_nothing_of_a_training_changes(kind, tmp_path):
    assert_same(kind, tmp_path)
    assert len(variables_of(read_run(tmp_path)).steps) >= 3


@pytest.mark.parametrize("kind", EFFECTS if os.environ.get("KERAS_ZOO") == "all" else EFFECTS[:1])
def test_without_its_guard_a_pass_is_noticed(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(Guard, "__call__", lambda self: contextlib.nullcontext())
    with pytest.raises(AssertionError, match="with the callback"):
        assert_same(kind, tmp_path)
