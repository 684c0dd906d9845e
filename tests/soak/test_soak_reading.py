"""Minutes of reading while it is written: TensorBoard reloads every second, and every answer is right at its moment."""

from __future__ import annotations

import os
import threading
import time

import psutil
import pytest

from tests.support import children
from tests.support.servers import PLUGIN, tensorboard
from tests.support.soaking import MEGABYTE

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]

SECONDS = float(os.environ.get("SOAK_SECONDS", "300"))
WRITER = """
import time
writer = fm.Writer(sys.argv[1])
for step in range(10**9):
    log(writer, step)
    writer.flush()
    print(step, flush=True)
    time.sleep(0.01)
"""


@pytest.mark.parametrize("load_fast", [True, False], ids=["native", "python"])
def test_tensorboard_is_asked_for_minutes_while_a_run_is_written(tmp_path, load_fast):
    asked, seen = 0, 0
    flushed: list[str] = []
    with children.running(WRITER, tmp_path / "run") as process, tensorboard(tmp_path, load_fast=load_fast, reload_interval=1) as server:
        lines = children.output_of(process)
        reader = threading.Thread(target=lambda: flushed.extend(line for line in lines if line.endswith("\n")), daemon=True)
        reader.start()
        server.wait_for_runs(1)
        began = memory(server)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            (run,) = server.json(f"{PLUGIN}/runs")["runs"]
            assert run["problems"] == []
            steps = run["pictures"][0]["steps"]
            assert steps == sorted(set(steps))
            assert steps[-1] >= seen
            seen = steps[-1]
            for step in {steps[0], steps[len(steps) // 2], steps[-1]}:
                status, _, body = server.get(f"{PLUGIN}/picture?run=run&kind=maps&name=conv&step={step}")
                assert status in (200, 404), body  # sampling may have dropped the step since it was listed
            for route in ("table?run=run&table=variables", "losses?run=run", "diagnosis?run=run", "channels?run=run&kind=maps&name=conv"):
                assert server.get(f"{PLUGIN}/{route}")[0] == 200
            asked += 1
        grown = memory(server) - began
        process.kill()
        reader.join()
        assert "Traceback" not in server.log()
    written = int(flushed[-1]) + 1
    print(f"{asked:,} rounds of requests in {SECONDS:.0f} s while {written:,} steps were written; server {grown / MEGABYTE:+.0f} MiB")
    assert seen > 100
    assert grown < 300 * MEGABYTE


def memory(server) -> int:
    process = psutil.Process(server.process.pid)
    return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)])
