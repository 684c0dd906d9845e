"""Locks as Windows has them, on Linux: `msvcrt.locking` made of Linux's own locks of byte ranges, which belong to an open file too.

What is locked can be read here by others, which Windows forbids; everything else is the same: where a lock begins (at the file's
position), whose it is, when it goes, and the errors.
"""

from __future__ import annotations

import errno
import os
import struct
import time

ATTEMPTS, PAUSE_SECONDS = 10, 1

LK_LOCK, LK_NBLCK = 1, 2


def locking(descriptor: int, mode: int, size: int) -> None:
    """Locks `size` bytes from the file's position.

    Raises:
        PermissionError: another open file has them locked; `LK_LOCK` tries again for ten seconds.
    """
    for _ in range(ATTEMPTS if mode == LK_LOCK else 1):
        if _locked(descriptor, size):
            return
        if mode == LK_LOCK:
            time.sleep(PAUSE_SECONDS)
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _locked(descriptor: int, size: int) -> bool:
    import fcntl

    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    writable = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    kind = fcntl.F_WRLCK if writable else fcntl.F_RDLCK  # Windows locks what is only read as well
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, place, size, 0))
    except BlockingIOError:
        return False
    return True
