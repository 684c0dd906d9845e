"""The exported page inside a notebook: a frame that holds all of it, so that whatever serves the notebook need not serve the page too."""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import dataclass
from numbers import Real

from tb_featuremap_plugin.export.report import make_report
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.reading.places import as_text
from tb_featuremap_plugin.schema.one_line import described, quoted_path

_MEGABYTE = 1_000_000
_ELSEWHERE = "`tb-featuremap export`"
_MAY = "allow-scripts allow-downloads"
"""Without `allow-same-origin` nothing in the page can reach the notebook, its address or its cookies."""


@dataclass(frozen=True, repr=False)
class Shown:
    """A page that a notebook shows below the cell.

    Attributes:
        page: the page, whole.
        place: the logdir that it is of.
        height: of the frame, in pixels.
    """

    page: str
    place: str
    height: int

    def _repr_html_(self) -> str:
        whole = self.page.replace("&", "&amp;").replace('"', "&quot;")
        style = f"width: 100%; height: {self.height}px; border: 0"
        return f'<iframe sandbox="{_MAY}" style="{style}" title="Feature maps" srcdoc="{whole}"></iframe>'

    def __repr__(self) -> str:
        size = f"{len(self.page) / _MEGABYTE:.1f} MB"
        return described("Shown", quoted_path(self.place), size, f"for notebooks; {_ELSEWHERE} writes it")


def show(logdir: str | os.PathLike[str], *, run: str | None = None, height: int = 800, max_mb: float = 10) -> Shown:
    """Shows the tab inside a notebook, below a cell that ends with this call, with no server: the page that `tb-featuremap export` writes.

    Outside of a notebook a warning says how to write that page.

    Args:
        logdir: a folder on this machine, a zip file of one, or a URL.
        run: only this run; all where it is None.
        height: of the frame, in pixels.
        max_mb: megabytes that the page may have, which the notebook keeps when it is saved. Numbers are kept whole; pictures are those
            of an even spread of as many steps as fit.

    Raises:
        FileNotFoundError: there is no such logdir.
        OSError: it cannot be read; `strerror` says why.
        TypeError: `logdir` is neither a string nor a path, or `height` or `max_mb` is not a number.
        ValueError: there is no such run, or no run at all; or the page takes more than `max_mb` with numbers alone.
    """
    place = as_text(logdir)
    for name, value in (("height", height), ("max_mb", max_mb)):
        if not isinstance(value, Real):
            raise TypeError(f"{name} is {value!r:.100}; allowed are numbers")
    report = make_report(EventSource(place), runs=() if run is None else (run,), max_bytes=int(max_mb * _MEGABYTE))
    size = len(report.page) / _MEGABYTE
    if size > max_mb:
        raise ValueError(f"without any picture the page takes {size:.1f} MB: name one run, or give max_mb={int(size) + 1}")
    if not hasattr(sys, "ps1"):  # which notebooks and interpreters have, and programs have not
        warnings.warn(f"fm.show shows a page in notebooks; elsewhere, {_ELSEWHERE} writes it", stacklevel=2)
    return Shown(report.page.decode(), place, int(height))
