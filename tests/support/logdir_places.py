"""The same logdir at every place that can be read: folders, zips, and URLs of real file systems."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
from tensorboard.util import tensor_util

from tests.support import logdirs

PLACES = [
    "stored",
    "deflated",
    "memory",
    "fsspec-file",
    "zip-in-memory",
    pytest.param("gfile-file", marks=pytest.mark.tensorflow),
    pytest.param("gfile-ram", marks=pytest.mark.tensorflow),
]


def write_logdir(folder: Path) -> None:
    """Runs in the logdir itself, below it and below each other; one resumed, one damaged, one of somebody else; odd names; other files."""
    logdirs.write_monitored(folder, [0, 1])
    logdirs.write_monitored(folder / "b run#1 %20 \u00fc" / "featuremaps", [0, 5, 10])
    logdirs.write_monitored(folder / "b run#1 %20 \u00fc" / "featuremaps", [8, 12], start=logdirs.START_TIME + 5_000)
    damaged = logdirs.write_monitored(folder / "a", [0, 1, 2])
    damaged.raw(logdirs.framed(b"\xff" * 30))
    other = logdirs.EventLog(folder / "a" / "train")
    for step in range(30):
        other.scalar("loss", step, 1 / (step + 1))
    images = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="images"), data_class=3)
    other.value("picture", 0, tensor_util.make_tensor_proto([b"8", b"8", os.urandom(5_000)]), images)
    large = logdirs.EventLog(folder / "a-b")
    for step in range(12):
        large.maps("conv", step, logdirs.maps_values(step, channels=8, side=16))
    (folder / "notes.txt").write_text("hello")
    (folder / "inner.zip").write_bytes(b"PK\x03\x04 no zip at all")
    (folder / "empty").mkdir()


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Paths and contents, the last first: no place has to list them in order."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def write_zip(folder: Path, archive: Path, method: int) -> Path:
    """A zip of all files below a folder."""
    with zipfile.ZipFile(archive, "w", method) as file:
        for name, data in files_below(folder):
            file.writestr(name, data)
    return archive


def put(kind: str, folder: Path, spare: Path, monkeypatch: pytest.MonkeyPatch) -> str | Path:
    """Brings a logdir to a place of some kind, and says how it is called there."""
    if kind in ("stored", "deflated"):
        method = zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED
        return write_zip(folder, spare / f"{kind}.zip", method)
    if kind.startswith("gfile"):
        return _put_gfile(kind, folder, spare)
    fsspec = pytest.importorskip("fsspec")
    if kind == "fsspec-file":
        monkeypatch.setitem(sys.modules, "tensorflow", None)
        return f"file://{folder}"
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    if kind == "zip-in-memory":
        memory.pipe("/bucket/logs.zip", write_zip(folder, spare / "x.zip", zipfile.ZIP_DEFLATED).read_bytes())
        return "memory://bucket/logs.zip"
    for name, data in files_below(folder):
        memory.pipe(f"/bucket/logs/{name}", data)
    return "memory://bucket/logs"


def _put_gfile(kind: str, folder: Path, spare: Path) -> str:
    gfile = pytest.importorskip("tensorflow").io.gfile
    if kind == "gfile-file":
        return f"file://{folder}"
    root = f"ram://{spare.name}-{folder.name}"
    for name, data in files_below(folder):
        gfile.makedirs(f"{root}/{name}".rpartition("/")[0])
        with gfile.GFile(f"{root}/{name}", "wb") as file:
            file.write(data)
    return root
