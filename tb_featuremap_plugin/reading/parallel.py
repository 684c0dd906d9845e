"""Every run of a logdir through a function, several at a time where that takes less time than to begin it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import TypeVar

from tb_featuremap_plugin.reading import assemble, run_names
from tb_featuremap_plugin.reading.places import Where, find_runs
from tb_featuremap_plugin.reading.run import Run
from tb_featuremap_plugin.reading.run_reader import RunReader
from tb_featuremap_plugin.reading.stored_files import RunFiles

T = TypeVar("T")

WORTHWHILE_BYTES = 64 * 2**20
"""Less than this is read in about the time that it takes to start a process."""

_MOST_AT_ONCE = 8
"""Each holds a run; beyond this many the disk or the network is what one waits for."""


def map_runs(logdir: Where, function: Callable[[Run], T]) -> list[T]:
    """Applies a function to all runs that hold something of ours, by natural sort of their titles.

    Args:
        logdir: the path of a folder or of a zip file, a URL, or a place that is open already.
        function: one that can be sent to another process, as what it returns.

    Raises:
        FileNotFoundError: there is nothing of that name.
        NotADirectoryError: it is a file, and no zip.
        OSError: it cannot be read, or is a zip that is not read; `strerror` says why.
    """
    found = sorted(find_runs(logdir), key=lambda run: run_names.run_order(run.name))
    applied = _map(partial(_apply, function), found)
    return [result for results in applied for result in results]


def _apply(function: Callable[[Run], T], files: RunFiles) -> list[T]:
    reader = RunReader(files)
    return [function(assemble.run(reader.raw()))] if reader.is_ours else []


def _map(function: Callable[[RunFiles], T], found: Sequence[RunFiles]) -> list[T]:
    if not all(file.is_local for run in found for file in run.files):
        return _map_in_threads(function, found)
    processes = min(_processors(), len(found), _MOST_AT_ONCE)
    if processes > 1 and _size(found) >= WORTHWHILE_BYTES:
        try:
            return _map_in_processes(function, found, processes)
        except (OSError, ImportError, BrokenProcessPool):  # no shared memory here, or not enough memory for several at once
            pass
    return [function(run) for run in found]


def _map_in_threads(function: Callable[[RunFiles], T], found: Sequence[RunFiles]) -> list[T]:
    """The same for remote files: there one waits for the network, and file systems, log-ins and caches belong to this process."""
    with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
        return list(pool.map(function, found))


def _map_in_processes(function: Callable[[RunFiles], T], found: Sequence[RunFiles], processes: int) -> list[T]:
    """The results in the order of the runs, whichever is ready first. Fresh processes: a fork may hang where there are threads."""
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(function, found))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _size(found: Sequence[RunFiles]) -> int:
    total = 0
    for file in (file for run in found for file in run.files):
        with contextlib.suppress(OSError):  # it has just been removed
            total += file.size()
    return total
