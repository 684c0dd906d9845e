"""Storage that fails under a writer: training goes on, one warning says so, what is lost is counted, and `strict=True` raises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tb_featuremap_plugin.reading.events import EventSource
from tests.support import children
from tests.support.killing import assert_all_there
from tests.support.known import layers_of, variables_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="resource limits and mounts are of POSIX systems")

LOOP = """
import json
caught = catch_warnings()
writer = fm.Writer(sys.argv[1], strict="strict" in sys.argv)
trained, raised = 0, None
for step in range(int(sys.argv[2])):
    try:
        {before}
        log(writer, step)
        writer.flush()
    except Exception as error:
        raised = raised or repr(error)
    trained += 1
try:
    writer.close()
except Exception as error:
    raised = raised or repr(error)
{after}
print(json.dumps([trained, raised, caught, writer.failed, writer.dropped]))
"""


def train(logdir: Path, steps: int, *arguments: str, before: str = "pass", after: str = "pass", prelude: str = "", **options):
    """Trains in a process and returns: steps trained, what was raised, warnings, records that failed, records that were dropped."""
    ended = children.run(prelude + LOOP.format(before=before, after=after), logdir, str(steps), *arguments, **options)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
"""


def test_a_file_that_may_not_grow_costs_records_and_one_warning(tmp_path):
    trained, raised, caught, failed, dropped = train(tmp_path / "run", 100, prelude=LIMITED)
    assert (trained, raised, dropped) == (100, None, 0)
    assert failed > 0
    assert len(caught) == 1
    assert caught[0].startswith("RuntimeWarning: logging to ")
    assert_readable(tmp_path)


def test_strict_raises_what_failed(tmp_path):
    trained, raised, caught, failed, _ = train(tmp_path / "run", 100, "strict", prelude=LIMITED)
    assert trained == 100
    assert "File too large" in raised
    assert (caught, failed > 0) == ([], True)
    assert_readable(tmp_path)


MONITOR = """
import json
from tests.support.soaking import TinyLoop
caught, loop, trained = catch_warnings(), TinyLoop(), 0
with fm.Monitor(sys.argv[1], every=1) as monitor:
    for step in range(60):
        loop.step(monitor, step)
        trained += 1
print(json.dumps([trained, caught]))
"""


def test_a_monitor_goes_on_when_its_file_may_not_grow(tmp_path):
    ended = children.run(LIMITED + MONITOR, tmp_path / "logs")
    assert ended.returncode == 0, ended.stderr
    trained, caught = json.loads(ended.stdout)
    assert (trained, len(caught)) == (60, 1)
    (run,) = EventSource(tmp_path / "logs").runs()
    assert run.problems == ()
    assert layers_of(run).steps.tolist()[:4] == [0, 1, 2, 3]


def assert_readable(logdir: Path) -> None:
    """What was written before the failure is there from the first step on, and nothing is damaged."""
    (run,) = EventSource(logdir).runs()
    assert run.problems == ()
    (series,) = run.pictures
    assert series.steps.tolist()[:6] == variables_of(run).steps.tolist()[:6] == [0, 1, 2, 3, 4, 5]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 200 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip() or 'no permission'}; a limited file stands in for it")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is of Linux")
def test_a_full_disk_costs_records_and_one_warning(small_disk):
    trained, raised, caught, failed, dropped = train(small_disk / "run", 400)
    assert (trained, raised, dropped) == (400, None, 0)
    assert failed > 0
    assert len(caught) == 1
    assert "No space left on device" in caught[0]
    assert_readable(small_disk)
    assert len(list((small_disk / "run").iterdir())) < 5


