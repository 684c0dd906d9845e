"""A signal handler that flushes, logs or closes while the same thread is within a call of the logger: it ends soon, and all is there."""

from __future__ import annotations

import os

import pytest

from tb_featuremap_plugin.reading.events import EventSource
from tests.support import children

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX systems")

# A handler runs between two lines of Python; so it is called here at each line of ours that the main thread comes to, once for each
# way of coming there, as if its signal had come just then.
AT_EACH_LINE = """
import faulthandler, threading
faulthandler.dump_traceback_later(60, exit=True)
from tb_featuremap_plugin.recording import background
background.LINGER_SECONDS = 0.0
MAPS, count, seen = np.ones((1, 8, 8, 4), np.float32), [0], set()
LARGE = np.ones((1, 64, 64, 8), np.float32)
HANDLERS = {
    "flush": lambda: writer.flush(),
    "log": lambda: writer.feature_maps("handler", MAPS, count[0]),
    "log what is large, and flush": lambda: [writer.feature_maps("handler", LARGE, count[0]), writer.flush()],
    "close": lambda: writer.close() if count[0] == int(sys.argv[3]) else None,
}

def trace(frame, event, argument):
    if "tb_featuremap_plugin" not in frame.f_code.co_filename and not frame.f_code.co_filename.endswith("threading.py"):
        return None
    place = frame.f_code, frame.f_lineno, event, frame.f_back.f_lineno
    if place not in seen:
        seen.add(place)
        sys.settrace(None)
        count[0] += 1
        handler()
        sys.settrace(trace)
    return trace

writer, handler = fm.Writer(sys.argv[1], max_queue_bytes=3 * LARGE.nbytes), HANDLERS[sys.argv[2]]
logged = 0
sys.settrace(trace)
try:
    for step in range(40):
        writer.feature_maps("conv", LARGE if step % 2 else MAPS, step)
        writer.weight_change("w", MAPS, MAPS, step)
        logged += 1
except ValueError as error:
    assert "closed" in str(error)
sys.settrace(None)
writer.close()
assert writer.dropped == writer.failed == 0
print(logged, count[0])
"""


@pytest.mark.parametrize("handler", ["flush", "log", "log what is large, and flush"])
def test_a_handler_may_come_at_any_line_of_a_call(tmp_path, handler):
    ended = children.run(AT_EACH_LINE, tmp_path / "run", handler, "0")
    assert ended.returncode == 0, ended.stderr
    logged, handled = map(int, ended.stdout.split())
    assert logged == 40
    assert handled > 100
    found = {series.name: series.steps.tolist() for series in EventSource(tmp_path).run("run").pictures}
    assert found["conv"] == list(range(40))
    assert found.get("handler", []) == (list(range(1, handled + 1)) if handler != "flush" else [])


@pytest.mark.parametrize("at", range(5, 250, 60))
def test_a_handler_may_close_at_any_line_of_a_call(tmp_path, at):
    ended = children.run(AT_EACH_LINE, tmp_path / "run", "close", at)
    assert ended.returncode == 0, ended.stderr
    logged, _ = map(int, ended.stdout.split())
    steps = EventSource(tmp_path).run("run").pictures[0].steps.tolist() if logged else []
    assert steps[:logged] == list(range(logged))


PREEMPTED = """
import faulthandler, signal, threading
faulthandler.dump_traceback_later(60, exit=True)
maps = np.ones((1, 8, 8, 4), np.float32)
writer, monitor = fm.Writer(sys.argv[1] + "/writer"), fm.Monitor(sys.argv[1], every=1)
steps = {"writer": 0, "monitor": 0}

def handler(number, frame):
    writer.feature_maps("last", maps, 0)
    for logger in (writer, monitor):
        logger.flush()
        logger.close()
    print(steps["writer"], steps["monitor"], flush=True)
    os._exit(0)

signal.signal(signal.SIGTERM, handler)
threading.Timer(float(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
while True:
    writer.feature_maps("conv", maps, steps["writer"])
    steps["writer"] += 1
    monitor.log(steps["monitor"], activations={"conv": maps}, weights={"w": maps}, loss=1.0)
    steps["monitor"] += 1
"""


@pytest.mark.parametrize("after", [0.05, 0.3])
def test_a_job_that_is_told_to_end_flushes_closes_and_ends(tmp_path, after):
    ended = children.run(PREEMPTED, tmp_path, after)
    assert ended.returncode == 0, ended.stderr
    written, recorded = map(int, ended.stdout.split())
    source = EventSource(tmp_path)
    pictures = {series.name: series.steps.tolist() for series in source.run("writer").pictures}
    assert pictures.get("conv", [])[:written] == list(range(written))
    assert pictures["last"] == [0]
    if recorded:
        (series,) = [series for series in source.run("featuremaps").pictures if series.kind == "maps"]
        assert series.steps.tolist()[:recorded] == list(range(recorded))


INTERRUPTED = """
import signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
maps, writer, step = np.ones((1, 8, 8, 4), np.float32), fm.Writer(sys.argv[1]), 0
for _ in range(20):
    timer = threading.Timer(0.01, lambda: os.kill(os.getpid(), signal.SIGINT))
    try:
        timer.start()
        while True:
            writer.feature_maps("conv", maps, step)
            step += 1
    except KeyboardInterrupt:
        step += 1
    timer.join()
writer.flush()
print(step)
"""


def test_an_interrupted_call_costs_its_own_record_at_most(tmp_path):
    ended = children.run(INTERRUPTED, tmp_path / "run")
    assert ended.returncode == 0, ended.stderr
    last = int(ended.stdout)
    (series,) = EventSource(tmp_path).run("run").pictures
    missing = set(range(last)) - set(series.steps.tolist())
    assert len(missing) <= 20
