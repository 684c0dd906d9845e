"""Local and remote paths."""

from __future__ import annotations

import subprocess
import sys
import uuid

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.recording import storage

MAPS = np.random.default_rng(0).random((1, 4, 4, 3)).astype(np.float32)


def test_a_local_file_holds_what_was_appended_at_once(tmp_path):
    appender = storage.open_appender(str(tmp_path / "a" / "b"), "file")
    for part in (b"one", b"two"):
        appender.append(part)
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"onetwo"
    appender.close()


def test_a_removed_file_is_noticed(tmp_path):
    appender = storage.open_appender(str(tmp_path), "file")
    appender.append(b"one")
    (tmp_path / "file").unlink()
    with pytest.raises(FileNotFoundError):
        appender.append(b"two")
    assert not appender.intact
    appender.abandon()


def test_an_open_file_is_known_to_be_written(tmp_path):
    appender = storage.open_appender(str(tmp_path), "file")
    assert storage.is_written(str(tmp_path), "file")
    appender.close()
    assert not storage.is_written(str(tmp_path), "file")
    assert not storage.is_written(str(tmp_path), "nothing")


def test_names_in_a_folder(tmp_path):
    assert list(storage.list_names(str(tmp_path / "none"))) == []
    (tmp_path / "x").write_text("")
    assert list(storage.list_names(str(tmp_path))) == ["x"]


@pytest.fixture
def bucket() -> str:
    """A name of its own: what is in memory stays as long as the process."""
    return f"bucket-{uuid.uuid4().hex}"


def test_fsspec_takes_what_gfile_does_not_know(bucket):
    fsspec = pytest.importorskip("fsspec")
    with fm.Writer(f"memory://{bucket}/run") as writer:
        writer.feature_maps("conv", MAPS, step=1)
        writer.feature_maps("conv", MAPS, step=2)
    system = fsspec.filesystem("memory")
    (name,) = system.ls(f"/{bucket}/run", detail=False)
    assert b"featuremaps/maps/conv" in system.cat(name)
    assert writer.failed == 0
    assert storage.list_names(f"memory://{bucket}/run") == [name.rsplit("/", 1)[-1]]


@pytest.mark.tensorflow
def test_gfile_takes_what_it_knows(bucket):
    tf = pytest.importorskip("tensorflow")
    with fm.Writer(f"ram://{bucket}/run") as writer:
        writer.feature_maps("conv", MAPS, step=1)
    assert writer.failed == 0
    (name,) = tf.io.gfile.listdir(f"ram://{bucket}/run")
    with tf.io.gfile.GFile(f"ram://{bucket}/run/{name}", "rb") as file:
        assert b"featuremaps/maps/conv" in file.read()


def test_an_unknown_scheme_costs_one_warning(tmp_path):
    writer = fm.Writer("nowhere://bucket/run")
    writer.filters("conv", MAPS, step=1, layout="OHWI")
    with pytest.warns(RuntimeWarning, match="nowhere"):
        writer.close()
    assert writer.failed == 1


def test_local_paths_load_no_remote_storage(tmp_path):
    code = (
        "import sys, numpy, tb_featuremap_plugin as fm\n"
        f"with fm.Writer({str(tmp_path)!r}) as writer: writer.feature_maps('a', numpy.ones((1, 2, 2, 3)), step=1)\n"
        "print([name for name in ('tensorflow', 'fsspec', 'torch', 'jax', 'keras') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