# What a step of the loop does first: at step 20 somebody else fills the disk, at step 40 they clear it.
FILL_AND_FREE = "fill(step)"
BALLAST = """
def fill(step):
    path = os.path.join(os.path.dirname(sys.argv[1]), "ballast")
    if step == 20:
        ballast = os.open(path, os.O_WRONLY | os.O_CREAT)
        try:
            while os.write(ballast, bytes(100)): pass
        except OSError:
            os.close(ballast)
    if step == 40:
        os.unlink(path)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is of Linux")
def test_a_disk_that_has_room_again_is_written_to_again(small_disk):
    trained, raised, caught, failed, _ = train(small_disk / "run", 60, before=FILL_AND_FREE, prelude=BALLAST)
    assert (trained, raised, len(caught)) == (60, None, 1)
    source = EventSource(small_disk)
    steps = source.run("run").pictures[0].steps.tolist()
    assert set(range(20)) | set(range(41, 60)) <= set(steps)
    assert source.run("run").problems == ()
    assert 0 < failed <= 2 * (60 - len(steps)) + 2


def test_a_logdir_that_is_removed_is_made_anew_and_what_was_lost_is_said(tmp_path):
    removal = "if step == 20: __import__('shutil').rmtree(os.path.dirname(sys.argv[1]))"
    trained, raised, caught, failed, dropped = train(tmp_path / "logs" / "run", 60, before=removal)
    assert (trained, raised, dropped) == (60, None, 0)
    assert len(caught) == 1
    assert failed >= 1
    steps = EventSource(tmp_path / "logs").run("run").pictures[0].steps.tolist()
    assert set(range(22, 60)) <= set(steps)


# Root may write anywhere, so a process that tests permissions loads all that it needs and then gives its rights up.
WITHOUT_PRIVILEGES = """
log(fm.Writer(sys.argv[3]), 0)
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
"""


@pytest.fixture
def others_folder(tmp_path_factory):
    """A folder that a process without privileges reaches and may write to."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)
        for path in (Path(folder), *Path(folder).rglob("*")):
            path.chmod(0o777)


@pytest.fixture
def warm(tmp_path):
    return str(tmp_path / "warm")


def test_a_logdir_that_may_not_be_written_costs_records_and_one_warning(others_folder, warm):
    (others_folder / "logs").mkdir(mode=0o555)
    trained, raised, caught, failed, _ = train(others_folder / "logs" / "run", 10, warm, prelude=WITHOUT_PRIVILEGES)
    assert (trained, raised, failed) == (10, None, 20)
    assert len(caught) == 1
    assert "Permission denied" in caught[0]
    _, raised, caught, _, _ = train(others_folder / "logs" / "run", 10, warm, "strict", prelude=WITHOUT_PRIVILEGES)
    assert "Permission denied" in raised
    assert caught == []


def test_a_logdir_made_read_only_midway_keeps_what_its_open_file_takes(others_folder, warm):
    closing = "if step == 5: os.chmod(sys.argv[1], 0o555)"
    trained, raised, _, failed, dropped = train(others_folder / "run", 20, warm, before=closing, prelude=WITHOUT_PRIVILEGES)
    assert (trained, raised, failed, dropped) == (20, None, 0, 0)
    assert_all_there(EventSource(others_folder), "run", 19)


def test_a_clock_that_jumps_back_and_forth_loses_nothing(tmp_path):
    clock = "import time, random; luck = random.Random(0); time.time = lambda: luck.choice([0.5, 1.0, 1.7e9, 1.9e9, 4e9])\n"
    trained, raised, caught, failed, dropped = train(tmp_path / "run", 40, prelude=clock)
    assert (trained, raised, caught, failed, dropped) == (40, None, [], 0, 0)
    assert_all_there(EventSource(tmp_path), "run", 39)


def test_a_run_resumed_by_a_machine_whose_clock_is_behind_replaces_what_it_wrote_again(tmp_path):
    train(tmp_path / "run", 30)
    behind = "import time; real = time.time; time.time = lambda: real() - 86_400\n"
    again = "if step == 0: writer_log = log; log = lambda writer, step: writer_log(writer, step + 10)"
    train(tmp_path / "run", 30, prelude=behind, before=again)
    assert_all_there(EventSource(tmp_path), "run", 39)
