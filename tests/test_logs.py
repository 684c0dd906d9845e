"""The public way to read a logdir: names, steps, tables, scalars, findings, and what is said of what is not there."""

from __future__ import annotations

import multiprocessing
import re
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.diagnosis import diagnose
from tb_featuremap_plugin.logs import Logs
from tb_featuremap_plugin.reading import lazy_reader
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.schema.columns import LAYER_COLUMNS
from tb_featuremap_plugin.server import api
from tests.support import logdirs
from tests.support.frames import read_frame
from tests.support.known import layers_of
from tests.support.providers import LOADERS, loaded


def test_runs_have_their_names_in_the_tab(tmp_path) -> None:
    for name in ("b10/featuremaps", "b2/featuremaps", "a"):
        logdirs.write_monitored(tmp_path / name, [0])
    logdirs.EventLog(tmp_path / "other").scalar("loss", 0, 1.0)
    logs = fm.open(tmp_path)
    assert list(logs) == ["a", "b2", "b10"]
    assert logs["b2"] is logs["b2/featuremaps"]
    assert logs["b2"].name == "b2/featuremaps"
    assert [run["title"] for run in api.runs(EventSource(tmp_path))["runs"]] == list(logs)
    with pytest.raises(KeyError, match="there is no run 'b3'; there are 'a', 'b2', 'b10'"):
        logs["b3"]


def last_mean(run: fm.Run) -> tuple[str, float]:
    """What a worker is asked for: it is found by its name there."""
    return run.name, float(run.table("layers")["mean", "conv1"][-1])


def test_a_function_of_every_run_gives_the_same_wherever_it_runs(tmp_path) -> None:
    for start, name in enumerate(("b10/featuremaps", "b2/featuremaps", "a")):
        logdirs.write_monitored(tmp_path / name, [0, 5], start=logdirs.START_TIME + start)
    logs = fm.open(tmp_path)
    expected = {
        name: (run.name, float(layers_of(EventSource(tmp_path).run(run.name)).column("conv1", "mean")[-1])) for name, run in logs.items()
    }
    assert list(logs.map(last_mean).items()) == list(expected.items())
    processes = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    for pool in (ThreadPoolExecutor(2), processes):
        with pool as executor:
            assert list(logs.map(last_mean, executor=executor).items()) == list(expected.items())


def test_two_runs_of_one_title_are_told_apart(tmp_path) -> None:
    logdirs.write_monitored(tmp_path / "a" / "featuremaps", [0])
    logdirs.write_monitored(tmp_path / "a", [1])
    logs = fm.open(tmp_path)
    assert list(logs) == ["a", "a/featuremaps"]
    assert [logs[name].steps.tolist() for name in logs] == [[1], [0]]


def test_a_run_says_what_was_logged(tmp_path) -> None:
    logdirs.write_monitored(tmp_path / "featuremaps", [0, 1, 5])
    run = fm.open(tmp_path)["."]
    assert run.steps.tolist() == [0, 1, 5]
    assert [layer.name for layer in run.layers] == ["conv1", "conv2"]
    assert all(isinstance(layer, fm.Layer) for layer in run.layers)
    assert run.kernels == {"conv1": "conv1/kernel", "conv2": "conv2/kernel"}
    assert (run.losses.steps.tolist(), run.losses.values.tolist()) == ([-1, 0, 1, 4, 5], [0, 1, 1.5, 5, 5.5])
    assert {kind: {name: steps.tolist() for name, steps in names.items()} for kind, names in run.pictures.items()} == {
        "maps": {"conv1": [0, 1, 5], "conv2": [0, 1, 5]},
        "filters": {},
        "inputs": {},
    }
    assert run.problems == ()


def test_single_calls_are_enough(tmp_path) -> None:
    with fm.Writer(tmp_path) as writer:
        writer.feature_maps("conv1", np.ones((1, 4, 4, 2)), 7)
    run = fm.open(tmp_path)["."]
    assert [layer.name for layer in run.layers] == ["conv1"]
    assert (run.record.loss, run.probe, len(run.losses), run.table("variables").shape[:2]) == (None, None, 0, (0, 0))
    assert run.steps.tolist() == [7]


