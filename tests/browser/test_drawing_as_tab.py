"""A picture in a notebook has the pixels that the tab draws of the same record, tile by tile."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tests.browser import picture_logs
from tests.browser.mosaics import WAIT_MS, drawn, read_pixels, soon
from tests.support.png import decode, tiles_of


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook")
    picture_logs.write_run(folder, "codes", "uint8", 1)
    picture_logs.write_run(folder, "floats", "float32", 2)
    picture_logs.write_run(folder, "halves", "float16", 3)
    picture_logs.write_odd(folder)
    return folder


@pytest.fixture
def view(open_tab: Callable[..., Any], logdir: Path) -> Callable[..., Any]:
    def open_(view: str, run: str) -> Any:
        return open_tab(logdir, f"&p.featuremaps.view={view}&p.featuremaps.runs={quote(run)}").frame

    return open_


def shown(picture: fm.Picture) -> np.ndarray:
    data = picture._repr_png_()
    assert data is not None
    return decode(data)


def compare(frame: Any, run: str, picture: fm.Picture, count: int, rows: int, columns: int) -> None:
    expected = tiles_of(shown(picture), count, rows, columns)
    soon(lambda: np.testing.assert_array_equal(drawn(frame, picture.name, run, rows, columns), expected), frame)


@pytest.mark.parametrize("run", ["codes", "floats", "halves"])
def test_maps_are_those_of_the_tab(view: Any, logdir: Path, run: str) -> None:
    frame = view("maps", run)
    for layer in ("conv1", "pool1", "conv2"):
        picture = fm.open(logdir)[run].maps(layer)
        compare(frame, run, picture, *picture.shape[1:])


def test_marks_and_signs_are_those_of_the_tab(view: Any, logdir: Path) -> None:
    frame = view("maps", "odd")
    picture = fm.open(logdir)["odd"].maps("odd")
    compare(frame, "odd", picture, *picture.shape[1:])


def test_filters_are_those_of_the_tab(view: Any, logdir: Path) -> None:
    frame = view("filters", "floats")
    run = fm.open(logdir)["floats"]
    compare(frame, "floats", run.filters("conv1/kernel"), 6, 3, 3)  # in colours
    compare(frame, "floats", run.filters("conv2/kernel"), 1, 6, 4)  # norms, in by out


@pytest.mark.parametrize("run", ["codes", "floats"])
def test_inputs_are_those_of_the_tab(view: Any, logdir: Path, run: str) -> None:
    frame = view("maps", run)
    picture = fm.open(logdir)[run].inputs()
    canvas = frame.locator("canvas[data-kind=inputs]").first
    canvas.wait_for(timeout=WAIT_MS)
    expected = tiles_of(shown(picture), 1, *picture.shape[2:])[0]
    soon(partial(_compare_input, canvas, expected), frame)


def _compare_input(canvas: Any, expected: np.ndarray) -> None:
    pixels, read = read_pixels(canvas)
    np.testing.assert_array_equal(pixels[:: read["zoom"], :: read["zoom"], :3], expected)
