"""A logdir read back: runs, tables of numbers, and pictures as arrays. What is not asked for is not read."""

from __future__ import annotations

import os
import warnings

from tb_featuremap_plugin.comparing import Comparison
from tb_featuremap_plugin.logs.compare import compare
from tb_featuremap_plugin.logs.logs import Logs
from tb_featuremap_plugin.logs.picture import Norms, Picture
from tb_featuremap_plugin.logs.run import Run
from tb_featuremap_plugin.logs.series import Series
from tb_featuremap_plugin.logs.table import Table
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.reading.places import as_text
from tb_featuremap_plugin.schema.one_line import quoted

__all__ = ["Comparison", "Logs", "Norms", "Picture", "Run", "Series", "Table", "compare", "open"]


_MOST_TOLD = 3


def open(logdir: str | os.PathLike[str]) -> Logs:
    """The runs of a logdir, by the names that they have in the tab.

    Finds out which runs there are, as they are now, and reads nothing else: a run is read when something of it is first asked for, a
    picture when it is. To see what was logged later, open the logdir again. A warning names folders whose event files are so damaged that
    nobody can tell what was logged there.

    Args:
        logdir: a folder on this machine, a zip file of one, or a URL.

    Raises:
        FileNotFoundError: there is nothing of that name.
        NotADirectoryError: it is a file, and not a zip.
        OSError: it cannot be read; `strerror` says why.
        TypeError: it is neither a string nor a path.
        ValueError: it is empty.
    """
    place = as_text(logdir)
    try:
        source = EventSource(place, lazy=True)
    except OSError as error:
        error.filename = error.filename or place
        raise
    names, damages = source.names(), source.unknown()
    if damages:
        told = "; ".join(f"{quoted(run)}: {damage}" for run, damage in damages[:_MOST_TOLD])
        more = f", and {len(damages) - _MOST_TOLD:,} more" if len(damages) > _MOST_TOLD else ""
        warnings.warn(f"what was logged there is not known, as event files are damaged: {told}{more}", stacklevel=2)
    return Logs(source, names, place)
