"""Training loops in processes of their own, to be killed, starved and cut off as real ones are."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from tests.support.known import known

REPOSITORY = Path(__file__).parent.parent.parent
SECONDS = 240

PREAMBLE = """
import os, sys, warnings
import numpy as np
import tb_featuremap_plugin as fm
from tests.support.children import log, catch_warnings
"""


def log(writer: Any, step: int) -> None:
    """What a step logs: feature maps that are all the step's number, and a kernel whose norm is 10 * (step + 2)."""
    writer.feature_maps("conv", np.full((1, 8, 8, 4), step, np.float32), step)
    writer.weight_change("kernel", np.full(100, step + 2.0), np.full(100, step + 1.0), step)


def catch_warnings() -> list[str]:
    """From here on, warnings of this process go into the list that is returned, each time they are raised."""
    caught: list[str] = []
    warnings.showwarning = lambda message, category, *rest, **more: caught.append(f"{category.__name__}: {message}")
    warnings.simplefilter("always")
    return caught


def start(source: str, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    """Starts Python with `PREAMBLE` and then `source`; both its outputs are pipes."""
    command = [sys.executable, "-c", PREAMBLE + source, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=REPOSITORY, **options)


def run(source: str, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs such a process to its end."""
    with start(source, *arguments, **options) as process:
        try:
            output, errors = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
            raise AssertionError(f"the process hung; it said\n{output}\n{errors}") from None
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


@contextmanager
def running(source: str, *arguments: str | Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Such a process for the length of a `with` block; what is left of it then is killed."""
    with start(source, *arguments, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def output_of(process: subprocess.Popen[str]) -> IO[str]:
    """What such a process prints."""
    return known(process.stdout, "pipe from the process")


def input_of(process: subprocess.Popen[str]) -> IO[str]:
    """What such a process reads, where it was started with `stdin=subprocess.PIPE`."""
    return known(process.stdin, "pipe to the process")


def last_number(lines: Sequence[str]) -> int:
    """The number on the last line that is whole."""
    whole = [line for line in lines if line.endswith("\n")]
    assert whole, "the process said nothing"
    return int(whole[-1])
