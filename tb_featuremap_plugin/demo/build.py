"""Trains every run of `demo_logdir/`, small enough to be committed."""

from __future__ import annotations

import importlib
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SMALL: Mapping[str, object] = {"max_channels": 32, "max_images": 1, "max_bytes": 400_000}
"""What keeps a run to about a megabyte: fewer pictures. Statistics and numbers still cover everything."""


@dataclass(frozen=True)
class DemoRun:
    """One training: a module below this package with `train(logdir, variant, **logging)`."""

    name: str
    module: str
    variant: str
    logging: Mapping[str, object] = field(default_factory=dict)


def _story(name: str, *variants: str, **logging: object) -> list[DemoRun]:
    return [DemoRun(f"{name}/{variant}", f"stories.{name}", variant, logging) for variant in variants]


RUNS: Sequence[DemoRun] = (
    DemoRun("digits", "digits", "digits", {"max_bytes": 120_000}),
    *_story("story0_white_maps", "asked", "mended"),
    *_story("story1_by_hand", "asked", "mended", every=50, max_channels=16, max_bytes=80_000),
    *_story("story2_frozen_weights", "asked", "slow", "mended", every=50, max_channels=12, max_bytes=100_000),
    *_story("story3_lost_signal", "asked", "mended", max_channels=8),
    *_story("story4_rows_and_columns", "asked", "mended"),
)


def build(logdir: Path, only: Sequence[str] | None = None) -> int:
    """Trains the runs and writes each into `logdir/<name>`, in place of what was there.

    Args:
        logdir: made if it is not there.
        only: names of runs, or of stories for all their variants; all where None.

    Returns:
        0; 2 if `only` names none.
    """
    chosen = [run for run in RUNS if not only or run.name in only or run.name.partition("/")[0] in only]
    if not chosen:
        print(f"there is no run {only}; there are {[run.name for run in RUNS]}")
        return 2
    for run in chosen:
        started = time.monotonic()
        train(logdir, run)
        print(f"{run.name}: {_bytes_below(logdir / run.name) / 1e6:.2f} MB in {time.monotonic() - started:.0f} s", flush=True)
    print(f"{_bytes_below(logdir) / 1e6:.1f} MB: tensorboard --logdir {logdir}   then open the tab Feature Maps")
    return 0


def train(logdir: Path, run: DemoRun) -> None:
    """Trains one run in this process."""
    import keras

    folder = logdir / run.name
    shutil.rmtree(folder, ignore_errors=True)
    keras.backend.clear_session()  # else the second model's variables are named sequential_1
    module = importlib.import_module(f"tb_featuremap_plugin.demo.{run.module}")
    module.train(str(folder), run.variant, **{**SMALL, **run.logging})
    _rename_event_files(folder)


def _rename_event_files(folder: Path) -> None:
    """Event files are named after the time and the machine; a committed logdir is named after neither."""
    for parent in {path.parent for path in folder.rglob("*tfevents*")}:
        for number, path in enumerate(sorted(parent.glob("*tfevents*"))):
            path.rename(parent / f"events.out.tfevents.{number:010d}.demo")


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
