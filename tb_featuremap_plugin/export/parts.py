"""Tells apart what the event files of a logdir hold, as far as thinning needs to know it."""

from __future__ import annotations

from enum import Enum

from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from tb_featuremap_plugin.schema import tags

NUMBER_PLUGINS = frozenset({"", "scalars", "hparams", "text", "custom_scalars", tags.STATS_PLUGIN_NAME})
"""Plugins whose series are small, so that they are kept whole. Values without metadata are scalars of old."""


class Part(Enum):
    """How a value of an event is treated."""

    NUMBERS = "numbers"
    PICTURES = "pictures"
    INPUTS = "inputs"
    RECORD = "record"
    OTHERS = "others"


class Classifier:
    """Tells the parts of a run's events apart. A series' metadata may stand in its first event only, so tags are remembered."""

    def __init__(self) -> None:
        self._plugins: dict[str, str] = {}

    def parts(self, event: Event) -> list[tuple[Part, int, str]]:
        """The parts of an event in the order of its values, each with the bytes it takes and its tag."""
        if event.HasField("summary"):
            return [(self.part(value), value.ByteSize(), value.tag) for value in event.summary.value]
        small = event.WhichOneof("what") in (None, "file_version", "session_log")
        return [(Part.NUMBERS if small else Part.OTHERS, event.ByteSize(), "")]

    def part(self, value: Summary.Value) -> Part:
        """What a value is."""
        plugin = self._plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
        if plugin == tags.PLUGIN_NAME:
            return _part_of_ours(value.tag)
        small = plugin in NUMBER_PLUGINS and not value.HasField("image") and not value.HasField("audio") and not value.HasField("histo")
        return Part.NUMBERS if small else Part.OTHERS


def _part_of_ours(tag: str) -> Part:
    if tag == tags.RUN_TAG:
        return Part.RECORD
    picture = tags.parse_picture_tag(tag)
    if picture is None:
        return Part.OTHERS
    return Part.INPUTS if picture[0] == "inputs" else Part.PICTURES


def parse(payload: bytes) -> Event | None:
    """An event from its bytes; None where they are none."""
    try:
        return Event.FromString(payload)
    except DecodeError:
        return None
