"""What thinning has to choose from: one look at every event of a run, of which sums are kept and nothing else."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tensorboard.compat.proto.event_pb2 import Event

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
    """

    name: str
    files: Sequence[tuple[StoredFile, int]]
    numbers: int
    weights: Weights
    others: int
    record: tuple[Place, bytes] | None
    last: Place | None
    damages: int

    @property
    def has_pictures(self) -> bool:
        """True if the run has something to thin."""
        return bool(self.weights.pictures or self.weights.inputs)


def contents_of_run(run: RunFiles) -> RunContents:
    """Reads every event of a run once."""
    reader = _ContentsReader()
    files = [(stored, reader.read(number, stored)) for number, stored in enumerate(run.files)]
    return reader.contents(run.name, files)


class _ContentsReader:
    def __init__(self) -> None:
        self._classifier = Classifier()
        self._deflater = zlib.compressobj()
        self._numbers = 0
        self._sums: dict[Part, Counter[int]] = {part: Counter() for part in Part}
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
            weights=Weights(dict(self._sums[Part.PICTURES]), dict(self._sums[Part.INPUTS])),
            others=self._sums[Part.OTHERS].total(),
            record=self._record,
            last=self._last,
            damages=self._damages,
        )

    def _note_damage(self, _message: str) -> None:
        self._damages += 1

    def _add(self, event: Event, place: Place, payload: bytes) -> None:
        parts = self._classifier.parts(event)
        for part, size in parts:
            self._sums[part][event.step] += size
        if all(part in _WHOLE for part, _ in parts):
            self._numbers += len(self._deflater.compress(payload))
        else:
            self._numbers += sum(size for part, size in parts if part in _WHOLE)
        if any(part is Part.RECORD for part, _ in parts):
            self._note_record(event, place)
        self._last = place

    def _note_record(self, event: Event, place: Place) -> None:
        for value in event.summary.value:
            newest = self._record is None or place.wall_time >= self._record[0].wall_time
            if value.tag == tags.RUN_TAG and newest and value.tensor.string_val:
                self._record = (place, value.tensor.string_val[0])
