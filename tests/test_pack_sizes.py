"""What `pack` and `export` keep where not all fits: the limit is filled, small runs beside large ones keep their ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tb_featuremap_plugin.export.pack import pack
from tb_featuremap_plugin.export.report import make_report
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.schema import tags
from tests.support import logdirs
from tests.support.zips import unpacked


def write_sizes(folder: Path, sizes: dict[int, dict[str, int]]) -> None:
    log = logdirs.EventLog(folder)
    for step, pictures in sizes.items():
        for name, size in pictures.items():
            log.blob(tags.picture_tag("maps", name), step, np.random.default_rng(size).bytes(size))


def kept_steps(archive: Path, folder: Path) -> dict[str, dict[str, list[int]]]:
    source = EventSource(unpacked(archive, folder))
    return {run.name: {series.name: series.steps.tolist() for series in run.pictures} for run in source.outlines()}


def test_small_runs_beside_a_large_one_keep_their_ends_and_the_large_one_what_fits(tmp_path):
    write_sizes(tmp_path / "logs" / "a", {step: {"one": 400_000, "two": 90_000, "three": 400_000} for step in (0, 1, 2)})
    for name in "bc":
        write_sizes(tmp_path / "logs" / name, {step: {"one": 20_000, "two": 20_000} for step in (0, 1, 2)})
    packed = pack(tmp_path / "logs", tmp_path / "small.zip", 800_000, {})
    kept = kept_steps(tmp_path / "small.zip", tmp_path / "copy")
    for name in "bc":
        assert kept[name]["one"] == kept[name]["two"]
        assert {0, 2} <= set(kept[name]["one"])
    assert kept["a"] == {"one": [2], "two": [0, 2]}
    assert packed.size > 600_000
    assert packed.notes["a"] == [
        "Thinned for sending: maps and filters of 0 of 3 steps (none) and some of those of 0, 2 were kept. Numbers are whole."
    ]


def test_a_step_that_is_larger_than_the_others_does_not_end_it(tmp_path):
    write_sizes(tmp_path / "logs" / "run", {step: {"conv": 500_000 if step == 50 else 50_000} for step in range(101)})
    pack(tmp_path / "logs", tmp_path / "small.zip", 1_000_000, {})
    (run,) = kept_steps(tmp_path / "small.zip", tmp_path / "copy").values()
    assert run["conv"][0] == 0
    assert run["conv"][-1] == 100
    assert 50 in run["conv"]
    pack(tmp_path / "logs", tmp_path / "small.zip", 480_000, {})
    (run,) = kept_steps(tmp_path / "small.zip", tmp_path / "other").values()
    assert 50 not in run["conv"]
    assert len(run["conv"]) >= 8


def test_a_page_takes_single_pictures_of_ends_that_do_not_fit(tmp_path):
    write_sizes(tmp_path / "logs", {step: {"one": 400_000, "two": 90_000} for step in (0, 1)})
    bare = len(make_report(EventSource(tmp_path / "logs"), max_bytes=1).page)
    report = make_report(EventSource(tmp_path / "logs"), max_bytes=bare + 300_000)
    assert bare + 200_000 < len(report.page) <= bare + 300_000
    assert "some of those of 0, 1" in report.notes["."][0]
