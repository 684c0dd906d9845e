"""The dashboard as it was built: scripts and a style sheet inside the package."""

from __future__ import annotations

import functools
import gzip
from importlib import resources

MODULE = "index.js"
"""What the page loads first."""

SCRIPTS = (MODULE, "late.js", "uplot.js")
STYLE = "style.css"
TYPES = {**dict.fromkeys(SCRIPTS, "text/javascript"), STYLE: "text/css"}


def text(name: str) -> str:
    """One of its files."""
    return _file(name).decode("utf-8")


@functools.cache
def compressed(name: str) -> bytes | None:
    """One of its files as it travels, as a gzip member; None where it was not built."""
    try:
        return gzip.compress(_file(name), mtime=0)
    except FileNotFoundError:
        return None


def _file(name: str) -> bytes:
    return (resources.files("tb_featuremap_plugin") / "static" / name).read_bytes()
