"""What thinning has to choose from: one look at every event of a run, of which sums are kept and nothing else."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from tb_featuremap_plugin.export.filter_events import Private
from tb_featuremap_plugin.export.parts import Classifier, Part, parse
from tb_featuremap_plugin.export.plan import Weights
from tb_featuremap_plugin.reading.event_records import read_records
from tb_featuremap_plugin.reading.stored_files import RunFiles, StoredFile
from tb_featuremap_plugin.schema import tags

_WHOLE = (Part.NUMBERS, Part.RECORD)


@dataclass(frozen=True)
class Place:
    """Where an event stands: the file's number, the offset in it, and the event's step and time."""

    file: int
    offset: int
    step: int
    wall_time: float


@dataclass(frozen=True)
class RunContents:
    """A run as it is.

    Attributes:
        name: the folder below the logdir.
        files: each event file, and an offset behind the last event that was seen: a file may still grow.
        numbers: deflated bytes of what is kept whole.
        weights: bytes of pictures.
        others: bytes of what other plugins drew: images, histograms, graphs.
        record: the place of the latest run record, and its bytes; None where there is none.
        last: the place of the last event.
        damages: places that could not be read.
        private: what is left out of it because it shows inputs or targets; None where nothing is.
    """

    name: str
    files: Sequence[tuple[StoredFile, int]]
    numbers: int
    weights: Weights
    others: int
    record: tuple[Place, bytes] | None
    last: Place | None
    damages: int
    private: Private | None = None

    @property
    def has_pictures(self) -> bool:
        """True if the run has something to thin."""
        return bool(self.weights.pictures or self.weights.inputs)


def contents_of_run(run: RunFiles) -> RunContents:
    """Reads every event of a run once."""
    reader = _ContentsReader()
    files = [(stored, reader.read(number, stored)) for number, stored in enumerate(run.files)]
    return reader.contents(run.name, files)


class _Ends:
    """Sizes of the pictures of the first and of the last step, whichever these turn out to be."""

    def __init__(self) -> None:
        self._first: tuple[int, Counter[str]] | None = None
        self._last: tuple[int, Counter[str]] | None = None

    def add(self, step: int, tag: str, size: int) -> None:
        """Takes in a picture."""
        if self._first is None or step < self._first[0]:
            self._first = step, Counter()
        if self._last is None or step > self._last[0]:
            self._last = step, Counter()
        for end in (self._first, self._last):
            if end[0] == step:
                end[1][tag] += size

    def sizes(self) -> dict[int, Mapping[str, int]]:
        """Bytes of each series, by step."""
        return {end[0]: end[1] for end in (self._first, self._last) if end is not None}


class _Sample:
    """How far pictures deflate: their arrays are deflated already, their headers are not, which counts where pictures are small."""

    _BYTES = 2**18

    def __init__(self) -> None:
        self._read = self._deflated = 0

    def add(self, value: Summary.Value) -> None:
        """Takes in a picture, if not enough have been."""
        if self._read < self._BYTES:
            bytes_of_value = value.SerializeToString()
            self._read += len(bytes_of_value)
            self._deflated += len(zlib.compress(bytes_of_value))

    def share(self) -> float:
        """Bytes that are left of each byte."""
        return min(1.0, self._deflated / self._read) if self._read else 1.0


class _ContentsReader:
    def __init__(self) -> None:
        self._classifier = Classifier()
        self._deflater = zlib.compressobj()
        self._numbers = 0
        self._sums: dict[Part, Counter[int]] = {part: Counter() for part in Part}
        self._ends = _Ends()
        self._sample = _Sample()
        self._record: tuple[Place, bytes] | None = None
        self._last: Place | None = None
        self._damages = 0

    def read(self, file: int, event_file: StoredFile) -> int:
        end = 0
        for stored in read_records(event_file, self._note_damage):
            end = stored.offset + 1
            event = parse(stored.payload)
            if event is None:
                self._note_damage("no event")
            else:
                self._add(event, Place(file, stored.offset, event.step, event.wall_time), stored.payload)
        return end

    def contents(self, name: str, files: Sequence[tuple[StoredFile, int]]) -> RunContents:
        self._numbers += len(self._deflater.flush())
        return RunContents(
            name=name,
            files=files,
            numbers=self._numbers,
            weights=self._weights(),
            others=self._sums[Part.OTHERS].total(),
            record=self._record,
            last=self._last,
            damages=self._damages,
        )

    def _weights(self) -> Weights:
        share = self._sample.share()
        pictures, inputs = (
            {step: math.ceil(share * size) for step, size in self._sums[part].items()} for part in (Part.PICTURES, Part.INPUTS)
        )
        ends = {step: {tag: math.ceil(share * size) for tag, size in sizes.items()} for step, sizes in self._ends.sizes().items()}
        return Weights(pictures, inputs, ends)

    def _note_damage(self, _message: str) -> None:
        self._damages += 1

    def _add(self, event: Event, place: Place, payload: bytes) -> None:
        parts = self._classifier.parts(event)
        for at, (part, size, tag) in enumerate(parts):
            self._sums[part][event.step] += size
            if part is Part.PICTURES:
                self._ends.add(event.step, tags.series_tag(tag), size)
                self._sample.add(event.summary.value[at])
        if all(part in _WHOLE for part, _, _ in parts):
            self._numbers += len(self._deflater.compress(payload))
        else:
            kept = [value for value, (part, _, _) in zip(event.summary.value, parts, strict=False) if part in _WHOLE]
            self._numbers += sum(len(self._deflater.compress(value.SerializeToString())) for value in kept)
        if any(part is Part.RECORD for part, _, _ in parts):
            self._note_record(event, place)
        self._last = place

    def _note_record(self, event: Event, place: Place) -> None:
        for value in event.summary.value:
            newest = self._record is None or place.wall_time >= self._record[0].wall_time
            if value.tag == tags.RUN_TAG and newest and value.tensor.string_val:
                self._record = (place, value.tensor.string_val[0])
