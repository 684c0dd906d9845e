"""Damage is called damage: bytes that flip, files that end early, numbers that nobody can have written, whatever reads them."""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.diagnosis import diagnose
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.columns import LAYER_COLUMNS, VARIABLE_COLUMNS
from tb_featuremap_plugin.server import api
from tb_featuremap_plugin.server.file_damage import FileDamage
from tests.support import logdirs
from tests.support.providers import LOADERS, loaded

STEPS = list(range(0, 150, 10))
RUN = "mine/featuremaps"


def record_begins(data):
    at, begins = 0, []
    while at < len(data):
        begins.append(at)
        at += struct.unpack_from("<Q", data, at)[0] + 16
    return begins


@pytest.fixture
def log(tmp_path):
    return logdirs.write_monitored(tmp_path / RUN, STEPS)


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)


def damage_in_tab(logdir, loader):
    checker = FileDamage(str(logdir))
    with loaded(loader, logdir) as held:
        (found,) = api.diagnosis(held.source(), damage_of=checker.of)["runs"]
    return list(found["damage"])


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("where", "said"), [(3, "the length of the record at byte {} is damaged"), (40, "the checksum of the record at byte {}")]
)
def test_a_flipped_bit_is_said_whatever_the_loader_makes_of_it(log, tmp_path, loader, where, said):
    begin = record_begins(log.path.read_bytes())[20]
    flip(log.path, begin + where)
    (sentence,) = damage_in_tab(tmp_path, loader)
    assert said.format(begin) in sentence
    assert log.path.name in sentence
    assert "Copy the file again" in sentence


@pytest.mark.parametrize("loader", LOADERS)
def test_nothing_is_said_of_sound_files_and_of_a_record_that_is_being_written(log, tmp_path, loader):
    with log.path.open("ab") as file:
        file.write(b"\x10\0\0\0\0\0")
    assert damage_in_tab(tmp_path, loader) == []


def test_what_a_file_grows_by_is_checked_and_nothing_twice(log, tmp_path):
    checker = FileDamage(str(tmp_path))
    assert checker.of(RUN) == []
    flip(log.path, record_begins(log.path.read_bytes())[5] + 40)
    assert checker.of(RUN) == []
    end = log.path.stat().st_size
    log.maps("conv1", 200)
    log.maps("conv1", 201)
    flip(log.path, end + 40)
    for _ in range(2):
        (sentence,) = checker.of(RUN)
        assert f"the record at byte {end}" in sentence


@pytest.mark.parametrize("run", ["..", "../..", "/etc", "nothing/there", "mine/../../x", "."])
def test_names_lead_to_no_other_folder(log, tmp_path, run):
    (tmp_path / "logs").mkdir()
    log.path.write_bytes(b"x" * 100)
    assert FileDamage(str(tmp_path / "logs")).of(run) == []
    assert FileDamage(None).of(RUN) == []
    assert FileDamage("s3://bucket/logs").of(RUN) == []


@contextlib.contextmanager
def as_nobody():
    """As a user who is not root, to whom nothing is forbidden."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.name != "posix", reason="rights of files are POSIX's")
def test_a_file_that_may_not_be_read_is_neither_empty_nor_damaged():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        log = logdirs.write_monitored(Path(folder) / RUN, STEPS)
        log.path.chmod(0)
        with as_nobody():
            (sentence,) = FileDamage(folder).of(RUN)
    assert "cannot be read: Permission denied" in sentence
    assert "right to read" in sentence


def write_numbers(folder, table, column, value):
    """A healthy run one of whose numbers at one step is another one; its checksum is right, as a loader passes it on."""
    log = logdirs.EventLog(folder)
    log.start(0)
    log.run(logdirs.small_record())
    for step in STEPS:
        for name, tag, columns in (("layers", tags.LAYERS_TAG, LAYER_COLUMNS), ("variables", tags.VARIABLES_TAG, VARIABLE_COLUMNS)):
            values = np.full((2, len(columns)), np.nan, np.float32)
            for count in ("nan", "pos_inf", "neg_inf", "zeros"):
                values[:, columns.index(count)] = 0
            if (name, step) == (table, 70):
                values[1, columns.index(column)] = value
            log.tensor(tag, step, values)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("layers", "nan", 1.2e-41), ("layers", "nan", -3), ("layers", "pos_inf", 2.5), ("layers", "zeros", 1.5),
        ("layers", "dead_units", -0.2),
        ("variables", "nan", 1.2e-41), ("variables", "changed", 3e8), ("variables", "cosine", -1.4), ("variables", "ordinal", 0.5),
    ],
)  # fmt: skip
def test_a_number_that_nobody_can_have_written_is_damage_and_no_finding(tmp_path, capsys, table, column, value):
    write_numbers(tmp_path / RUN, table, column, value)
    found = diagnose(EventSource(tmp_path).run(RUN))
    (sentence,) = found.damage
    assert "at step 70" in sentence
    assert f"{column} of" in sentence
    assert not any(finding.rule == "non_finite" for finding in found.findings)
    assert main(["diagnose", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "DAMAGED" in said
    assert "Nothing unusual found in what could be read" in said


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("layers", "nan", 3), ("layers", "samples", 2.0**30 + 64), ("layers", "zeros", 1.0000001), ("variables", "cosine", -1.0000002),
        ("layers", "max", -7.5),
    ],
)  # fmt: skip
def test_numbers_that_can_be_are_judged(tmp_path, table, column, value):
    write_numbers(tmp_path / RUN, table, column, value)
    found = diagnose(EventSource(tmp_path).run(RUN))
    assert found.damage == ()
    assert any(finding.rule == "non_finite" for finding in found.findings) == (column == "nan")


def test_damage_that_our_own_reader_found_stands_in_the_report(log, tmp_path):
    flip(log.path, record_begins(log.path.read_bytes())[20] + 3)
    (found,) = [diagnose(run) for run in EventSource(tmp_path).runs()]
    assert any("is damaged" in sentence for sentence in found.damage)
    assert found.to_dict()["damage"] == list(found.damage)
