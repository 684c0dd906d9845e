"""Event files with some of their values left out; an event that keeps all of its values keeps its bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from tb_featuremap_plugin.export.parts import Classifier, Part, parse
from tb_featuremap_plugin.format.values import blob_value, summary
from tb_featuremap_plugin.reading.event_records import read_records
from tb_featuremap_plugin.reading.event_values import content
from tb_featuremap_plugin.reading.stored_files import StoredFile
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.network import RunRecord, before_weights

_OF_PROBE = ("@inputs", "@targets")
"""Rows of the table of layers that describe the probe batch itself."""


@dataclass(frozen=True)
class Private:
    """What says something of the inputs and targets themselves.

    Attributes:
        maps: tags of maps that show the inputs.
        rows: places of the rows of the probe batch in the packed table of layers.
    """

    maps: Set[str]
    rows: Sequence[int]

    @classmethod
    def of(cls, record: RunRecord | None) -> Private:
        """What the run record says is private."""
        layers, rows = (record.layers, record.layer_rows) if record else ((), ())
        maps = {tags.picture_tag("maps", name) for name in before_weights(layers)}
        return cls(maps, [place for place, name in enumerate(rows) if name.partition(":")[0] in _OF_PROBE])

    def hides(self, part: Part, tag: str) -> bool:
        """Whether a value is left out."""
        row = tag.removeprefix(f"{tags.LAYERS_TAG}/")
        return part in (Part.INPUTS, Part.OTHERS) or tags.series_tag(tag) in self.maps or (row != tag and row in _OF_PROBE)

    def blank(self, value: Summary.Value) -> bool:
        """Takes the rows of the probe batch out of a packed table; False where it has none."""
        if value.tag != tags.LAYERS_TAG or not self.rows or not value.HasField("tensor"):
            return False
        try:
            table = np.array(content(tags.STATS_PLUGIN_NAME, value), np.float32)
        except (TypeError, ValueError):
            return False  # no table that anybody can read
        table[[row for row in self.rows if row < len(table)]] = np.nan
        del value.tensor.float_val[:]
        value.tensor.tensor_content = table.astype("<f4").tobytes()
        return True


@dataclass(frozen=True)
class Kept:
    """What of a run is kept.

    Attributes:
        pictures: steps whose maps and filters are.
        inputs: steps whose probe inputs are.
        singles: maps and filters of other steps that are, each by its step and its series' tag.
        others: whether what other plugins drew is.
        private: what is taken out of what is kept; None where nothing is.
    """

    pictures: Set[int]
    inputs: Set[int]
    singles: Set[tuple[int, str]]
    others: bool
    private: Private | None = None

    def keeps(self, part: Part, step: int, tag: str) -> bool:
        """Whether a value of this part, step and tag is kept."""
        if self.private is not None and self.private.hides(part, tag):
            return False
        if part is Part.PICTURES:
            return step in self.pictures or (step, tags.series_tag(tag)) in self.singles
        if part is Part.INPUTS:
            return step in self.inputs
        return self.others or part is not Part.OTHERS


def filtered(file: StoredFile, end: int, kept: Kept, classifier: Classifier) -> Iterator[tuple[int, bytes]]:
    """The events that are left of those that begin before the offset `end`, each with its own offset.

    Args:
        file: the event file.
        end: where to stop: the file may have grown since it was scanned.
        kept: what is kept.
        classifier: of the run, which has seen its files before this one.
    """
    for stored in read_records(file):
        if stored.offset >= end:
            return
        event = parse(stored.payload)
        left = None if event is None else _left(event, stored.payload, kept, classifier)
        if left is not None:
            yield stored.offset, left


def with_record(payload: bytes, record: bytes) -> bytes:
    """An event with the run record in it replaced."""
    event = Event.FromString(payload)
    for value in event.summary.value:
        if value.tag == tags.RUN_TAG:
            value.tensor.string_val[:] = [record]
    return bytes(event.SerializeToString())


def record_event(record: bytes, step: int, wall_time: float) -> bytes:
    """An event that holds a run record and nothing else."""
    event = Event(step=step, wall_time=wall_time, summary=summary([blob_value(tags.RUN_TAG, record)]))
    return bytes(event.SerializeToString())


def _left(event: Event, payload: bytes, kept: Kept, classifier: Classifier) -> bytes | None:
    keeps = [kept.keeps(part, event.step, tag) for part, _, tag in classifier.parts(event)]
    blanked = kept.private is not None and sum(map(kept.private.blank, event.summary.value)) > 0
    if all(keeps) and not blanked:
        return payload
    if not any(keeps):
        return None
    values = [value for value, keep in zip(event.summary.value, keeps, strict=True) if keep]
    del event.summary.value[:]
    event.summary.value.extend(values)
    return bytes(event.SerializeToString())
