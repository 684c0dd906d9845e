"""Wheels and clean environments, as a user's: made once a session, below the temporary folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SOURCES = ("tb_featuremap_plugin", "examples", "pyproject.toml", "setup.py", "README.md", "LICENSE", "THIRD_PARTY_NOTICES")
NOT_SOURCES = shutil.ignore_patterns("__pycache__", "*.egg-info", "node_modules")
BUILD = "import setuptools.build_meta as b, sys; print(getattr(b, f'build_{sys.argv[1]}')(sys.argv[2]))"


def copy_sources(folder: Path) -> Path:
    """What a build reads, away from the checkout, so that nothing is left behind in it."""
    folder.mkdir(parents=True)
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=NOT_SOURCES, symlinks=True)
        else:
            shutil.copy2(source, folder / name)
    return folder


def build(kind: str, sources: Path, out: Path) -> Path:
    """Builds a "wheel" or an "sdist" as an installer does, with this environment's setuptools and no network."""
    out.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, "-W", "ignore", "-c", BUILD, kind, str(out)]
    finished = subprocess.run(command, cwd=sources, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return out / finished.stdout.strip().splitlines()[-1]


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        return str(self.folder / ("Scripts" if os.name == "nt" else "bin") / name)

    def python(self, *arguments: str) -> str:
        """What its interpreter prints; a failure fails the test."""
        return self.run(self.program("python"), *arguments)

    def run(self, *command: str) -> str:
        """What a command prints, with nothing but this environment and the system's own tools on PATH."""
        finished = subprocess.run(command, cwd=self.folder, env=self.variables(), capture_output=True, text=True, timeout=600, check=False)
        assert finished.returncode == 0, f"{' '.join(command)}\n{finished.stdout}{finished.stderr}"
        return finished.stdout

    def variables(self) -> dict[str, str]:
        """Environment variables without what this checkout or a developer's machine adds: no Node, no PYTHONPATH."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NODE", "VIRTUAL_ENV", "npm_"))}
        return {**kept, "PATH": os.pathsep.join([str(Path(self.program("python")).parent), "/usr/bin", "/bin"])}


def make_environment(folder: Path, *requirements: str) -> Environment:
    """A new environment with these packages; where they cannot be had, the test is left out, and said."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    environment = Environment(folder)
    install = [environment.program("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    for _ in range(3):
        finished = subprocess.run(install, capture_output=True, text=True, timeout=900, check=False)
        if finished.returncode == 0:
            return environment
    pytest.skip(f"packages could not be installed into a clean environment (no network?): {finished.stderr.strip()[-200:]}")
