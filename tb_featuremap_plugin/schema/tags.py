"""Names under which our series stand in an event file."""

from __future__ import annotations

from typing import get_args

from tb_featuremap_plugin.schema.answers import PictureKind

PLUGIN_NAME = "featuremaps"
"""Plugin name of pictures and of the run record (blob sequences)."""

STATS_PLUGIN_NAME = "featuremaps_stats"
"""Plugin name of numbers (float32 tensors). A name of its own, because TensorBoard samples by plugin name."""

CONTENT_VERSION = 1
"""Version of the metadata content; a reader skips series of a later one."""

MAX_CONTENT_BYTES = 200
"""tf.summary repeats the metadata in every event, so it stays small."""

TAG_PREFIX = "featuremaps/"
RUN_TAG = "featuremaps/run"
LAYERS_TAG = "featuremaps/layers"
VARIABLES_TAG = "featuremaps/variables"
LOSSES_TAG = "featuremaps/losses"
PROGRESS_TAG = "featuremaps/progress"
START_TAG = "featuremaps/start"

PICTURE_KINDS: tuple[PictureKind, ...] = get_args(PictureKind)
_FIRST_PREFIX = "featuremaps/first/"


def picture_tag(kind: str, name: str, *, first: bool = False) -> str:
    """The tag of a picture series; the copy of its first picture stands under a tag of its own."""
    return f"{_FIRST_PREFIX if first else TAG_PREFIX}{kind}/{name}"


def parse_picture_tag(tag: str) -> tuple[PictureKind, str, bool] | None:
    """Splits a picture's tag into kind, name and whether it is the copy of the first; None for other tags."""
    first = tag.startswith(_FIRST_PREFIX)
    rest = tag[len(_FIRST_PREFIX if first else TAG_PREFIX) :] if tag.startswith(TAG_PREFIX) else ""
    kind, slash, name = rest.partition("/")
    return (kind, name, first) if slash and kind in PICTURE_KINDS else None


def row_tag(table_tag: str, name: str) -> str:
    """The tag of a one-row table, as single calls write it: `featuremaps/layers/conv1`."""
    return f"{table_tag}/{name}"
