"""Mutated logdirs through everything that reads them: answers, errors of the promised kind, bounded memory, and never a traceback."""

from __future__ import annotations

import json
import os
import random
import time
import zipfile
from pathlib import Path

import pytest

from tb_featuremap_plugin.cli.main import COMMANDS, main
from tb_featuremap_plugin.export.parts import parse
from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.reading.event_records import read_records
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.schema.errors import FormatError
from tb_featuremap_plugin.server import api
from tests.support import logdirs, mutating
from tests.support.clients import walk, wsgi_client
from tests.support.providers import loaded

SECONDS_IN_SOAK = float(os.environ.get("SOAK_SECONDS", "300"))


def write_mutants(logdir: Path, count: int, luck: random.Random) -> None:
    """That many runs, each a damaged copy of a good one."""
    good = mutating.write_good(logdir.parent / f"{logdir.name}-good")
    for number in range(count):
        folder = logdir / f"run{number}"
        folder.mkdir(parents=True)
        (folder / good.name).write_bytes(mutating.mutated_file(good, luck))


def read_everything(logdir: Path) -> int:
    """Reads all that a source can be asked for; returns how many pictures were damaged."""
    source = EventSource(logdir)
    json.dumps(api.runs(source), allow_nan=False)
    json.dumps(api.diagnosis(source), allow_nan=False)
    damaged = 0
    for outline in source.outlines():
        for table in ("layers", "variables", "progress"):
            record.decode(api.table(source, outline.name, table))
        record.decode(api.losses(source, outline.name))
        for series in outline.pictures:
            api.channels(source, outline.name, series.kind, series.name)
            for step in series.steps.tolist():
                damaged += not is_whole(source.picture(outline.name, series.kind, series.name, step))
    return damaged


def is_whole(blob: bytes) -> bool:
    try:
        parsed = record.decode(blob)
        return all(parsed.array(name) is not None for name in parsed.sections)
    except FormatError:
        return False


def share(logdir: Path, folder: Path) -> None:
    """Packs, exports and asks the command line; what cannot be done is said with exit status 2."""
    page, archive = folder / "report.html", folder / "small.zip"
    assert main(["export", str(logdir), "-o", str(page)]) in (0, 2)
    assert main(["pack", str(logdir), "-o", str(archive)]) in (0, 2)
    for command in {"diagnose", "doctor"} & set(COMMANDS):
        assert main([command, str(logdir)]) in (0, 1, 2)
    if archive.exists():
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder / "copy")
        read_everything(folder / "copy")


def leave_out_what_stops_tensorboard(logdir: Path) -> None:
    """TensorBoard's Python loader itself gives up at a record that is no event, or one whose bytes became those of a graph."""
    for path in logdir.rglob("*tfevents*"):
        events = [stored.payload for stored in read_records(path)]
        path.write_bytes(b"".join(logdirs.framed(payload) for payload in events if not stops_tensorboard(payload)))


def stops_tensorboard(payload: bytes) -> bool:
    event = parse(payload)
    return event is None or event.HasField("meta_graph_def")


def round_of(folder: Path, seed: int, runs: int) -> int:
    """One logdir of mutants through everything; returns how many pictures were damaged."""
    luck = random.Random(seed)
    logdir = folder / "logs"
    write_mutants(logdir, runs, luck)
    damaged = read_everything(logdir)
    share(logdir, folder)
    leave_out_what_stops_tensorboard(logdir)
    with loaded("python", logdir, wait=False) as held:
        walk(wsgi_client(held.provider))
    return damaged


def test_mutated_logdirs_are_read_as_far_as_they_go(tmp_path, capsys):
    damaged = 0
    for seed in (0, 3, 6):  # at 3 and 6 pictures are among what is damaged
        (tmp_path / str(seed)).mkdir()
        damaged += round_of(tmp_path / str(seed), seed, 20)
    assert damaged > 0
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_mutated_logdirs_for_minutes(tmp_path, capsys):
    seed, damaged, until = random.SystemRandom().randrange(10**9), 0, time.monotonic() + SECONDS_IN_SOAK
    rounds = 0
    while time.monotonic() < until:
        folder = tmp_path / str(rounds)
        folder.mkdir()
        print(f"seed {seed + rounds}")
        damaged += round_of(folder, seed + rounds, 50)
        rounds += 1
    with capsys.disabled():
        print(f"\n{rounds * 50:,} mutated event files, {damaged:,} damaged pictures refused, no other failure")
