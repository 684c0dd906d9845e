"""What is installed: everything that is needed, nothing that is not, and the same bytes from the same sources."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support import environments


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environments.copy_sources(tmp_path_factory.mktemp("packaging") / "sources")


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environments.build("wheel", sources, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheel_holds_the_dashboard_types_licences_and_stories(names: set[str]) -> None:
    static = {f"tb_featuremap_plugin/static/{name}" for name in ("index.js", "late.js", "uplot.js", "style.css", "BUILD.json")}
    assert static <= names
    assert {"tb_featuremap_plugin/py.typed", "tb_featuremap_plugin/demo/stories/story0_white_maps.py"} <= names
    assert {name.rpartition("/")[2] for name in names if "/licenses/" in name} == {"LICENSE", "THIRD_PARTY_NOTICES"}


def test_wheel_holds_nothing_else(names: set[str]) -> None:
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"tb_featuremap_plugin"}
    assert not [name for name in names if name.endswith((".map", ".ts", ".tsx", ".pyc")) or "/tests/" in name]


def test_wheel_holds_every_module(names: set[str], repository: Path) -> None:
    package = repository / "tb_featuremap_plugin"
    modules = {f"tb_featuremap_plugin/{path.relative_to(package).as_posix()}" for path in package.rglob("*.py")}
    assert modules <= names


def test_entry_points(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = next(archive.read(name).decode() for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert "featuremaps = tb_featuremap_plugin.server.loader:FeatureMapsLoader" in text
    assert "tb-featuremap = tb_featuremap_plugin.cli.main:main" in text


def test_wheel_is_the_same_bytes_when_it_is_built_again(wheel: Path, sources: Path, tmp_path: Path) -> None:
    again = environments.build("wheel", environments.copy_sources(tmp_path / "elsewhere"), tmp_path / "out")
    assert hashlib.sha256(again.read_bytes()).hexdigest() == hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_wheel_can_be_built_from_the_sdist(sources: Path, names: set[str], tmp_path: Path) -> None:
    sdist = environments.build("sdist", sources, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    with zipfile.ZipFile(environments.build("wheel", unpacked, tmp_path / "wheel")) as rebuilt:
        assert set(rebuilt.namelist()) == names


def test_without_the_dashboard_nothing_is_built(tmp_path: Path) -> None:
    sources = environments.copy_sources(tmp_path / "sources")
    (sources / "tb_featuremap_plugin" / "static" / "index.js").unlink()
    with pytest.raises(AssertionError, match="npm --prefix frontend"):
        environments.build("wheel", sources, tmp_path / "out")


def test_nothing_large_or_made_here_is_committed(repository: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    paths = [repository / name for name in listed.stdout.split("\0") if name]
    sizes = {str(path): path.stat().st_size for path in paths if path.is_file()}
    assert {path: size for path, size in sizes.items() if size > 6_000_000} == {}
    made = [path for path in sizes if "__pycache__" in path or path.endswith((".pyc", ".whl"))]
    released = [str(path) for path in (repository / "tests" / "fixtures" / "wheels").glob("*.whl")]
    assert set(made) <= set(released)
