"""The dashboard that is committed is what its sources make, byte for byte, wherever they stand."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

BUILD_SECONDS = 1200
"""It takes half a minute; on a machine that does much else at the same time it has taken more than five."""


def build(repository: Path, folder: Path) -> dict[str, bytes]:
    """Builds the dashboard in a folder of its own; what came out."""
    frontend = folder / "frontend"
    shutil.copytree(repository / "frontend", frontend, ignore=shutil.ignore_patterns("node_modules"))
    (frontend / "node_modules").symlink_to(repository / "frontend" / "node_modules")
    finished = subprocess.run(["node", "build.mjs"], cwd=frontend, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return contents(folder / "tb_featuremap_plugin" / "static")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.timeout(2 * BUILD_SECONDS)
def test_the_dashboard_is_the_same_bytes_when_it_is_built_again(repository, tmp_path):
    if not shutil.which("node") or not (repository / "frontend" / "node_modules").exists():
        pytest.skip("building the dashboard needs Node 20 and `npm ci`; its digests are checked all the same")
    assert (
        build(repository, tmp_path / "here")
        == build(repository, tmp_path / "a folder elsewhere")
        == contents(repository / "tb_featuremap_plugin" / "static")
    )
