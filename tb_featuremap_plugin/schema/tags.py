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
RUN_TAG = f"{TAG_PREFIX}run"
LAYERS_TAG = f"{TAG_PREFIX}layers"
VARIABLES_TAG = f"{TAG_PREFIX}variables"
LOSSES_TAG = f"{TAG_PREFIX}losses"
PROGRESS_TAG = f"{TAG_PREFIX}progress"
START_TAG = f"{TAG_PREFIX}start"

MONITOR_RUN = "featuremaps"
"""The folder of a run that `Monitor` writes into, unless told otherwise; the run is shown by its parent's name."""

PICTURE_KINDS: tuple[PictureKind, ...] = get_args(PictureKind)
_FIRST_PREFIX = f"{TAG_PREFIX}first/"


def picture_tag(kind: str, name: str, *, first: bool = False) -> str:
    """The tag of a picture series; the copy of its first picture stands under a tag of its own."""
    return f"{_FIRST_PREFIX if first else TAG_PREFIX}{kind}/{name}"


def parse_picture_tag(tag: str) -> tuple[PictureKind, str, bool] | None:
    """Splits a picture's tag into kind, name and whether it is the copy of the first; None for other tags."""
    first = tag.startswith(_FIRST_PREFIX)
    rest = tag[len(_FIRST_PREFIX if first else TAG_PREFIX) :] if tag.startswith(TAG_PREFIX) else ""
    kind, slash, name = rest.partition("/")
    return (kind, name, first) if slash and kind in PICTURE_KINDS else None


def series_tag(tag: str) -> str:
    """The tag of the series that a picture's tag belongs to: the copy of a first picture belongs to the series that it begins."""
    return TAG_PREFIX + tag.removeprefix(_FIRST_PREFIX) if tag.startswith(_FIRST_PREFIX) else tag


def row_tag(table_tag: str, name: str) -> str:
    """The tag of a one-row table, as single calls write it: `featuremaps/layers/conv1`."""
    return f"{table_tag}/{name}"


def shown_name(tag: str) -> str:
    """The name that a series was logged under, of any tag of ours: `conv1` of `featuremaps/maps/conv1`."""
    parsed = parse_picture_tag(tag)
    if parsed is not None:
        return parsed[1]
    rest = tag.removeprefix(TAG_PREFIX)
    return rest.partition("/")[2] or rest
