"""`tb-featuremap pack`: small enough, numbers whole, what is kept unchanged, what is missing said, and nothing that leaves its folder."""

from __future__ import annotations

import ntpath
import socket
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
from tensorboard.util import tensor_util

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.export.archive import safe_part
from tb_featuremap_plugin.export.pack import NOTE_NAME, TooSmallError, pack
from tb_featuremap_plugin.export.plan import Weights, everything, plan
from tb_featuremap_plugin.export.step_selection import choices, merged
from tb_featuremap_plugin.format import eventfile
from tb_featuremap_plugin.reading.event_records import read_records
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.schema import tags
from tests.support import logdirs
from tests.support.known import record_of
from tests.support.providers import LOADERS, loaded
from tests.support.same import assert_same_points, assert_same_runs, assert_same_table
from tests.support.zips import unpacked

STEPS = list(range(0, 400, 10))
LARGE = 300_000


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    """Two runs of 40 steps with 16 KB of pictures each, a run of scalars beside them, and somebody else's images."""
    folder = tmp_path_factory.mktemp("logdir")
    for number, name in enumerate(["asked", "mended"]):
        log = logdirs.write_monitored(folder / name / "featuremaps", STEPS, start=logdirs.START_TIME + 10_000 * number)
        for step in STEPS:
            for first in [True, False] if step == 0 else [False]:
                log.maps("large", step, logdirs.maps_values(step, channels=16, side=16), first=first)
        log.blob(tags.picture_tag("inputs", "probe"), 0, b"first probe" * 100)
        log.blob(tags.picture_tag("inputs", "probe"), 205, b"second probe" * 100)
    train = logdirs.EventLog(folder / "asked" / "train")
    for step in range(200):
        train.scalar("loss", step, 1 / (step + 1))
    images = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="images"), data_class=3)
    noise = np.random.default_rng(0).bytes(50_000)
    train.value("picture", 0, tensor_util.make_tensor_proto([b"8", b"8", noise]), images)
    return folder


def without_record(events: list[bytes]) -> list[bytes]:
    return [event for event in events if all(value.tag != tags.RUN_TAG for value in Event.FromString(event).summary.value)]


def payloads(path: Path) -> list[bytes]:
    return [stored.payload for stored in read_records(path)]


def test_a_logdir_that_fits_is_packed_byte_for_byte(logdir, tmp_path):
    packed = pack(logdir, tmp_path / "small.zip", 10**8, {})
    assert set(packed.notes) == {"asked/featuremaps", "asked/train", "mended/featuremaps"}
    assert not any(packed.notes.values())
    copy = unpacked(tmp_path / "small.zip", tmp_path / "copy")
    originals = {path.relative_to(logdir): path.read_bytes() for path in logdir.rglob("*tfevents*")}
    assert {path.relative_to(copy): path.read_bytes() for path in copy.rglob("*tfevents*")} == originals


def test_a_logdir_that_is_too_large_keeps_its_numbers_and_the_steps_that_matter(logdir, tmp_path):
    packed = pack(logdir, tmp_path / "small.zip", LARGE, {"asked/featuremaps": [133]})
    assert LARGE / 2 < packed.size <= LARGE
    assert packed.size == (tmp_path / "small.zip").stat().st_size
    before, after = EventSource(logdir), EventSource(unpacked(tmp_path / "small.zip", tmp_path / "copy"))
    for own, other in zip(before.runs(), after.runs(), strict=True):
        for table in ("layers", "variables", "progress"):
            assert_same_table(getattr(own, table), getattr(other, table), table)
        assert_same_points(own.losses, other.losses)
        (kept,) = {tuple(series.steps.tolist()) for series in other.pictures if series.kind == "maps"}
        assert {0, 390} <= set(kept) < set(STEPS)
        assert max(np.diff(kept)) <= 2 * min(np.diff(kept)) or 140 in kept
    assert 140 in {step for series in after.run("asked/featuremaps").pictures for step in series.steps.tolist()}
    assert_same_points(before.scalar("asked/train", "loss"), after.scalar("asked/train", "loss"))
    assert before.scalar_names("asked/featuremaps") == after.scalar_names("asked/featuremaps")


def test_an_event_that_is_kept_keeps_its_bytes_and_its_place(logdir, tmp_path):
    pack(logdir, tmp_path / "small.zip", LARGE, {})
    copy = unpacked(tmp_path / "small.zip", tmp_path / "copy")
    for path in copy.rglob("*tfevents*"):
        original = iter(without_record(payloads(logdir / path.relative_to(copy))))
        assert all(payload in original for payload in without_record(payloads(path)))


