"""Faults in the writer itself: storage that hangs, builders that end the thread, and exits at the wrong moment."""

from __future__ import annotations

import json
import os

import pytest

from tb_featuremap_plugin.reading.events import EventSource
from tests.support import children
from tests.support.killing import assert_all_there

pytest.importorskip("fsspec")

HANGING = """
import json, threading, time
import fsspec
from fsspec.implementations.memory import MemoryFileSystem
from tb_featuremap_plugin.recording import background, storage

background.WAIT_SECONDS = 0.3
storage._gfile = lambda scheme: None  # TensorFlow, where it is, takes longer to import than this waits
ever = threading.Event()

class Hanging(MemoryFileSystem):
    protocol = "hanging"
    def open(self, *arguments, **more):
        ever.wait()

fsspec.register_implementation("hanging", Hanging)
caught = catch_warnings()
writer = fm.Writer("hanging://bucket/run", max_queue_bytes=5000)
for step in range(8):
    log(writer, step)
writer.flush()
print(json.dumps([writer.dropped, writer.failed, caught]), flush=True)
"""


def test_storage_that_hangs_holds_neither_training_nor_the_exit_for_longer_than_promised():
    ended = children.run(HANGING)
    assert ended.returncode == 0, ended.stderr
    dropped, failed, caught = json.loads(ended.stdout)
    assert dropped > 0
    assert failed == 0
    assert 1 <= len(caught) <= 2
    assert all(message.startswith("RuntimeWarning: logging to hanging://bucket/run: ") for message in caught)


def test_a_builder_that_ends_its_thread_costs_its_record(tmp_path):
    program = """
import json
caught = catch_warnings()
writer = fm.Writer(sys.argv[1])
log(writer, 0)
writer.submit(1, lambda: sys.exit(7))
writer.submit(2, lambda: [][0])
log(writer, 3)
writer.flush()
log(writer, 4)
writer.close()
print(json.dumps([writer.failed, len(caught)]))
"""
    ended = children.run(program, tmp_path / "run")
    assert (ended.returncode, json.loads(ended.stdout)) == (0, [2, 1])
    assert [series.steps.tolist() for series in EventSource(tmp_path).run("run").pictures] == [[0, 3, 4]]


def test_a_strict_writer_that_fails_at_exit_does_not_keep_the_others_from_closing(tmp_path):
    program = """
import time
from tb_featuremap_plugin.format.values import blob_value
def slowly(step):
    time.sleep(0.02)
    return [blob_value("featuremaps/maps/late", b"%d" % step)]
writer = fm.Writer(os.path.join(sys.argv[1], "good"))
bad = [fm.Writer(os.path.join(sys.argv[1], "bad"), strict=True) for _ in range(12)]
for step in range(20):
    writer.submit(step, lambda step=step: slowly(step))
for writer in bad:
    writer.submit(0, lambda: [][0])
"""
    ended = children.run(program, tmp_path)
    assert "IndexError" in ended.stderr
    assert EventSource(tmp_path).run("good").pictures[0].steps.tolist() == list(range(20))


@pytest.mark.skipif(os.name == "nt", reason="there is no fork on this system")
def test_a_writer_in_a_child_of_multiprocessing_closes_with_it(tmp_path):
    program = """
import multiprocessing
def work(folder):
    writer = fm.Writer(folder)
    for step in range(20): log(writer, step)
    writer.flush()
process = multiprocessing.get_context("fork").Process(target=work, args=(sys.argv[1],))
process.start()
process.join()
assert process.exitcode == 0
"""
    ended = children.run(program, tmp_path / "run")
    assert ended.returncode == 0, ended.stderr
    assert_all_there(EventSource(tmp_path), "run", 19)
