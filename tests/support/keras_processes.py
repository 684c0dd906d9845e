"""Runs a module of Keras tests on one backend, in a process of its own: Keras takes its backend when it is imported."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parent


def run_keras_tests(module: str, backend: str, selection: str = "", **environment: str) -> None:
    """Runs tests and asserts that they pass.

    Args:
        module: name of a file in this folder.
        backend: of Keras.
        selection: as of pytest's `-k`.
        **environment: variables that are set besides.
    """
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    settings = {"KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "JAX_PLATFORMS": "cpu", **environment}
    options = ["-q", "-p", "no:cacheprovider", "-o", "timeout=1200", "-k", selection]
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(SUPPORT / module)],
        cwd=SUPPORT.parent.parent,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=2400,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-6000:] + finished.stderr[-2000:]
