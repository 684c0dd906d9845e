"""Names under which our series stand in an event file, and the summary metadata that marks them."""

from __future__ import annotations

import json
from functools import lru_cache

from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, DATA_CLASS_TENSOR, SummaryMetadata

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

PICTURE_KINDS = ("maps", "filters", "inputs")
_FIRST_PREFIX = "featuremaps/first/"


def picture_tag(kind: str, name: str, *, first: bool = False) -> str:
    """The tag of a picture series; the copy of its first picture stands under a tag of its own."""
    return f"{_FIRST_PREFIX if first else TAG_PREFIX}{kind}/{name}"


def parse_picture_tag(tag: str) -> tuple[str, str, bool] | None:
    """Splits a picture's tag into kind, name and whether it is the copy of the first; None for other tags."""
    first = tag.startswith(_FIRST_PREFIX)
    rest = tag[len(_FIRST_PREFIX if first else TAG_PREFIX) :] if tag.startswith(TAG_PREFIX) else ""
    kind, slash, name = rest.partition("/")
    return (kind, name, first) if slash and kind in PICTURE_KINDS else None


def row_tag(table_tag: str, name: str) -> str:
    """The tag of a one-row table, as single calls write it: `featuremaps/layers/conv1`."""
    return f"{table_tag}/{name}"


def blob_metadata(description: str | None = None) -> SummaryMetadata:
    """Metadata of a blob sequence of ours: a picture or the run record."""
    return _metadata(PLUGIN_NAME, DATA_CLASS_BLOB_SEQUENCE, description)


def tensor_metadata(description: str | None = None, layer: str | None = None) -> SummaryMetadata:
    """Metadata of a table of numbers; `layer` is the one that a single variable belongs to, left out where its name is too long."""
    return _metadata(STATS_PLUGIN_NAME, DATA_CLASS_TENSOR, description, layer)


@lru_cache(maxsize=1024)
def content_version(content: bytes) -> int | None:
    """The version that metadata content declares; None where it is not ours or damaged."""
    if len(content) > MAX_CONTENT_BYTES:
        return None
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return None
    version = parsed.get("version") if isinstance(parsed, dict) else None
    return version if type(version) is int else None


def _metadata(plugin_name: str, data_class: int, description: str | None, layer: str | None = None) -> SummaryMetadata:
    content = _content(layer)
    return SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=plugin_name, content=content),
        data_class=data_class,
        summary_description=description or "",
    )


@lru_cache(maxsize=1024)
def _content(layer: str | None) -> bytes:
    fields: dict[str, object] = {"version": CONTENT_VERSION}
    if layer is None:
        return json.dumps(fields, separators=(",", ":")).encode("ascii")
    content = json.dumps({**fields, "layer": layer}, separators=(",", ":")).encode("ascii")
    return content if len(content) <= MAX_CONTENT_BYTES else _content(None)
