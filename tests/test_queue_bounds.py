"""What waits to be written is bounded by what it really holds, however small the calls are; and a flush that takes long says so."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.recording import background
from tests.support import children

TINY = """
import json, tracemalloc
from tb_featuremap_plugin.recording import background
gate = __import__("threading").Event()
caught = catch_warnings()
writer = fm.Writer(sys.argv[1], **json.loads(sys.argv[2]))
maps, kernel = np.ones((1, 2, 2, 1), np.float32), np.ones(3)
def log(step):
    if sys.argv[3] == "feature_maps": writer.feature_maps("a", maps, step)
    if sys.argv[3] == "filters": writer.filters("a", maps, step)
    if sys.argv[3] == "weight_change": writer.weight_change("a", kernel, kernel, step, gradient=kernel, initial=kernel)
    if sys.argv[3] == "submit": writer.submit(step, lambda: [])
log(0)
writer.flush()
background.WAIT_SECONDS = 0.001
writer.submit(1, lambda: [gate.wait(), []][1])
tracemalloc.start()
for step in range(2, 12_000):
    log(step)
    if writer.dropped: break
print(json.dumps([step, tracemalloc.get_traced_memory()[0], caught]))
background.WAIT_SECONDS = 60
gate.set()
writer.close()
"""


@pytest.mark.parametrize("call", ["feature_maps", "filters", "weight_change", "submit"])
@pytest.mark.parametrize(("options", "megabytes"), [('{"max_queue_bytes": 1000000}', 1.3), ("{}", 13)])
def test_tiny_calls_take_no_more_memory_than_the_bound(tmp_path, call, options, megabytes):
    """Nothing is written meanwhile, so all that is taken waits."""
    ended = children.run(TINY, tmp_path / "run", options, call)
    assert ended.returncode == 0, ended.stderr
    taken, held, caught = json.loads(ended.stdout)
    assert taken > 100
    assert held < megabytes * 1e6
    assert len(caught) == 1
    assert "slower than what is logged" in caught[0]


def test_many_tiny_calls_are_all_written(tmp_path):
    maps = np.ones((1, 2, 2, 1), np.float32)
    with fm.Writer(tmp_path / "run", max_queue_bytes=100_000) as writer:
        for step in range(3000):
            writer.feature_maps("a", maps, step)
    assert writer.dropped == 0
    assert EventSource(tmp_path).run("run").pictures[0].steps.tolist() == list(range(3000))


def test_a_flush_that_takes_long_says_what_it_waits_for(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(background, "TOLD_AFTER_SECONDS", 0.05)
    gate = threading.Event()

    def nothing_after_gate():
        assert gate.wait(60)
        return []

    writer = fm.Writer(tmp_path / "run")
    writer.submit(0, nothing_after_gate, nbytes=3_000_000)
    writer.submit(1, lambda: [])
    threading.Timer(0.5, gate.set).start()
    writer.flush()
    writer.close()
    assert 2 <= len(caplog.messages) <= 4  # after 0.05, 0.1, 0.2 and 0.4 s
    assert "waiting for 2 records (3.0 MB of arrays)" in caplog.messages[0]
