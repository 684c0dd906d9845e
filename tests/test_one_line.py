"""What public objects say of themselves: one line, of no more than a screen's width, whatever their names are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.schema import one_line

HOSTILE = "\x1b[2J\x1b]0;owned\x07\n\u202e<script>" + "\N{PILE OF POO}" * 200


def assert_one_line(shown: object, *words: str) -> None:
    text = repr(shown)
    assert len(text) <= 120
    assert text.isprintable()
    assert all(word in text for word in words), text


@given(st.text(), st.lists(st.text() | st.none(), max_size=5))
def test_any_text(name, parts) -> None:
    for text in (one_line.described("Thing", one_line.quoted(name), one_line.quoted_path(name), *parts), one_line.quoted(name)):
        assert len(text) <= one_line.LONGEST
        assert text.isprintable()


def test_what_is_logged_with(tmp_path) -> None:
    assert_one_line(fm.Layer(HOSTILE, kind=HOSTILE, activation=HOSTILE), "Layer")
    assert_one_line(fm.Layer("conv1", kind="conv2d", activation="relu", trainable=False), "'conv1'", "'conv2d'", "'relu'", "not trainable")
    monitor = fm.Monitor(tmp_path / "log", every=7)
    assert_one_line(monitor, "Monitor", "featuremaps'", "every 7 steps", "nothing logged yet")
    monitor.log(3, weights={"w": np.ones(3)})
    assert_one_line(monitor, "at step 3")
    monitor.close()
    assert_one_line(monitor, "closed")
    writer = fm.Writer(tmp_path / "writer")
    assert_one_line(writer, "Writer", "writer'")
    writer.close()
    assert_one_line(writer, "closed")
    assert_one_line(fm.Finding("dead_units", "error", HOSTILE, "layer", 0, 9, HOSTILE, HOSTILE), "Finding", "error dead_units")
    assert_one_line(fm.Verdict("a/kernel", "slow"), "<Verdict 'a/kernel': slow>")


def test_what_is_read_back(tmp_path) -> None:
    with fm.Monitor(tmp_path, every=1) as monitor:
        monitor.log(0, inputs=np.ones((1, 3)), activations={HOSTILE: np.ones((1, 4))}, weights={HOSTILE: np.ones((1100, 600))}, loss=1.0)
    with fm.Writer(tmp_path / "other") as writer:
        writer.feature_maps("a", np.ones((1, 2, 3, 4)), 5)
    logs = fm.open(tmp_path)
    assert_one_line(logs, "2 runs", "'.'", "'other'")
    run = logs["."]
    assert_one_line(run, "not read yet")
    assert_one_line(run.record, "1 layer")
    assert_one_line(run, "step 0", "1 layer")
    (name,) = run.pictures["maps"]
    shown = [run.maps(name), run.filters(name), run.filters(name).norms, run.losses, run.table("layers"), run.scalars, *run.layers]
    for one in [*shown, *run.verdicts(), *run.findings()]:
        assert_one_line(one)
    assert_one_line(logs["other"].maps("a"), "<Picture maps of 'a', step 5, 1 x 4 x 2 x 3, uint8>")
    assert_one_line(run.filters(name), "norms only")


def test_what_is_compared(tmp_path) -> None:
    for run, factor in (("a", 1), ("b", 2)):
        with fm.Monitor(tmp_path / run, every=1) as monitor:
            monitor.log(0, inputs={HOSTILE: np.ones((1, 3))}, weights={HOSTILE: factor * np.ones((3, 2)), "other": np.ones((2, 2))})
    logs = fm.open(tmp_path)
    found = fm.compare(logs["a"], logs["b"])
    assert_one_line(found, "Comparison", "'part at step 0'", "weights", "channel 0")
    assert_one_line(found.rows[0], "Difference")
    assert_one_line(logs["a"].probe, "Probe from step 0 on")


def test_every_public_class_has_a_line_of_its_own() -> None:
    classes = [getattr(fm, name) for name in fm.__all__ if name[0].isupper()]
    assert len(classes) > 10
    for one in classes:
        assert one.__repr__ is not object.__repr__, one
        assert not hasattr(one.__repr__, "__wrapped__"), f"{one} is a dataclass, which writes all that it holds, however long that is"


@pytest.mark.torch
def test_the_watcher(tmp_path) -> None:
    torch = pytest.importorskip("torch")
    with fm.torch.watch(torch.nn.Linear(3, 2), tmp_path, probe=torch.ones(1, 3)) as watcher:
        assert_one_line(watcher, "Watcher", "of Linear", "at step 0")


@pytest.mark.tensorflow
def test_the_callback(tmp_path) -> None:
    pytest.importorskip("tensorflow")
    assert_one_line(fm.keras.FeatureMapCallback(tmp_path, np.ones((1, 3))), "FeatureMapCallback", "at step 0")