def test_what_was_left_out_is_said_in_the_run_and_beside_it(logdir, tmp_path):
    packed = pack(logdir, tmp_path / "small.zip", LARGE, {})
    copy = unpacked(tmp_path / "small.zip", tmp_path / "copy")
    text = (copy / NOTE_NAME).read_text()
    for run in EventSource(copy).runs():
        (note,) = packed.notes[run.name]
        kept = len({step for series in run.pictures if series.kind == "maps" for step in series.steps.tolist()})
        assert note.startswith(f"Thinned for sending: maps and filters of {kept} of 40 steps (0, ")
        assert record_of(run).notes == (note,)
        assert f"{run.name}: {note}" in text
        assert record_of(run).layers == record_of(EventSource(logdir).run(run.name)).layers
    assert "images" in packed.notes["asked/train"][0]


@pytest.mark.parametrize("loader", LOADERS)
def test_tensorboard_shows_a_packed_logdir_as_our_reader_does(logdir, tmp_path, loader):
    pack(logdir, tmp_path / "small.zip", LARGE, {})
    copy = unpacked(tmp_path / "small.zip", tmp_path / "copy")
    with loaded(loader, copy) as held:
        expected = EventSource(copy).runs()
        source = held.until(lambda source: [run.record for run in source.runs()] == [run.record for run in expected])
        assert_same_runs(source.runs(), expected)


def test_a_kept_picture_keeps_the_probe_input_it_was_computed_from(logdir, tmp_path):
    pack(logdir, tmp_path / "small.zip", 150_000, {})
    source = EventSource(unpacked(tmp_path / "small.zip", tmp_path / "copy"))
    for outline in source.outlines():
        steps = {series.name: series.steps.tolist() for series in outline.pictures}
        assert steps["probe"] == [
            probe
            for probe, low, high in [(0, 0, 204), (205, 205, 390)]
            if any(low <= s <= high for name in steps if name != "probe" for s in steps[name])
        ]


def test_runs_of_single_calls_are_told_too(tmp_path):
    log = logdirs.EventLog(tmp_path / "logs" / "run")
    for step in range(20):
        log.maps("conv", step, logdirs.maps_values(step, channels=8, side=16))
    packed = pack(tmp_path / "logs", tmp_path / "small.zip", 60_000, {})
    (run,) = EventSource(unpacked(tmp_path / "small.zip", tmp_path / "copy")).runs()
    assert record_of(run).notes == tuple(packed.notes["run"])
    assert record_of(run).layers == ()


def test_the_same_logdir_makes_the_same_zip(logdir, tmp_path):
    sizes = [pack(logdir, tmp_path / name, LARGE, {}).size for name in ("one.zip", "two.zip")]
    assert sizes[0] == sizes[1]
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_numbers_that_do_not_fit_are_an_error_and_leave_the_old_zip_alone(logdir, tmp_path, capsys):
    (tmp_path / "small.zip").write_bytes(b"older")
    with pytest.raises(TooSmallError, match=r"take 0\.0\d+ MB; 0\.02 MB are allowed"):
        pack(logdir, tmp_path / "small.zip", 20_000, {})
    assert main(["pack", str(logdir), "-o", str(tmp_path / "small.zip"), "--max-mb", "0.02"]) == 2
    assert "kept whole" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["small.zip"]
    assert (tmp_path / "small.zip").read_bytes() == b"older"


def test_the_command_line_says_what_it_left_out(logdir, tmp_path, capsys):
    assert main(["pack", str(logdir), "-o", str(tmp_path / "small.zip"), "--max-mb", "0.3"]) == 0
    said = capsys.readouterr().out
    assert "3 runs" in said
    assert "of 40 steps (0, 90" in said
    assert main(["pack", str(tmp_path / "nowhere"), "-o", str(tmp_path / "x.zip")]) == 2
    (tmp_path / "empty").mkdir()
    assert main(["pack", str(tmp_path / "empty"), "-o", str(tmp_path / "x.zip")]) == 2
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.parametrize("size", ["0", "-1", "nan", "inf", "many"])
def test_sizes_that_are_none_are_refused(size, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["pack", str(tmp_path), "-o", "x.zip", f"--max-mb={size}"])
    assert stopped.value.code == 2
    assert "is not a number above 0" in capsys.readouterr().err


