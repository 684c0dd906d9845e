"""Event files behind URLs: only what is asked for is fetched, by fsspec or gfile and nothing else, and what goes wrong is one sentence."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile

import pytest

from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.reading.places import find_runs
from tests.support import children, logdirs
from tests.support.logdir_places import write_zip

fsspec = pytest.importorskip("fsspec")
from fsspec.implementations.local import LocalFileSystem  # noqa: E402
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem  # noqa: E402

FETCHED: list[tuple[str, int]] = []


class CountedFile(AbstractBufferedFile):
    def _fetch_range(self, start, end):
        FETCHED.append((self.path.rsplit("/", 1)[-1], end - start))
        with open(self.path, "rb") as file:
            file.seek(start)
            return file.read(end - start)


class CountedFileSystem(AbstractFileSystem):
    """Files of this machine by ranges, as object stores give theirs, each range written down."""

    protocol = "counted"
    cachable = False

    def ls(self, path, detail=True, **options):
        return LocalFileSystem().ls(path, detail=detail)

    def info(self, path, **options):
        return LocalFileSystem().info(path)

    def _open(self, path, mode="rb", block_size=None, **options):
        return CountedFile(self, path, mode, block_size or "default", **options)

    @classmethod
    def _strip_protocol(cls, path):
        return path.removeprefix("counted://")


@pytest.fixture
def counted(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    fsspec.register_implementation("counted", CountedFileSystem, clobber=True)
    FETCHED.clear()


def write_large(folder):
    """40 pictures of 16 KB."""
    log = logdirs.EventLog(folder / "run")
    for step in range(40):
        log.maps("conv", step, logdirs.maps_values(step, channels=16, side=16))
    return log.path


@pytest.mark.parametrize("kind", ["folder", "stored zip"])
def test_a_picture_is_fetched_alone(tmp_path, counted, kind):
    size = write_large(tmp_path / "logs").stat().st_size
    url = f"counted://{tmp_path}/logs"
    if kind == "stored zip":
        write_zip(tmp_path / "logs", tmp_path / "logs.zip", zipfile.ZIP_STORED)
        url += ".zip"
    source = EventSource(url)
    assert sum(count for _, count in FETCHED) < size + 5_000, "the listing reads each file once"
    FETCHED.clear()
    blob = source.picture("run", "maps", "conv", 20)
    assert blob == EventSource(tmp_path / "logs").picture("run", "maps", "conv", 20)
    assert len(blob) < sum(count for _, count in FETCHED) < len(blob) + 1_000
    assert len(FETCHED) <= 3


def test_a_file_is_fetched_in_large_ranges(tmp_path, counted):
    write_large(tmp_path / "logs")
    EventSource(f"counted://{tmp_path}/logs").runs()
    assert len(FETCHED) == 1
    write_zip(tmp_path / "logs", tmp_path / "logs.zip", zipfile.ZIP_DEFLATED)
    FETCHED.clear()
    source = EventSource(f"counted://{tmp_path}/logs.zip")
    assert len(FETCHED) < 12
    FETCHED.clear()
    assert source.picture("run", "maps", "conv", 20)
    assert FETCHED == [], "what was inflated is not fetched again"


def test_only_event_files_are_fetched(tmp_path, counted):
    write_large(tmp_path / "logs")
    (tmp_path / "logs" / "model.ckpt").write_bytes(bytes(10**6))
    EventSource(f"counted://{tmp_path}/logs").runs()
    assert {name for name, _ in FETCHED} == {"events.out.tfevents.1700000000.host"}


def test_a_file_that_fails_while_it_is_read_is_a_problem_of_its_run(tmp_path, counted, monkeypatch, capsys):
    write_large(tmp_path / "logs")

    def fail(self, start, end):
        raise RuntimeError("connection reset\nby peer")

    monkeypatch.setattr(CountedFile, "_fetch_range", fail)
    assert EventSource(f"counted://{tmp_path}/logs").runs() == []
    assert main(["doctor", f"counted://{tmp_path}/logs"]) == 0
    assert "could not be read: RuntimeError: connection reset by peer" in " ".join(capsys.readouterr().out.split())


def test_what_a_writer_adds_is_found_by_the_next_reading():
    import tb_featuremap_plugin as fm

    fsspec.filesystem("memory").store.clear()
    for count, name in enumerate(["one", "two"], 1):
        with fm.Writer(f"memory://bucket/logs/{name}") as writer:
            writer.feature_maps("conv", logdirs.maps_values(0).transpose(0, 2, 3, 1), step=1)
        assert [run.name for run in find_runs("memory://bucket/logs")] == ["one", "two"][:count]


COMMANDS = [["diagnose"], ["doctor"], ["export", "-o", "x.html"], ["pack", "-o", "x.zip"]]


@pytest.mark.parametrize("command", COMMANDS, ids=[command[0] for command in COMMANDS])
@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("s3://bucket/logs", "fsspec needs the package s3fs for s3:// (pip install s3fs)"),
        ("simplecache::s3://bucket/logs", "fsspec needs the package s3fs for s3:// (pip install s3fs)"),
        ("nowhere://bucket", "neither fsspec nor TensorFlow knows nowhere://; they know s3://"),
        ("memory://bucket/nothing", "there is nothing at this URL"),
        ("ftp://127.0.0.1:1/logs", "Connection refused"),
    ],
)
def test_a_url_that_cannot_be_read_is_one_sentence(url, sentence, command, capsys, monkeypatch, tmp_path):
    if sentence.startswith("fsspec needs the package s3fs") and importlib.util.find_spec("s3fs"):
        pytest.skip("s3fs is installed")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.chdir(tmp_path)
    fsspec.filesystem("memory").store.clear()
    assert main([command[0], url, *command[1:]]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"tb-featuremap {command[0]}: {url}")
    assert sentence in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_fsspec_it_is_said_what_to_install():
    program = """
