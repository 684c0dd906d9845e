"""Zips made to harm: each ends in seconds, within memory, with one plain sentence, and writes nothing anywhere."""

from __future__ import annotations

import json
import struct
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.reading.places import find_runs
from tb_featuremap_plugin.schema import limits, tags
from tests.support import children, logdirs

EVENTS = "events.out.tfevents.1.host"
MOST_SECONDS, MOST_BYTES = 20, 500 * 2**20

USE = """
import json, re, time
from tb_featuremap_plugin.cli.main import main
began, said = time.monotonic(), []
for command in (["diagnose"], ["doctor"], ["export", "-o", sys.argv[1] + ".html"], ["pack", "-o", sys.argv[1] + ".out"]):
    said.append(main([command[0], sys.argv[1], *command[1:]]))
status = open("/proc/self/status").read()  # getrusage counts what the process held that this one was forked from
peak = 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])
print(json.dumps([said, time.monotonic() - began, peak]))
"""


def good_file(folder: Path) -> bytes:
    return logdirs.write_monitored(folder / "good", [0, 1]).path.read_bytes()


def with_members(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members.items():
            info = zipfile.ZipInfo("placeholder")
            info.filename, info.compress_type = name, method  # a name as it is: ZipInfo would mend it
            file.writestr(info, data)


def name_of(name):
    return lambda path, good: with_members(path, {"run/" + EVENTS: good, name: good})


def twice(path, good):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("run/" + EVENTS, good)
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("run/" + EVENTS, good)


def same_path_twice(path, good):
    with_members(path, {"run/" + EVENTS: good, "./run//" + EVENTS: good})


def patched(path, good, at, value):
    """A good zip with a field of its list of members changed."""
    with_members(path, {"run/" + EVENTS: good})
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + at : entry + at + len(value)] = value
    path.write_bytes(data)


def encrypted(path, good):
    patched(path, good, 8, b"\x01\x00")


def other_method(path, good):
    with_members(path, {"run/" + EVENTS: good}, zipfile.ZIP_LZMA)


def bomb(path, good):
    """A gigabyte of zeros in a megabyte."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("run/" + EVENTS, "w", force_zip64=True) as member:
        for _ in range(1000):
            member.write(bytes(10**6))


def records_bomb(path, good):
    """A gigabyte of whole records without contents."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("run/" + EVENTS, "w", force_zip64=True) as member:
        for _ in range(1000):
            member.write(logdirs.framed(b"") * 62_500)


def overlapping(path, good):
    """Many members that are all the same deflated bytes."""
    zeros = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = zeros.compress(bytes(10**7)) + zeros.flush()
    name = EVENTS.encode()
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, zlib.crc32(bytes(10**7)), len(body), 10**7, len(name), 0) + name
    listed = b""
    for number in range(5_000):
        name = f"{number:05}/{EVENTS}".encode()
        fields = (20, 20, 0, 8, 0, 0, zlib.crc32(bytes(10**7)), len(body), 10**7, len(name), 0, 0, 0, 0, 0, 0)
        listed += struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *fields) + name
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 5_000, 5_000, len(listed), len(local) + len(body), 0)
    path.write_bytes(local + body + listed + end)


def many_members(path, good):
    """A list of half a million members, which costs gigabytes as objects."""
    name = EVENTS.encode()
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0) + name
    listed = entry * 500_000
    end = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 500_000, 500_000, len(listed), 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(listed), 1)
    path.write_bytes(listed + end + locator + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))


def two_sizes(path, good):
    with_members(path, {"run/" + EVENTS: good}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 2**31)
    path.write_bytes(data)


def no_zip(path, good):
    path.write_bytes(good)


def empty(path, good):
    path.write_bytes(b"")


def cut_off(path, good):
    with_members(path, {"run/" + EVENTS: good})
    path.write_bytes(path.read_bytes()[:-30])