def test_damaged_events_are_left_out_and_counted(tmp_path):
    log = logdirs.write_monitored(tmp_path / "logs" / "run", [0, 1, 2])
    whole = log.path.read_bytes()
    records = list(read_records(log.path))
    damaged = bytearray(whole)
    damaged[records[-1].offset + 20] ^= 0xFF
    log.path.write_bytes(bytes(damaged) + whole[:30])
    packed = pack(tmp_path / "logs", tmp_path / "small.zip", 10**7, {})
    assert "1 damaged places" in packed.notes["run"][0]
    copy = unpacked(tmp_path / "small.zip", tmp_path / "copy")
    assert payloads(copy / "run" / log.path.name)[4:] == [record.payload for record in records[4:-1]]


def test_a_run_record_of_a_later_version_is_passed_on_as_it_is(tmp_path):
    log = logdirs.EventLog(tmp_path / "logs" / "run")
    log.blob(tags.RUN_TAG, 0, b"not a record of this version")
    for step in range(20):
        log.maps("conv", step, logdirs.maps_values(step, channels=8, side=16))
    pack(tmp_path / "logs", tmp_path / "small.zip", 60_000, {})
    copy = unpacked(tmp_path / "small.zip", tmp_path / "copy")
    assert payloads(copy / "run" / log.path.name)[:2] == payloads(log.path)[:2]
    assert "of 20 steps" in (copy / NOTE_NAME).read_text()


HOSTILE = [
    "..\\..\\evil",
    "C:evil",
    "nul",
    "aux.txt",
    "a\nb\x1b[31m",
    "photo\u202egnp.exe",
    "end. ",
    "e" * 250,
    "<script>",
    "\udcff",
    "CON ",
]


def test_hostile_folder_names_stay_inside_the_zip(tmp_path):
    for name in HOSTILE:
        logdirs.EventLog(tmp_path / "logs" / name).maps("conv", 0)
    packed = pack(tmp_path / "logs", tmp_path / "small.zip", 10**7, {})
    assert len(packed.notes) == len(HOSTILE)
    with zipfile.ZipFile(tmp_path / "small.zip") as file:
        names = file.namelist()
    assert len({name.casefold() for name in names}) == len(HOSTILE) + 1
    for name in names:
        assert_stays(name)
    copy = unpacked(tmp_path / "small.zip", tmp_path / "deep" / "copy")
    assert {path.name for path in tmp_path.iterdir()} == {"logs", "small.zip", "deep"}
    assert len(EventSource(copy).runs()) == len(HOSTILE)


def assert_stays(name: str) -> None:
    """A member's name that means the same, inside the folder, on every system."""
    for path in (PurePosixPath(name), PureWindowsPath(name)):
        assert not path.is_absolute()
        assert not path.drive
        assert ".." not in path.parts
        assert path.as_posix() == name
        assert not is_reserved(name)
    assert name.isprintable()


def is_reserved(name: str) -> bool:
    known = getattr(ntpath, "isreserved", None)
    return known(name) if known else PureWindowsPath(name).is_reserved()


@given(st.text(st.characters(), max_size=300))
def test_any_name_becomes_one_part_that_stays_inside(name):
    safe = safe_part(name)
    assert "/" not in safe
    assert_stays(safe)
    assert len(safe.encode()) <= 200
    assert safe_part(safe) == safe


