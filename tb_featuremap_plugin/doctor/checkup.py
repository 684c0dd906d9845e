"""One checkup of a logdir and of the installation that is to show it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tb_featuremap_plugin._version import __version__
from tb_featuremap_plugin.doctor import remarks
from tb_featuremap_plugin.doctor.remarks import Remark
from tb_featuremap_plugin.doctor.scan import FileScan, scan
from tb_featuremap_plugin.reading import run_names
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.reading.places import Where, open_place
from tb_featuremap_plugin.reading.run import Run, Table
from tb_featuremap_plugin.reading.stored_files import RunFiles
from tb_featuremap_plugin.server.loader import SAMPLES

_ENTRY_POINTS = "tensorboard_plugins"
_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True)
class RunCheckup:
    """What is to be said of one run.

    Attributes:
        name: TensorBoard's name of the run.
        title: the name that the tab shows.
        is_ours: whether the tab shows it at all.
        files: its event files.
        remarks: what was found; empty if all is well.
        summary: what it holds, in a line.
    """

    name: str
    title: str
    is_ours: bool
    files: int
    remarks: tuple[Remark, ...]
    summary: str


@dataclass(frozen=True)
class Checkup:
    """What is to be said of a logdir, and of the installation."""

    installation: tuple[Remark, ...]
    logdir: tuple[Remark, ...]
    runs: tuple[RunCheckup, ...]


def check_up(logdir: Where) -> Checkup:
    """Looks at everything below a folder, in a zip or behind a URL.

    Raises:
        OSError: it cannot be read; `strerror` says why.
    """
    place = open_place(logdir)
    found = place.runs()
    if not found:
        return Checkup(tuple(_installation()), (remarks.on_empty_logdir(place),), ())
    source = EventSource(place)
    ours = {run.name: run for run in source.runs()}
    ordered = sorted(found, key=lambda files: run_names.run_order(files.name))
    return Checkup(tuple(_installation()), (), tuple(_check_run(files, ours.get(files.name)) for files in ordered))


def _check_run(files: RunFiles, run: Run | None) -> RunCheckup:
    scans = scan(files.files)
    return RunCheckup(
        name=files.name,
        title=run.title if run else files.name,
        is_ours=run is not None,
        files=len(files.files),
        remarks=tuple(_remarks(scans, run)),
        summary=_summary(run) if run else "",
    )


def _remarks(scans: Sequence[FileScan], run: Run | None) -> Iterator[Remark]:
    damaged = {sentence for one in scans for sentence in one.damage}
    yield from remarks.on_files(scans)
    if run is None:
        if not damaged:
            yield remarks.on_foreign_files(scans)
        return
    yield from (remark for remark in remarks.on_run(run, SAMPLES) if not any(sentence in remark.seen for sentence in damaged))


def _summary(run: Run) -> str:
    layers, variables = (_count_rows(table) for table in (run.layers, run.variables))
    steps = max((len(table.steps) for table in (run.layers, run.variables) if table is not None), default=0)
    pictures = sum(len(picture.steps) for picture in run.pictures)
    inputs = ", among them the probe's inputs" if any(picture.kind == "inputs" for picture in run.pictures) else ""
    return f"numbers of {layers:,} layers and {variables:,} variables over {steps:,} steps, and {pictures:,} pictures{inputs}"


def _count_rows(table: Table | None) -> int:
    """Rows of layers or variables; those of inputs and targets begin with an @."""
    return 0 if table is None else sum(not name.startswith("@") for name in table.rows)


def _installation() -> Iterator[Remark]:
    named = [entry for entry in importlib.metadata.entry_points(group=_ENTRY_POINTS) if entry.value.startswith(f"{_PACKAGE}.")]
    version = importlib.metadata.version("tensorboard")
    if not named:
        yield Remark(
            remarks.ERROR,
            f"The plugin is not registered with TensorBoard {version} in this Python, so TensorBoard shows no tab.",
            "pip install tb-featuremap-plugin into the environment that `tensorboard` runs in",
        )
    elif not (Path(__file__).parent.parent / "static" / "index.js").exists():
        yield Remark(remarks.ERROR, "The dashboard's files are missing from this installation.", "Install the plugin again")
    else:
        yield Remark(remarks.OK, f"Version {__version__} is registered with TensorBoard {version} in this Python.")