REFUSED = {
    "dots": (name_of("../" + EVENTS), "not named by a path below the zip"),
    "dots inside": (name_of("a/../../" + EVENTS), "not named by a path below the zip"),
    "absolute": (name_of("/etc/" + EVENTS), "not named by a path below the zip"),
    "backslashes": (name_of("..\\evil\\" + EVENTS), "not named by a path below the zip"),
    "drive": (name_of("C:/evil/" + EVENTS), "not named by a path below the zip"),
    "twice": (twice, "two members named"),
    "same path twice": (same_path_twice, "two members named"),
    "encrypted": (encrypted, "is encrypted: unpack it"),
    "other method": (other_method, "compressed by method 14"),
    "bomb": (bomb, "of one so small, at most"),
    "bomb of records": (records_bomb, "of one so small, at most"),
    "overlapping": (overlapping, "of one so small, at most"),
    "many members": (many_members, "list of members has"),
    "two sizes": (two_sizes, "claims to have two sizes"),
    "no zip": (no_zip, "it is a file, but not a zip"),
    "empty": (empty, "it is a file, but not a zip"),
    "cut off": (cut_off, "it is a file, but not a zip"),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("kind", REFUSED)
def test_a_hostile_zip_is_refused_with_a_sentence(tmp_path, kind):
    make, sentence = REFUSED[kind]
    (tmp_path / "zips").mkdir()
    archive = tmp_path / "zips" / "hostile.zip"
    make(archive, good_file(tmp_path))
    (tmp_path / "temporary").mkdir()
    environment = "import tempfile; tempfile.tempdir = sys.argv[2]\n"
    ended = children.run(environment + USE, archive, tmp_path / "temporary")
    assert ended.returncode == 0, ended.stderr
    statuses, seconds, peak = json.loads(ended.stdout.splitlines()[-1])
    assert statuses == [2, 2, 2, 2]
    lines = ended.stderr.splitlines()
    assert len(lines) == 4, ended.stderr
    assert all(sentence in line and "hostile.zip" in line for line in lines), ended.stderr
    assert seconds < MOST_SECONDS
    assert peak < MOST_BYTES
    assert [path.name for path in archive.parent.iterdir()] == ["hostile.zip"]
    assert list((tmp_path / "temporary").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good", "temporary", "zips"]


def lying_size(path, good):
    """Says that it inflates to a little, and goes on for ever."""
    with_members(path, {"run/" + EVENTS: bytes(10**8)})
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 100)
    path.write_bytes(data)


def wrong_checksum(path, good):
    patched(path, good, 16, b"\x00\x00\x00\x00")


def elsewhere(path, good):
    patched(path, good, 42, struct.pack("<I", 7))


@pytest.mark.parametrize("make", [lying_size, wrong_checksum, elsewhere])
def test_a_damaged_member_is_named(tmp_path, make, capsys):
    archive = tmp_path / "damaged.zip"
    make(archive, good_file(tmp_path))
    assert main(["doctor", str(archive)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{EVENTS} could not be read: the zip's member" in said
    assert EventSource(archive).runs() == []


names = st.lists(st.sampled_from(["..", ".", "", "a", "b\\c", "C:", "\\\\host", "e\u202e", "x\0y"]) | st.text(max_size=5), max_size=5).map(
    "/".join
)


def runs_or_sentence(archive):
    try:
        return find_runs(archive)
    except OSError as error:
        return error.strerror


@given(st.lists(names.map(lambda folder: f"{folder}/{EVENTS}"), min_size=1, max_size=4, unique=True))
@example(["\x00/" + EVENTS])
@example(["./C:/" + EVENTS])
def test_any_names_are_refused_or_are_folders_below_the_zip(listed):
    with tempfile.TemporaryDirectory() as folder:
        with_members(Path(folder) / "x.zip", dict.fromkeys(listed, b""))
        found = runs_or_sentence(Path(folder) / "x.zip")
    if isinstance(found, str):
        assert "the zip" in found
        return
    assert len({run.name for run in found}) == len(found)
    for run in found:
        assert run.name == "." or not {"", ".", ".."} & set(run.name.split("/"))
        assert "\\" not in run.name
        assert not PureWindowsPath(run.name).drive
        assert [file.name for file in run.files] == [EVENTS]


def test_everything_but_event_files_is_left_alone(tmp_path):
    members = {
        "run/" + EVENTS: good_file(tmp_path),
        "../notes.txt": b"x",
        "/etc/passwd": b"x",
        "inner.zip": b"PK",
        "tfevents/readme.txt": b"x",
    }
    with_members(tmp_path / "mixed.zip", members)
    assert [run.name for run in EventSource(tmp_path / "mixed.zip").runs()] == ["run"]


def test_numbers_that_deflate_far_are_read_up_to_a_size(tmp_path):
    """A network that stands still: a zip a hundred times smaller than its contents is an honest one too."""
    log = logdirs.EventLog(tmp_path / "logs")
    log.run(logdirs.small_record(["conv1"]))
    for step in range(200):
        log.tensor(tags.LAYERS_TAG, step, np.zeros((1, 4000), np.float32), wall_time=1.0)
    assert main(["pack", str(tmp_path / "logs"), "-o", str(tmp_path / "small.zip")]) == 0
    (info,) = [info for info in zipfile.ZipFile(tmp_path / "small.zip").infolist() if "tfevents" in info.filename]
    assert info.file_size > limits.MAX_ZIP_RATIO * info.compress_size
    (run,) = EventSource(tmp_path / "small.zip").runs()
    assert run.layers is not None
    assert len(run.layers.steps) == 200


def test_a_full_temporary_folder_is_said(tmp_path):
    with_members(tmp_path / "x.zip", {"run/" + EVENTS: good_file(tmp_path) * 300})
    program = """
import resource, signal, tempfile
from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.reading import zips
zips._IN_MEMORY = 1
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
raise SystemExit(main(["doctor", sys.argv[1]]))
"""
    if sys.platform == "win32":
        pytest.skip("limits of files are of POSIX systems")
    ended = children.run(program, tmp_path / "x.zip")
    assert ended.returncode == 0, ended.stderr
    assert "could not be read: File too large" in " ".join(ended.stdout.split())
