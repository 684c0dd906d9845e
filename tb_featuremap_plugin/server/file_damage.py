"""What of a run's event files is damaged or cannot be read, whatever TensorBoard's loader makes of it.

The loaders say nothing of it: the native one passes on numbers whose checksum is wrong, both end a file at a damaged length in silence.
"""

from __future__ import annotations

import threading
from pathlib import Path

from tb_featuremap_plugin.reading.event_records import check
from tb_featuremap_plugin.reading.places import LocalFolder
from tb_featuremap_plugin.reading.stored_files import LocalFile

_AT_ONCE = 256 * 2**20
"""Bytes of a run that are checked for one answer: a fifth of a second. What is left is checked for the next ones."""


class FileDamage:
    """Checks the files of a logdir, each byte once.

    Args:
        logdir: the folder that TensorBoard shows; None if it shows none of this machine. Nothing is ever said of runs elsewhere.
    """

    def __init__(self, logdir: str | None) -> None:
        self._folder = LocalFolder(Path(logdir)) if logdir and Path(logdir).is_dir() else None
        self._checked: dict[Path, int] = {}
        self._damage: dict[Path, dict[str, None]] = {}
        self._lock = threading.Lock()

    def of(self, run: str) -> list[str]:
        """What is damaged or unreadable of a run's files so far, in sentences."""
        if self._folder is None:
            return []
        try:
            files = self._folder.files_of(run)
        except OSError as error:
            return [_unreadable("its folder", error)]
        with self._lock:
            left = _AT_ONCE
            for file in files:
                left -= self._check(file, left) if left > 0 else 0
            return [sentence for file in files for sentence in self._damage.get(file.path, ())]

    def _check(self, file: LocalFile, most: int) -> int:
        """Checks what a file has grown by; returns how many bytes were."""
        begin, found = self._checked.get(file.path, 0), self._damage.setdefault(file.path, {})

        def note(message: str) -> None:
            found.setdefault(f"{file.name}: {message}. Copy the file again from where it was written")

        try:
            if file.size() < begin:
                begin = 0
            end = check(file, begin, note, most)
        except OSError as error:
            self._damage[file.path] = {_unreadable(file.name, error): None}
            return 0
        self._checked[file.path] = end
        return end - begin


def _unreadable(what: str, error: OSError) -> str:
    return f"{what} cannot be read: {error.strerror or error}. Give the user that TensorBoard runs as the right to read it"
