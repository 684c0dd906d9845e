"""Of two writers that live at the same moment neither takes what the other wrote for a run to resume, whoever opens its file first."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.reading.events import EventSource
from tests.support import children

MAP = np.ones((1, 4, 4, 1), np.float32)


def held_up(folder, gate):
    """A writer whose first record is long in the making, so that its file is not there yet."""
    writer = fm.Writer(folder)
    writer.submit(0, lambda: [gate.wait(), []][1])
    writer.feature_maps("first", MAP, 0)
    return writer


def steps(folder):
    return {series.name: series.steps.tolist() for series in EventSource(folder.parent).run("run").pictures}


def test_a_writer_that_opens_its_file_late_keeps_what_another_wrote_meanwhile(tmp_path):
    gate = threading.Event()
    late = held_up(tmp_path / "run", gate)
    with fm.Writer(tmp_path / "run") as other:
        other.feature_maps("other", MAP, 5)
    gate.set()
    late.close()
    assert steps(tmp_path / "run") == {"first": [0], "other": [5]}


FORKED = """
import threading
gate, maps = threading.Event(), np.ones((1, 4, 4, 1), np.float32)
writer = fm.Writer(sys.argv[1])
writer.submit(0, lambda: [gate.wait(), []][1])
writer.feature_maps("first", maps, 0)
child = os.fork()
if child == 0:
    writer.feature_maps("child", maps, 100)
    writer.flush()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
gate.set()
writer.feature_maps("parent", maps, 1)
writer.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are Unix's")
def test_a_child_that_flushed_before_its_parents_file_was_there_keeps_its_records(tmp_path):
    finished = children.run(FORKED, tmp_path / "run")
    assert finished.returncode == 0, finished.stderr
    assert steps(tmp_path / "run") == {"first": [0], "child": [100], "parent": [1]}


def test_a_writer_that_comes_after_another_resumes_its_run(tmp_path):
    with fm.Writer(tmp_path / "run") as before:
        for step in range(6):
            before.feature_maps("maps", MAP, step)
    with fm.Writer(tmp_path / "run") as after:
        after.feature_maps("maps", MAP, 3)
    assert steps(tmp_path / "run") == {"maps": [0, 1, 2, 3]}
