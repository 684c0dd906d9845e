"""A logdir as a folder, as a zip and behind a URL is the same logdir: runs, pictures, findings, words, and packed bytes."""

from __future__ import annotations

import contextlib
import gc
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.doctor import check_up
from tb_featuremap_plugin.export.pack import pack
from tb_featuremap_plugin.reading import parallel
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.reading.places import find_runs, is_url, open_place
from tb_featuremap_plugin.reading.stored_files import LocalFile, in_order
from tests.support.logdir_places import PLACES, put, write_logdir, write_zip
from tests.support.same import assert_same_runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("places") / "logs"
    folder.mkdir()
    write_logdir(folder)
    return folder


@pytest.fixture(params=PLACES)
def place(request, folder, tmp_path, monkeypatch):
    return put(request.param, folder, tmp_path, monkeypatch)


def listed(where):
    return [(run.name, [(file.name, file.size()) for file in run.files]) for run in find_runs(where)]


def pictures(source):
    return {
        (outline.name, series.kind, series.name, step): source.picture(outline.name, series.kind, series.name, step)
        for outline in source.outlines()
        for series in outline.pictures
        for step in series.steps.tolist()
    }


def test_runs_and_files_are_the_same_in_the_same_order(folder, place):
    found = listed(place)
    assert [name for name, _ in found] == [".", "a", "a/train", "a-b", "b run#1 %20 \u00fc/featuremaps"]
    assert found == listed(folder)


def test_runs_and_pictures_are_the_same(folder, place):
    expected, source = EventSource(folder), EventSource(str(place))
    assert_same_runs(source.runs(), expected.runs())
    assert [run.problems for run in source.runs()] == [run.problems for run in expected.runs()]
    assert any(run.problems for run in expected.runs())
    found = pictures(source)
    assert found == pictures(expected)
    assert len(found) == 30


def test_the_commands_say_the_same(folder, place, tmp_path, capsys):
    said = []
    for number, where in enumerate((folder, place)):
        assert main(["diagnose", str(where), "--format", "json"]) == 0
        assert main(["export", str(where), "-o", str(tmp_path / f"{number}.html")]) == 0
        assert main(["pack", str(where), "-o", str(tmp_path / f"{number}-all.zip")]) == 0
        assert main(["pack", str(where), "-o", str(tmp_path / f"{number}.zip"), "--max-mb", "0.06"]) == 0
        said.append(capsys.readouterr())
    assert said[0].out == said[1].out.replace(str(tmp_path / "1"), str(tmp_path / "0"))
    assert said[0].err == said[1].err
    assert "of 12 steps (" in said[0].out
    for name in (".html", "-all.zip", ".zip"):
        assert (tmp_path / f"0{name}").read_bytes() == (tmp_path / f"1{name}").read_bytes()


def test_doctor_says_the_same(folder, place, capsys):
    assert check_up(place) == check_up(folder)
    assert main(["doctor", str(place)]) == 0
    words = capsys.readouterr().out
    assert main(["doctor", str(folder)]) == 0
    assert words == capsys.readouterr().out.replace(str(folder), str(place), 1)


def described(run):
    return run.name, run.layers.values.tolist() if run.layers else None, [series.name for series in run.pictures]


def test_several_processes_or_threads_give_the_same(folder, place, monkeypatch):
    monkeypatch.setattr(parallel, "WORTHWHILE_BYTES", 0)
    monkeypatch.setattr(parallel, "_processors", lambda: 2)
    expected = [described(run) for run in EventSource(folder).runs()]
    assert parallel.map_runs(place, described) == expected
    assert len(expected) == 4


def test_a_packed_zip_can_be_packed_again_onto_itself(folder, tmp_path):
    pack(folder, tmp_path / "small.zip", 10**7, {})
    pack(tmp_path / "small.zip", tmp_path / "again.zip", 10**7, {})
    with zipfile.ZipFile(tmp_path / "small.zip") as first, zipfile.ZipFile(tmp_path / "again.zip") as second:
        events = [name for name in first.namelist() if "tfevents" in name]
        assert {name: first.read(name) for name in events} == {name: second.read(name) for name in events}
    assert main(["pack", str(tmp_path / "small.zip"), "-o", str(tmp_path / "small.zip"), "--max-mb", "0.06"]) == 0
    assert (tmp_path / "small.zip").stat().st_size <= 60_000
    assert "a-b" in [run.name for run in EventSource(tmp_path / "small.zip").runs()]