def test_steps_are_asked_for_exactly_or_from_the_end(tmp_path) -> None:
    log = logdirs.EventLog(tmp_path)
    for step in (0, 10, 20):
        log.maps("conv1", step)
    run = fm.open(tmp_path)["."]
    asked = {0: 0, 10: 10, 20: 20, -1: 20, -2: 10, -3: 0, np.int64(10): 10}
    assert {step: run.maps("conv1", step).step for step in asked} == asked
    np.testing.assert_array_equal(run.maps("conv1", -2).values, logdirs.maps_values(10))
    for missing in (5, 30, -4):
        with pytest.raises(KeyError, match=re.escape(f"has nothing at step {missing}; there are 0, 10, 20")):
            run.maps("conv1", missing)
    with pytest.raises(TypeError):
        run.maps("conv1", 1.5)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="'conv2'; there are 'conv1'"):
        run.maps("conv2")
    with pytest.raises(KeyError, match="no variable with filters 'conv1/kernel', nor any other"):
        run.filters("conv1/kernel")


def log_batch(monitor: fm.Monitor, step: int, batch: np.ndarray) -> None:
    """One step, whole when this returns: what there is to warn of has been said."""
    monitor.log(step, inputs=batch, activations={"a": batch})
    monitor.flush()


def test_inputs_are_those_of_the_step(tmp_path) -> None:
    batches = {0: np.zeros((1, 4, 4, 1)), 1: np.zeros((1, 4, 4, 1)), 2: np.ones((1, 4, 4, 1)), 3: np.ones((1, 4, 4, 1))}
    monitor = fm.Monitor(tmp_path, every=1)
    for step, batch in batches.items():
        if step == 2:
            with pytest.warns(RuntimeWarning, match="probe inputs changed"):
                log_batch(monitor, step, batch)
        else:
            log_batch(monitor, step, batch)
    monitor.close()
    run = fm.open(tmp_path)["."]
    assert run.probe is not None
    assert run.probe.step == 2
    for step, batch in batches.items():
        assert np.asarray(run.inputs(step)).max() == batch.max()
    assert (run.inputs().step, run.inputs(1).step, run.inputs(-3).step) == (2, 0, 0)
    with pytest.raises(KeyError, match="no input with pictures 'x'"):
        run.inputs(name="x")


def test_several_inputs_are_asked_for_by_name(tmp_path) -> None:
    with fm.Monitor(tmp_path, every=1) as monitor:
        monitor.log(0, inputs={"left": np.zeros((1, 3)), "right": np.ones((1, 5))}, activations={"a": np.ones((1, 2))})
    run = fm.open(tmp_path)["."]
    assert (run.inputs(name="left").shape, run.inputs(0, name="right").shape) == ((1, 3), (1, 5))
    with pytest.raises(KeyError, match="'left', 'right'"):
        run.inputs()


def test_tables_are_those_of_the_backend(tmp_path) -> None:
    logdirs.write_monitored(tmp_path / "featuremaps", [0, 1, 5])
    run = fm.open(tmp_path)["."]
    for kind in ("layers", "variables", "progress"):
        table = run.table(kind)
        header, frame = read_frame(api.table(EventSource(tmp_path), "featuremaps", kind))
        assert (list(table.columns), list(table.names)) == (header["columns"], header["rows"])
        np.testing.assert_array_equal(table.steps, frame["steps"])
        np.testing.assert_array_equal(table.to_numpy(), frame["values"])
        assert set(table.units) == set(table.columns)
    with pytest.raises(KeyError, match="'layer'; there are 'layers'"):
        run.table("layer")  # type: ignore[arg-type]


