"""A logdir thinned and zipped: numbers whole, pictures of as many steps as fit, and what was left out said in it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from tb_featuremap_plugin.export import filter_events
from tb_featuremap_plugin.export.archive import Archive
from tb_featuremap_plugin.export.contents import Place, RunContents, contents_of_run
from tb_featuremap_plugin.export.filter_events import Kept, Private
from tb_featuremap_plugin.export.parts import Classifier
from tb_featuremap_plugin.export.plan import Plan, Weights, describe_pictures, everything, plan, total
from tb_featuremap_plugin.export.replacing import replaced
from tb_featuremap_plugin.export.step_selection import choices, merged
from tb_featuremap_plugin.format import eventfile, run_record
from tb_featuremap_plugin.reading.places import Where, find_runs
from tb_featuremap_plugin.reading.printable import printable
from tb_featuremap_plugin.schema.errors import FormatError
from tb_featuremap_plugin.schema.network import RunRecord

MEGABYTE = 1_000_000
"""Bytes in the megabyte of mail servers and file managers, the smaller of the two in use."""

NOTE_NAME = "PACKED.txt"

_ZIP_BYTES_PER_FILE = 1_000
_ROOM = 0.02
"""Share of the limit that estimates may be wrong by."""


_TIMES_GROWN = 2
"""How often more is tried where less was written than allowed: each time writes the zip anew."""

_UNUSED = 0.1
"""Share of the limit that may stay unused."""

KeySteps = Mapping[str, Iterable[int]]
Notes = Mapping[str, Sequence[str]]


class TooSmallError(ValueError):
    """What is never left out takes more than is allowed."""


@dataclass(frozen=True)
class Packed:
    """What was packed.

    Attributes:
        size: bytes of the zip.
        notes: by run, what was left out of it, in words; empty where nothing was.
    """

    size: int
    notes: Notes


def pack(logdir: Where, output: Path, max_bytes: int, key_steps: KeySteps, *, private: bool = False) -> Packed:
    """Writes `logdir` into the zip `output`, in at most `max_bytes`.

    If everything fits, everything is kept, byte for byte. If not, what other plugins drew is left out, and maps and filters are kept
    of the first and the last step of each run, of its key steps, and of an even spread of steps between. An event
    that is kept keeps its bytes, but for the run record, which says what was left out.

    Args:
        logdir: the path of a folder or of a zip file, a URL, or a place that is open already.
        output: is replaced once the new one is complete.
        max_bytes: bytes that the zip may have.
        key_steps: by run, steps at which something begins.
        private: leaves out the probe's inputs and targets: their pictures, their rows in tables, maps that show them, and what other
            plugins drew, which may.

    Raises:
        FileNotFoundError: there is nothing of that name, or no event file in it.
        OSError: it cannot be read, or `output` cannot be written.
        TooSmallError: the numbers alone, which are kept whole, take more than `max_bytes`.
    """
    runs = [contents_of_run(run) for run in find_runs(logdir)]
    if not runs:
        raise FileNotFoundError(f"{logdir} has no event files below it")
    with replaced(output) as partial:
        notes = _write_within(partial, [_without_inputs(run) for run in runs] if private else runs, max_bytes, key_steps)
    return Packed(output.stat().st_size, notes)


def _write_within(path: Path, runs: Sequence[RunContents], max_bytes: int, key_steps: KeySteps) -> Notes:
    """Sizes are estimates until they are written; where those were too low, fewer pictures are tried, and where too high, more."""
    allowed, growing = max_bytes, _TIMES_GROWN
    while True:
        chosen, others = _choose(runs, allowed, key_steps)
        notes = {contents.name: _notes(contents, chosen, others) for contents in runs}
        _write(path, runs, chosen, others, notes)
        room = max_bytes - path.stat().st_size
        if room < 0:
            allowed, growing = allowed + room, 0
        elif growing and any(notes.values()) and room > _UNUSED * max_bytes:
            allowed, growing = allowed + room, growing - 1
        else:
            return notes


def _without_inputs(contents: RunContents) -> RunContents:
    """A run whose inputs are left out."""
    private = Private.of(_decoded(contents.record))
    ends = {step: {tag: size for tag, size in sizes.items() if tag not in private.maps} for step, sizes in contents.weights.ends.items()}
    return replace(contents, weights=Weights(contents.weights.pictures, {}, ends), private=private)


def _decoded(record: tuple[Place, bytes] | None) -> RunRecord | None:
    try:
        return None if record is None else run_record.decode(record[1])
    except FormatError:
        return None


def _choose(runs: Sequence[RunContents], max_bytes: int, key_steps: KeySteps) -> tuple[Plan, bool]:
    weights = {contents.name: contents.weights for contents in runs}
    fixed = sum(contents.numbers + _ZIP_BYTES_PER_FILE * (1 + len(contents.files)) for contents in runs)
    budget = int(max_bytes * (1 - _ROOM)) - fixed
    if budget < 0:
        needed = fixed / (1 - _ROOM) / MEGABYTE
        raise TooSmallError(f"the numbers, which are kept whole, take {needed:.3g} MB; {max_bytes / MEGABYTE:.3g} MB are allowed")
    others = all(contents.private is None for contents in runs)
    if total(weights.values()) + others * sum(contents.others for contents in runs) <= budget:
        return everything(weights), others
    wanted = merged(choices(contents.name, contents.weights.pictures, key_steps.get(contents.name, ())) for contents in runs)
    return plan(weights, wanted, budget), False


def _notes(contents: RunContents, chosen: Plan, others: bool) -> list[str]:
    notes = []
    left_out = describe_pictures(chosen, contents.name, contents.weights.pictures)
    if left_out:
        notes.append(f"Thinned for sending: {left_out} were kept. Numbers are whole.")
    if contents.others and not others:
        notes.append("Thinned for sending: images, histograms and graphs of other plugins were left out.")
    if contents.private is not None:
        notes.append("Packed without the probe's inputs and targets, and without maps that show them.")
    if contents.damages:
        notes.append(f"Thinned for sending: {contents.damages} damaged places of the event files were left out.")
    return notes


def _write(path: Path, runs: Sequence[RunContents], chosen: Plan, others: bool, notes: Notes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        archive = Archive(file)
        for contents in runs:
            singles = chosen.singles.get(contents.name, frozenset())
            kept = Kept(chosen.pictures[contents.name], chosen.inputs[contents.name], singles, others, contents.private)
            _write_run(archive, contents, kept, notes[contents.name])
        archive.write([NOTE_NAME], [_note_text(notes).encode()])


def _write_run(archive: Archive, contents: RunContents, kept: Kept, notes: Sequence[str]) -> None:
    classifier = Classifier()
    note = _record_with(contents, notes)
    for number, (file, end) in enumerate(contents.files):
        events = filter_events.filtered(file, end, kept, classifier)
        name = eventfile.anonymous_name(file.name, number)
        archive.write([*PurePosixPath(contents.name).parts, name], map(eventfile.frame, _with_note(events, number, note)))


@dataclass(frozen=True)
class _Note:
    """A run record to write: at the place of the one that it replaces, or behind the last event."""

    place: Place
    record: bytes
    replaces: bool


def _record_with(contents: RunContents, notes: Sequence[str]) -> _Note | None:
    if not notes or not contents.has_pictures:
        return None
    if contents.record is None:
        assert contents.last is not None, "a run with pictures has a last event"
        return _Note(contents.last, run_record.encode(RunRecord(notes=tuple(notes))), replaces=False)
    known = _decoded(contents.record)
    if known is None:
        return None
    noted = replace(known, notes=(*known.notes, *notes), inputs_private=known.inputs_private or contents.private is not None)
    return _Note(contents.record[0], run_record.encode(noted), replaces=True)


def _with_note(events: Iterable[tuple[int, bytes]], file: int, note: _Note | None) -> Iterator[bytes]:
    here = note is not None and note.place.file == file
    for offset, payload in events:
        replaced = here and note is not None and note.replaces and note.place.offset == offset
        yield filter_events.with_record(payload, note.record) if replaced and note is not None else payload
    if here and note is not None and not note.replaces:
        yield filter_events.record_event(note.record, note.place.step, note.place.wall_time)


def _note_text(notes: Notes) -> str:
    lines = [printable(f"{run}: {note}") for run, said in notes.items() for note in said or ["complete"]]
    return "\n".join(["Unpack this folder and run: tensorboard --logdir <the folder>", "", *lines, ""])
