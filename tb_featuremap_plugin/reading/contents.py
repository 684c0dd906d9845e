"""What one folder holds of this plugin, in short: which series, and over which steps. A writer asks it before it writes there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tb_featuremap_plugin.reading.lazy_reader import LazyReaders
from tb_featuremap_plugin.reading.stored_files import LocalFile, RunFiles
from tb_featuremap_plugin.schema.tags import START_TAG


@dataclass(frozen=True)
class Contents:
    """Of some event files of one folder.

    Attributes:
        tags: of the series of this plugin.
        first, last: smallest and largest step of their points that stand; None where there is none.
    """

    tags: frozenset[str] = frozenset()
    first: int | None = None
    last: int | None = None


def contents_of(folder: str, names: Iterable[str]) -> Contents:
    """What these files of a local folder hold by now. Pictures are not read, damage is passed over."""
    files = [LocalFile(Path(folder, name)) for name in sorted(names)]
    raw = LazyReaders()(RunFiles(folder, files)).raw()
    series = {tag: one.steps for tag, one in (*raw.blobs.items(), *raw.tensors.items()) if tag != START_TAG and one.steps}
    if not series:
        return Contents()
    return Contents(frozenset(series), min(map(min, series.values())), max(map(max, series.values())))
