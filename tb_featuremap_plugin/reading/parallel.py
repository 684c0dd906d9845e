"""Every run of a logdir through a function, in several processes where that takes less time than to start them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import TypeVar

from tb_featuremap_plugin.reading import assemble
from tb_featuremap_plugin.reading.event_records import RunFiles, find_runs
from tb_featuremap_plugin.reading.run import Run
from tb_featuremap_plugin.reading.run_reader import RunReader

T = TypeVar("T")

WORTHWHILE_BYTES = 64 * 2**20
"""Less than this is read in about the time that it takes to start a process."""

_MOST_PROCESSES = 8
"""Each holds a run; beyond this many the disk is what one waits for."""


def map_runs(logdir: str | Path, function: Callable[[Run], T]) -> list[T]:
    """Applies a function to all runs that hold something of ours, by natural sort of their titles.

    Args:
        logdir: a folder on this machine.
        function: one that can be sent to another process, as what it returns.

    Raises:
        FileNotFoundError: there is no such folder.
        NotADirectoryError: it is a file.
    """
    found = sorted(find_runs(Path(logdir)), key=lambda run: assemble.run_order(run.name))
    applied = _map(partial(_apply, function), found)
    return [result for results in applied for result in results]


def _apply(function: Callable[[Run], T], files: RunFiles) -> list[T]:
    reader = RunReader(files)
    return [function(assemble.run(reader.raw()))] if reader.is_ours else []


def _map(function: Callable[[RunFiles], T], found: Sequence[RunFiles]) -> list[T]:
    processes = min(_processors(), len(found), _MOST_PROCESSES)
    if processes > 1 and _size(found) >= WORTHWHILE_BYTES:
        try:
            return _map_in_processes(function, found, processes)
        except (OSError, ImportError, BrokenProcessPool):  # no shared memory here, or not enough memory for several at once
            pass
    return [function(run) for run in found]


def _map_in_processes(function: Callable[[RunFiles], T], found: Sequence[RunFiles], processes: int) -> list[T]:
    """The results in the order of the runs, whichever is ready first. Fresh processes: a fork may hang where there are threads."""
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(function, found))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _size(found: Sequence[RunFiles]) -> int:
    return sum(path.stat().st_size for run in found for path in run.files if path.exists())