def test_links_out_of_the_logdir_carry_no_other_files_along(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret" * 1000)
    logdirs.EventLog(tmp_path / "logs").maps("conv", 0)
    (tmp_path / "logs" / "events.out.tfevents.link").symlink_to(tmp_path / "secret")
    (tmp_path / "logs" / "round").symlink_to(tmp_path / "logs")
    pack(tmp_path / "logs", tmp_path / "small.zip", 10**7, {})
    with zipfile.ZipFile(tmp_path / "small.zip") as file:
        assert not any(b"secret" in file.read(name) for name in file.namelist())
        assert len(file.namelist()) == 3


@pytest.mark.parametrize("command", ["pack", "export"])
def test_runs_that_links_lead_to_outside_of_the_logdir_are_sent_only_where_that_is_asked_for(tmp_path, capsys, command):
    logdirs.write_monitored(tmp_path / "mine" / "private" / "featuremaps", [0, 1], layers=["private_layer"])
    logdirs.write_monitored(tmp_path / "logs" / "theirs" / "featuremaps", [0, 1])
    (tmp_path / "logs" / "folder").symlink_to(tmp_path / "mine")
    (tmp_path / "logs" / "file").mkdir()
    (private,) = (tmp_path / "mine").rglob("*tfevents*")
    (tmp_path / "logs" / "file" / private.name).symlink_to(private)
    (tmp_path / "logs" / "inside").symlink_to(tmp_path / "logs" / "theirs")
    written = tmp_path / "written"
    assert main([command, str(tmp_path / "logs"), "-o", str(written)]) == 0
    said = capsys.readouterr()
    assert "1 run" in said.out
    assert f"folder leads out of {tmp_path / 'logs'}" in said.err
    assert f"file/{private.name} leads out" in said.err
    assert "inside" not in said.err
    assert main([command, str(tmp_path / "logs"), "-o", str(written), "--follow-links"]) == 0
    said = capsys.readouterr()
    assert "3 runs" in said.out
    assert "leads out" not in said.err


steps = st.sets(st.integers(-(10**6), 10**6), min_size=1, max_size=60)


@given(steps, st.sets(st.integers(-(10**6), 10**6), max_size=5))
def test_every_step_is_wanted_once_the_ends_first_then_landmarks(known, marks):
    wanted = [choice.step for choice in choices("run", known, marks)]
    assert sorted(wanted) == sorted(known)
    assert wanted[0] == max(known)
    assert wanted[1:2] in ([min(known)], [])
    next_known = {min((step for step in known if step >= mark), default=max(known)) for mark in marks}
    assert next_known <= set(wanted[: 2 + len(marks)])


@given(st.integers(3, 200), st.data())
def test_any_number_of_steps_is_spread_evenly(count, data):
    wanted = [choice.step for choice in choices("run", range(count))]
    gaps = np.diff(sorted(wanted[: data.draw(st.integers(3, count))]))
    assert max(gaps) <= 2 * min(gaps) + 1


@given(
    st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.integers(0, 50), st.integers(0, 100), min_size=1), min_size=1),
    st.integers(0, 5000),
)
def test_a_plan_keeps_to_its_budget_and_favours_no_run(sizes, budget):
    weights = {run: Weights(pictures, {0: 7}) for run, pictures in sizes.items()}
    ranked = merged(choices(run, weight.pictures) for run, weight in weights.items())
    kept = plan(weights, ranked, budget)
    spent = sum(sizes[run][step] for run, chosen in kept.pictures.items() for step in chosen)
    assert spent + 7 * sum(map(len, kept.inputs.values())) <= budget
    left = budget - spent - 7 * sum(map(len, kept.inputs.values()))
    for choice in ranked:
        if choice.rank <= 8 and choice.step not in kept.pictures[choice.run]:
            assert sizes[choice.run][choice.step] + 7 * (not kept.inputs[choice.run]) > left
    assert plan(weights, ranked, 10**9).pictures == everything(weights).pictures


WRITTEN_BY = {
    "events.out.tfevents.1795788378.392372.vm-1.org.20167.0.featuremaps": "events.out.tfevents.1795788378.392372.packed.00007.featuremaps",
    "events.out.tfevents.1700000000.10.0.0.1.1234.0": "events.out.tfevents.1700000000.packed.00007",
    "events.out.tfevents.1700000000.host.1234.0.v2": "events.out.tfevents.1700000000.packed.00007.v2",
    f"events.out.tfevents.1700000000.{socket.gethostname()}": "events.out.tfevents.1700000000.packed.00007",
    "my.tfevents": "my.tfevents",
}


@pytest.mark.parametrize("name", WRITTEN_BY)
def test_no_name_of_an_event_file_says_which_machine_wrote_it(name):
    assert eventfile.anonymous_name(name, 7) == WRITTEN_BY[name]
    assert eventfile.is_own(name) == eventfile.is_own(WRITTEN_BY[name])


def test_files_of_a_run_stay_in_order(tmp_path):
    for step in range(12):
        with fm.Writer(tmp_path / "logs") as writer:
            writer.feature_maps("conv", np.full((1, 2, 2, 1), step, np.float32), step)
    pack(tmp_path / "logs", tmp_path / "small.zip", 10**7, {})
    assert len({name for name in zipfile.ZipFile(tmp_path / "small.zip").namelist() if "tfevents" in name}) == 12
    copy = unpacked(tmp_path / "small.zip", tmp_path / "copy")
    assert_same_runs(EventSource(copy).runs(), EventSource(tmp_path / "logs").runs())