def test_parts_of_a_table(tmp_path) -> None:
    logdirs.write_monitored(tmp_path, [0, 1, 5])
    table = fm.open(tmp_path)["."].table("layers")
    whole = table.to_numpy()
    mean, std = LAYER_COLUMNS.index("mean"), LAYER_COLUMNS.index("std")
    assert table.units["zeros"] == "share"
    np.testing.assert_array_equal(table["mean"], whole[:, :, mean])
    np.testing.assert_array_equal(table["mean", "conv2"], whole[:, 1, mean])
    np.testing.assert_array_equal(table.to_numpy(columns=["std", "mean"], rows=["conv2"]), whole[:, 1:, [std, mean]])
    np.testing.assert_array_equal(table.to_numpy(rows="conv1", step=-1), whole[2, 0])
    np.testing.assert_array_equal(table.to_numpy(columns="mean", step=1), whole[1, :, mean])
    np.testing.assert_array_equal(np.asarray(table), whole)
    with pytest.raises(KeyError, match=r"no column in the table of layers 'men'; like it: .*'mean'"):
        table["men"]
    for ask in (lambda: table["men"], lambda: table["mean", "conv3"], lambda: table.to_numpy(step=2)):
        with pytest.raises(KeyError):
            ask()
    whole[:] = 0
    assert table.to_numpy().any(), "what is handed out is nobody else's"


def test_tables_as_data_frames(tmp_path) -> None:
    pandas = pytest.importorskip("pandas")
    logdirs.write_monitored(tmp_path, [0, 1, 5])
    run = fm.open(tmp_path)["."]
    frame = run.table("layers").to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.index.names == ["step", "name"]
    assert frame.loc[(5, "conv2"), "mean"] == run.table("layers")["mean", "conv2"][2]
    assert len(frame) == 6
    assert run.losses.to_pandas().loc[4] == 5


