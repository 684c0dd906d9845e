"""A logdir read back: runs, tables of numbers, and pictures as arrays. What is not asked for is not read."""

from __future__ import annotations

import os

from tb_featuremap_plugin.comparing import Comparison
from tb_featuremap_plugin.logs.compare import compare
from tb_featuremap_plugin.logs.logs import Logs
from tb_featuremap_plugin.logs.picture import Norms, Picture
from tb_featuremap_plugin.logs.run import Run
from tb_featuremap_plugin.logs.series import Series
from tb_featuremap_plugin.logs.table import Table
from tb_featuremap_plugin.reading.events import EventSource

__all__ = ["Comparison", "Logs", "Norms", "Picture", "Run", "Series", "Table", "compare", "open"]


def open(logdir: str | os.PathLike[str]) -> Logs:
    """The runs of a logdir, by the names that they have in the tab.

    Finds out which runs there are, as they are now, and reads nothing else: a run is read when something of it is first asked for, a
    picture when it is. To see what was logged later, open the logdir again.

    Args:
        logdir: a folder on this machine, a zip file of one, or a URL.

    Raises:
        FileNotFoundError: there is nothing of that name.
        NotADirectoryError: it is a file, and no zip.
        OSError: it cannot be read; `strerror` says why.
    """
    source = EventSource(os.fspath(logdir), lazy=True)
    return Logs(source, source.names(), os.fspath(logdir))