@pytest.mark.parametrize("kind", PLACES)
def test_a_place_without_event_files_is_said(kind, tmp_path, monkeypatch):
    for name, words in (("nothing", "it is empty"), ("others", "it holds other files only")):
        (tmp_path / name).mkdir()
        if name == "others":
            (tmp_path / name / "notes.txt").write_text("hello")
        elif kind in ("memory", "gfile-ram"):
            continue  # there are no empty folders
        place = put(kind, tmp_path / name, tmp_path, monkeypatch)
        (remark,) = check_up(place).logdir
        assert words in remark.seen
        assert str(place) in remark.seen


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr("tb_featuremap_plugin.reading.zips._IN_MEMORY", 1)
    return folder


def open_files():
    with contextlib.suppress(ImportError):
        import psutil

        return psutil.Process().num_fds() if hasattr(psutil.Process, "num_fds") else None
    return None


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_in_the_temporary_folder(folder, tmp_path, temporary, fails):
    archive = write_zip(folder, tmp_path / "logs.zip", zipfile.ZIP_DEFLATED)
    before = open_files()

    def use():
        source = EventSource(archive)
        assert pictures(source)
        if fails:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        use()
    gc.collect()
    assert list(temporary.iterdir()) == []
    assert open_files() == before


def test_a_zip_that_is_closed_can_be_replaced_while_its_runs_are_held(folder, tmp_path):
    archive = write_zip(folder, tmp_path / "logs.zip", zipfile.ZIP_STORED)
    source = EventSource(archive)
    (tmp_path / "other.zip").write_bytes(b"")
    (tmp_path / "other.zip").replace(archive)
    with pytest.raises(KeyError):
        pictures(source)


def test_folders_that_link_to_each_other_are_read_once_behind_a_url_too(tmp_path, monkeypatch):
    (tmp_path / "logs" / "deep").mkdir(parents=True)
    write_logdir(tmp_path / "logs" / "deep")
    (tmp_path / "logs" / "again").symlink_to(tmp_path / "logs")
    expected = listed(tmp_path / "logs")
    if "tensorflow" in sys.modules:
        assert listed(f"file://{tmp_path}/logs") == expected
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert listed(f"file://{tmp_path}/logs") == expected


@pytest.mark.parametrize(
    "text", ["s3://bucket/logs", "gs://x", "memory://a", "file:///tmp", "ram://x", "simplecache::s3://b", "S3://b", "a+b.c-d://x"]
)
def test_urls(text):
    assert is_url(text)


@pytest.mark.parametrize(
    "text", ["C://logs", "C:/logs", "c:\\logs", "C:\\\\logs", "logs/s3://x", "://x", "s3:/x", "", "3://x", "logs", "/a://b", "C::s3"]
)
def test_paths_that_are_no_urls(text):
    assert not is_url(text)
    assert not hasattr(open_place(text), "url")


parts = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1, max_size=8).filter(
    lambda part: part not in (".", "..")
)


@given(st.sets(st.lists(parts, max_size=4).map("/".join), max_size=12), st.randoms())
def test_any_folders_are_put_in_the_order_of_a_walk(folders, luck):
    def walk(prefix):
        """As os.walk goes: a folder, then what is below it by name."""
        inside = [folder for folder in folders if prefix in ("", folder) or folder.startswith(f"{prefix}/")]
        here = [prefix] if prefix in folders else []
        depth = len(prefix.split("/")) if prefix else 0
        below = sorted(
            {"/".join(folder.split("/")[: depth + 1]) for folder in inside if folder not in ("", prefix)}, key=lambda f: f.split("/")
        )
        return here + [found for folder in below for found in walk(folder)]

    shuffled = sorted(folders)
    luck.shuffle(shuffled)
    runs = in_order((folder, LocalFile(Path("x"))) for folder in shuffled)
    assert [run.name for run in runs] == [folder or "." for folder in walk("")]