sys.modules["tensorflow"] = sys.modules["fsspec"] = None
from tb_featuremap_plugin.cli.main import main
raise SystemExit(main(["doctor", "s3://bucket/logs"]))
"""
    ended = children.run(program)
    assert ended.returncode == 2
    expected = "s3:// needs fsspec (pip install 'fsspec[s3]') or a TensorFlow that knows s3://"
    assert ended.stderr == f"tb-featuremap doctor: s3://bucket/logs cannot be read: {expected}\n"


@pytest.mark.parametrize("command", ["export", "pack"])
def test_what_is_written_goes_to_this_machine(command, capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        main([command, str(tmp_path), "-o", "s3://bucket/x"])
    assert stopped.value.code == 2
    assert "'s3://bucket/x' is a URL" in capsys.readouterr().err


HOOK = """
import sys
opened, bucket = [], sys.argv[2]
def guard(event, arguments):
    if event.startswith(("socket.", "urllib.", "ssl.")) and event != "socket.gethostname":
        raise SystemExit(f"the network was asked: {event} {arguments}")
    if event in ("open", "os.scandir", "os.listdir") and bucket in str(arguments[0]):
        import traceback
        opened.append([frame.filename for frame in traceback.extract_stack()])
sys.addaudithook(guard)
"""

AT_A_URL = """
sys.modules["tensorflow"] = None
from tb_featuremap_plugin.cli.main import main
for command in (["diagnose"], ["doctor"], ["export", "-o", sys.argv[3] + "/x.html"], ["pack", "-o", sys.argv[3] + "/x.zip"]):
    assert main([command[0], "file://" + bucket, *command[1:]]) == 0
assert len(opened) > 8
others = [files[-4:] for files in opened if not any("fsspec" in file for file in files)]
assert not others, others
"""

# Of pictures alone: for numbers TensorBoard has a module that loads fsspec itself.
AT_A_PATH = """
from tb_featuremap_plugin.cli.main import main
for command in (["diagnose"], ["doctor"], ["export", "-o", sys.argv[3] + "/x.html"], ["pack", "-o", sys.argv[3] + "/x.zip"]):
    for place in (bucket, bucket + ".zip"):
        assert main([command[0], place, *command[1:]]) == 0
loaded = sorted(set(sys.modules) & {"tensorflow", "fsspec", "torch", "jax", "keras", "requests", "aiohttp"})
assert not loaded, loaded
assert opened
"""


@pytest.mark.parametrize("program", [AT_A_URL, AT_A_PATH], ids=["url", "path"])
def test_only_fsspec_opens_a_url_and_nothing_remote_opens_a_path(tmp_path, program):
    write_large(tmp_path / "bucket")
    write_zip(tmp_path / "bucket", tmp_path / "bucket.zip", zipfile.ZIP_DEFLATED)
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-c", HOOK + program, "", str(tmp_path / "bucket"), str(tmp_path / "out")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=children.REPOSITORY)
    assert ended.returncode == 0, ended.stderr
