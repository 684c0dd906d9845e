"""Locks by which the writers of one machine find each other. They belong to an open file, and go with its process however that ends."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

FAR = 2**40
"""Where a file is locked on Windows, which keeps others from reading what is locked: one byte, far behind anything ever written."""

LOCK_FILE = ".featuremaps.lock"
"""What stands for a folder where folders cannot be locked: on Windows, and on NFS, which locks only what is open for writing."""


class Locks(Protocol):
    """The locks of one kind of system; each call works on an open file, and closing it gives the lock back."""

    def open_folder(self, folder: str) -> int:
        """A descriptor of something that can be locked for the folder, which is there."""

    def try_lock(self, descriptor: int) -> None:
        """Locks the file.

        Raises:
            PermissionError, BlockingIOError: somebody else has it locked.
            OSError: it cannot be locked.
        """

    def wait(self, descriptor: int) -> None:
        """Locks the file as soon as nobody else has it.

        Raises:
            OSError: it cannot be locked.
        """


class PosixLocks:
    """`flock`: of the whole file, and a mere sign between those who ask for it."""

    def __init__(self, fcntl: Any) -> None:
        self._fcntl = fcntl

    def open_folder(self, folder: str) -> int:
        """The folder itself."""
        return os.open(folder, os.O_RDONLY)

    def try_lock(self, descriptor: int) -> None:
        """Locks, or raises at once."""
        self._fcntl.flock(descriptor, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB)

    def wait(self, descriptor: int) -> None:
        """Locks, however long that takes."""
        self._fcntl.flock(descriptor, self._fcntl.LOCK_EX)


class WindowsLocks:
    """`msvcrt.locking`: of one byte behind the data, since nobody else could read what is locked."""

    def __init__(self, msvcrt: Any) -> None:
        self._msvcrt = msvcrt

    def open_folder(self, folder: str) -> int:
        """A file in the folder that is there for nothing else."""
        return _open_stand_in(folder)

    def try_lock(self, descriptor: int) -> None:
        """Locks, or raises at once."""
        os.lseek(descriptor, FAR, os.SEEK_SET)
        self._msvcrt.locking(descriptor, self._msvcrt.LK_NBLCK, 1)

    def wait(self, descriptor: int) -> None:
        """Locks, or raises after ten seconds: beginning a file takes milliseconds."""
        os.lseek(descriptor, FAR, os.SEEK_SET)
        self._msvcrt.locking(descriptor, self._msvcrt.LK_LOCK, 1)


def is_free(descriptor: int) -> bool | None:
    """Locks a file, open for writing: NFS refuses others.

    Returns:
        False if somebody else has it locked; None if it cannot be locked at all, so that nobody knows.
    """
    if LOCKS is None:
        return None
    try:
        LOCKS.try_lock(descriptor)
    except (PermissionError, BlockingIOError):
        return False
    except OSError:
        return None
    return True


@contextlib.contextmanager
def held(folder: str) -> Iterator[None]:
    """While this lasts, nobody else holds this folder; where folders cannot be locked, everybody does."""
    if LOCKS is None:
        yield
        return
    descriptor = LOCKS.open_folder(folder)
    try:
        if not _waited(LOCKS, descriptor):
            os.close(descriptor)
            descriptor = _open_stand_in(folder)
            _waited(LOCKS, descriptor)
        yield
    finally:
        os.close(descriptor)


def _open_stand_in(folder: str) -> int:
    """A file that is locked in place of its folder."""
    return os.open(Path(folder) / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)


def _waited(kind: Locks, descriptor: int) -> bool:
    """Locks a file as soon as nobody else has it; False if it cannot be locked."""
    try:
        kind.wait(descriptor)
    except OSError:
        return False
    return True


def _of_this_system() -> Locks | None:
    for module, kind in (("fcntl", PosixLocks), ("msvcrt", WindowsLocks)):
        with contextlib.suppress(ImportError):
            locks: Locks = kind(importlib.import_module(module))
            return locks
    return None


LOCKS: Locks | None = _of_this_system()