def test_tables_as_arrow(tmp_path) -> None:
    pytest.importorskip("pyarrow")
    logdirs.write_monitored(tmp_path, [0, 1, 5])
    run = fm.open(tmp_path)["."]
    table = run.table("layers")
    arrow = table.to_arrow()
    assert arrow.column_names == ["step", "name", *table.columns]
    assert arrow.schema.field("zeros").metadata == {b"unit": b"share"}
    lines = zip(arrow["step"].to_pylist(), arrow["name"].to_pylist(), arrow["std"].to_pylist(), strict=True)
    for line, (step, name, std) in enumerate(lines):
        assert (step, name) == ([0, 1, 5][line // 2], ["conv1", "conv2"][line % 2])
        assert std == table["std", name][line // 2]


@pytest.mark.parametrize(("package", "method"), [("pandas", "to_pandas"), ("pyarrow", "to_arrow")])
def test_a_missing_package_is_named(tmp_path, monkeypatch, package, method) -> None:
    logdirs.write_monitored(tmp_path, [0])
    table = fm.open(tmp_path)["."].table("layers")
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        getattr(table, method)()


def test_scalars_beside_a_run(tmp_path) -> None:
    logdirs.write_monitored(tmp_path / "asked" / "featuremaps", [0])
    train = logdirs.EventLog(tmp_path / "asked" / "train")
    for step in (0, 1, 2):
        train.scalar("loss", step, step + 0.5)
    run = fm.open(tmp_path)["asked"]
    assert {name: list(tags) for name, tags in run.scalars.items()} == {"asked/train": ["loss"]}
    series = run.scalars["asked/train"]["loss"]
    assert (series.steps.tolist(), series.values.tolist()) == ([0, 1, 2], [0.5, 1.5, 2.5])
    for ask in (lambda: run.scalars["asked"], lambda: run.scalars["asked/train"]["los"]):
        with pytest.raises(KeyError, match="there are"):
            ask()


def test_findings_are_those_of_the_diagnosis(tmp_path) -> None:
    logdirs.write_monitored(tmp_path, [0, 1, 5])
    run = fm.open(tmp_path)["."]
    expected = diagnose(EventSource(tmp_path).run("."))
    assert run.findings() == expected.findings
    assert run.verdicts() == expected.verdicts
    assert all(isinstance(one, fm.Verdict) for one in run.verdicts())


@pytest.mark.parametrize("loader", LOADERS)
def test_a_loader_gives_the_same(tmp_path, loader) -> None:
    logdirs.write_monitored(tmp_path / "a" / "featuremaps", [0, 1, 5])
    logdirs.EventLog(tmp_path / "a" / "train").scalar("loss", 0, 1.0)
    ours = fm.open(tmp_path)
    with loaded(loader, tmp_path) as held:
        source = held.source()
        theirs = Logs(source, [outline.name for outline in source.outlines()], "")
        assert list(ours) == list(theirs) == ["a"]
        own, other = ours["a"], theirs["a"]
        assert (own.steps.tolist(), own.layers, own.record) == (other.steps.tolist(), other.layers, other.record)
        for kind in ("layers", "variables", "progress"):
            np.testing.assert_array_equal(own.table(kind), other.table(kind))
        np.testing.assert_array_equal(own.losses.values, other.losses.values)
        np.testing.assert_array_equal(own.maps("conv2", 1), other.maps("conv2", 1))
        assert other.scalars["a/train"]["loss"].values.tolist() == [1.0]
        assert own.findings() == other.findings()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_gives_the_same(tmp_path, compression) -> None:
    write_large(tmp_path / "logs")
    with zipfile.ZipFile(tmp_path / "logs.zip", "w", compression) as archive:
        for path in (tmp_path / "logs").rglob("*tfevents*"):
            archive.write(path, path.relative_to(tmp_path / "logs").as_posix())
    assert_same_logs(fm.open(tmp_path / "logs.zip"), fm.open(tmp_path / "logs"))


def test_a_url_gives_the_same(tmp_path) -> None:
    fsspec = pytest.importorskip("fsspec")
    write_large(tmp_path / "logs")
    fsspec.filesystem("memory").put(str(tmp_path / "logs"), "/read-back/logs", recursive=True)
    assert_same_logs(fm.open("memory://read-back/logs"), fm.open(tmp_path / "logs"))


def write_large(folder: Path) -> None:
    """A run with pictures large enough to be skipped, from wherever they are read."""
    log = logdirs.write_monitored(folder / "run" / "featuremaps", [0, 1, 5])
    for step, side in ((6, 64), (7, 300)):
        log.maps("conv1", step, np.random.default_rng(step).normal(size=(1, 8, side, side)).astype(np.float32))
    log.maps("conv2", 8)


def assert_same_logs(ours: Logs, theirs: Logs) -> None:
    assert list(ours) == list(theirs) == ["run"]
    for kind in ("layers", "variables", "progress"):
        np.testing.assert_array_equal(ours["run"].table(kind), theirs["run"].table(kind))
    assert ours["run"].problems == ()
    for name, steps in theirs["run"].pictures["maps"].items():
        for step in steps.tolist():
            np.testing.assert_array_equal(ours["run"].maps(name, step), theirs["run"].maps(name, step))


def write_damaged(folder: Path) -> np.ndarray:
    """Three records of the same large maps, of which the second is damaged in the middle."""
    log = logdirs.EventLog(folder)
    big = np.random.default_rng(0).normal(size=(1, 9, 64, 64)).astype(np.float32)
    for step in range(3):
        log.maps("conv1", step, big)
    data = bytearray(log.path.read_bytes())
    data[len(data) // 2] ^= 1
    log.path.write_bytes(data)
    return big


def test_all_of_a_small_file_is_checked(tmp_path) -> None:
    big = write_damaged(tmp_path)
    run = fm.open(tmp_path)["."]
    assert run.pictures["maps"]["conv1"].tolist() == [0, 2]
    assert ["the checksum of the record at byte" in problem for problem in run.problems] == [True]
    np.testing.assert_array_equal(run.maps("conv1", 2).values, big)


def test_damage_in_a_large_file_costs_one_picture(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(lazy_reader, "CHECKED_BYTES", 0)
    big = write_damaged(tmp_path)
    run = fm.open(tmp_path)["."]
    assert run.pictures["maps"]["conv1"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(run.maps("conv1", 0).values, big)
    with pytest.raises(KeyError, match="step 1 were logged, but their record is damaged"):
        run.maps("conv1", 1)
    np.testing.assert_array_equal(run.maps("conv1", 2).values, big)


def test_hostile_records_are_value_errors(tmp_path) -> None:
    log = logdirs.EventLog(tmp_path)
    good = logdirs.maps_blob("a", logdirs.maps_values(0))
    bad = {
        "nothing": b"",
        "kind": good.replace(b'"kind":"maps"', b'"kind":"mops"'),
        "channels": good.replace(b'"channels":[0,1,2]', b'"channels":[0,1,9]'),
        "shape": good.replace(b'"shape":[1,3,4,4],"stats"', b'"shape":[3,16    ],"stats"'),
        "images": good.replace(b'"images":[0]', b'"images":["]'),
    }
    assert [name for name, blob in bad.items() if blob == good] == []
    for name, blob in bad.items():
        log.blob(f"featuremaps/maps/{name}", 0, blob)
    run = fm.open(tmp_path)["."]
    for name in bad:
        with pytest.raises(ValueError, match=r"."):
            run.maps(name)


def test_a_run_of_which_nothing_is_known_is_said(tmp_path) -> None:
    logdirs.write_monitored(tmp_path / "whole", [0])
    log = logdirs.write_monitored(tmp_path / "damaged" / "featuremaps", [0])
    data = bytearray(log.path.read_bytes())
    data[3] ^= 1
    log.path.write_bytes(data)
    with pytest.warns(UserWarning, match=r"'damaged/featuremaps': the length of the record at byte 0 is damaged"):
        logs = fm.open(tmp_path)
    assert list(logs) == ["whole"]


def test_a_file_that_has_just_been_begun_is_not_damaged(tmp_path) -> None:
    log = logdirs.write_monitored(tmp_path / "begun", [0])
    whole = log.path.read_bytes()
    for size in (0, 5, 12, 30, 60):
        log.path.write_bytes(whole[:size])
        assert len(fm.open(tmp_path)) == 0


@pytest.mark.parametrize(
    ("logdir", "error"), [(None, TypeError), (3, TypeError), (b"logs", TypeError), (["logs"], TypeError), ("", ValueError)]
)
def test_what_cannot_be_a_logdir_is_refused(logdir, error) -> None:
    with pytest.raises(error, match="logdir is"):
        fm.open(logdir)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda run: run.maps("conv1", 1.0), "step is 1.0, a float; allowed are whole numbers"),
        (lambda run: run.maps("conv1", "1"), "step is '1', a str; allowed are whole numbers"),
        (lambda run: run.table("layers").to_numpy(step=None, rows=3), "a row in the table of layers is asked for by its name, a string"),
        (lambda run: run.maps(["conv1"]), "a layer with feature maps is asked for by its name, a string, and not by ['conv1']"),
        (lambda run: run.filters(None), "a variable with filters is asked for by its name"),
        (lambda run: run.table(None), "a table is asked for by its name"),
        (lambda run: run.table("layers")[0], "a column in the table of layers is asked for by its name, a string, and not by 0"),
        (
            lambda run: run.table("layers")["mean", "conv1", 0],
            "a table is asked for a column, or for a column and a row, and not for 3 names",
        ),
    ],
)
def test_what_cannot_be_a_name_or_a_step_is_refused(tmp_path, ask, message) -> None:
    logdirs.write_monitored(tmp_path, [0, 1])
    with pytest.raises(TypeError, match=re.escape(message)):
        ask(fm.open(tmp_path)["."])


@pytest.mark.parametrize(
    ("make", "error"), [(lambda path: None, FileNotFoundError), (lambda path: path.write_text(""), NotADirectoryError)]
)
def test_what_is_no_logdir_is_said(tmp_path, make, error) -> None:
    make(tmp_path / "logdir")
    with pytest.raises(error, match=re.escape(repr(str(tmp_path / "logdir")))):
        fm.open(tmp_path / "logdir")
