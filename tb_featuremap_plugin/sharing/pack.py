"""A logdir thinned and zipped: numbers whole, pictures of as many steps as fit, and what was left out said in it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tb_featuremap_plugin import eventfile, run_record
from tb_featuremap_plugin.errors import FormatError
from tb_featuremap_plugin.layer import RunRecord
from tb_featuremap_plugin.printable import printable
from tb_featuremap_plugin.reading.event_records import find_runs
from tb_featuremap_plugin.sharing import thinning
from tb_featuremap_plugin.sharing.archive import Archive
from tb_featuremap_plugin.sharing.parts import Classifier
from tb_featuremap_plugin.sharing.plan import Plan, describe_steps, everything, plan, total
from tb_featuremap_plugin.sharing.spread import choices, merged
from tb_featuremap_plugin.sharing.survey import Place, RunSurvey, survey_run
from tb_featuremap_plugin.sharing.thinning import Kept

MEGABYTE = 1_000_000
"""Bytes in the megabyte of mail servers and file managers, the smaller of the two in use."""

NOTE_NAME = "PACKED.txt"

_ZIP_BYTES_PER_FILE = 1_000
_ROOM = 0.02
"""Share of the limit that estimates may be wrong by."""


Landmarks = Mapping[str, Iterable[int]]
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


def pack(logdir: Path, output: Path, max_bytes: int, landmarks: Landmarks) -> Packed:
    """Writes `logdir` into the zip `output`, in at most `max_bytes`.

    If everything fits, everything is kept, byte for byte. If not, what other plugins drew is left out, and maps and filters are kept
    of the first and the last step of each run, of the steps at its landmarks, and of an even spread of steps between. An event
    that is kept keeps its bytes, but for the run record, which says what was left out.

    Args:
        logdir: a folder on this machine.
        output: is replaced once the new one is complete.
        max_bytes: bytes that the zip may have.
        landmarks: by run, steps at which something begins.

    Raises:
        FileNotFoundError: there is no such folder, or no event file in it.
        TooSmallError: the numbers alone, which are kept whole, take more than `max_bytes`.
    """
    surveys = [survey_run(run) for run in find_runs(logdir)]
    if not surveys:
        raise FileNotFoundError(f"{logdir} has no event files below it")
    partial = output.with_name(f"{output.name}.{os.getpid()}.part")
    try:
        notes = _write_within(partial, surveys, max_bytes, landmarks)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return Packed(output.stat().st_size, notes)


def _write_within(path: Path, surveys: Sequence[RunSurvey], max_bytes: int, landmarks: Landmarks) -> Notes:
    """Sizes are estimates until they are written; where those were too low, fewer pictures are tried."""
    allowed = max_bytes
    while True:
        chosen, others = _choose(surveys, allowed, landmarks)
        notes = {survey.name: _notes(survey, chosen, others) for survey in surveys}
        _write(path, surveys, chosen, others, notes)
        excess = path.stat().st_size - max_bytes
        if excess <= 0:
            return notes
        allowed -= excess


def _choose(surveys: Sequence[RunSurvey], max_bytes: int, landmarks: Landmarks) -> tuple[Plan, bool]:
    weights = {survey.name: survey.weights for survey in surveys}
    fixed = sum(survey.numbers + _ZIP_BYTES_PER_FILE * (1 + len(survey.files)) for survey in surveys)
    budget = int(max_bytes * (1 - _ROOM)) - fixed
    if budget < 0:
        needed = fixed / (1 - _ROOM) / MEGABYTE
        raise TooSmallError(f"the numbers, which are kept whole, take {needed:.1f} MB; {max_bytes / MEGABYTE:.1f} MB are allowed")
    if total(weights.values()) + sum(survey.others for survey in surveys) <= budget:
        return everything(weights), True
    wanted = merged(choices(survey.name, survey.weights.pictures, landmarks.get(survey.name, ())) for survey in surveys)
    return plan(weights, wanted, budget), False


def _notes(survey: RunSurvey, chosen: Plan, others: bool) -> list[str]:
    notes = []
    kept, known = sorted(chosen.pictures[survey.name]), len(survey.weights.pictures)
    if len(kept) < known:
        which = describe_steps(kept) or "none"
        notes.append(f"Thinned for sending: maps and filters of {len(kept)} of {known} steps were kept ({which}). Numbers are whole.")
    if survey.others and not others:
        notes.append("Thinned for sending: images, histograms and graphs of other plugins were left out.")
    if survey.damages:
        notes.append(f"Thinned for sending: {survey.damages} damaged places of the event files were left out.")
    return notes


def _write(path: Path, surveys: Sequence[RunSurvey], chosen: Plan, others: bool, notes: Notes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        archive = Archive(file)
        for survey in surveys:
            kept = Kept(chosen.pictures[survey.name], chosen.inputs[survey.name], others)
            _write_run(archive, survey, kept, notes[survey.name])
        archive.write([NOTE_NAME], [_note_text(notes).encode()])


def _write_run(archive: Archive, survey: RunSurvey, kept: Kept, notes: Sequence[str]) -> None:
    classifier = Classifier()
    note = _record_with(survey, notes)
    for number, (path, end) in enumerate(survey.files):
        events = thinning.thinned(path, end, kept, classifier)
        archive.write([*Path(survey.name).parts, path.name], map(eventfile.frame, _with_note(events, number, note)))


@dataclass(frozen=True)
class _Note:
    """A run record to write: at the place of the one that it replaces, or behind the last event."""

    place: Place
    record: bytes
    replaces: bool


def _record_with(survey: RunSurvey, notes: Sequence[str]) -> _Note | None:
    if not notes or not survey.has_pictures:
        return None
    if survey.record is None:
        assert survey.last is not None, "a run with pictures has a last event"
        return _Note(survey.last, run_record.encode(RunRecord(notes=tuple(notes))), replaces=False)
    place, blob = survey.record
    try:
        known = run_record.decode(blob)
    except FormatError:
        return None
    return _Note(place, run_record.encode(replace(known, notes=(*known.notes, *notes))), replaces=True)


def _with_note(events: Iterable[tuple[int, bytes]], file: int, note: _Note | None) -> Iterator[bytes]:
    here = note is not None and note.place.file == file
    for offset, payload in events:
        replaced = here and note is not None and note.replaces and note.place.offset == offset
        yield thinning.with_record(payload, note.record) if replaced and note is not None else payload
    if here and note is not None and not note.replaces:
        yield thinning.record_event(note.record, note.place.step, note.place.wall_time)


def _note_text(notes: Notes) -> str:
    lines = [printable(f"{run}: {note}") for run, said in notes.items() for note in said or ["complete"]]
    return "\n".join(["Unpack this folder and run: tensorboard --logdir <the folder>", "", *lines, ""])
