"""The tab as a user meets it: the committed logdir, and pictures that show the values which were logged."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.reading.events import EventSource
from tests.browser.mosaics import read_pixels
from tests.support.known import match_in

RUN = "digits/featuremaps"
LAYER = "conv1"
TABS = ("Overview", "Feature maps", "Filters", "Weight change")


def address(**state: object) -> str:
    """What follows `#featuremaps` for a view."""
    return "".join(f"&p.featuremaps.{key}={quote(str(value), safe='')}" for key, value in state.items())


@pytest.fixture(scope="module")
def logged(demo_logdir: Path) -> tuple[int, record.Record]:
    """The last step of a layer's maps in the committed logdir, and that picture."""
    source = EventSource(demo_logdir)
    run = next(run for run in source.runs() if run.name == RUN)
    series = next(series for series in run.pictures if (series.kind, series.name) == ("maps", LAYER))
    step = int(series.steps[-1])
    return step, record.decode(source.picture(RUN, "maps", LAYER, step))


def wait_until_painted(tab, canvas) -> None:
    """Returns when a mosaic has the same pixels in three frames one after another: its place is settled, and it is drawn."""
    canvas.wait_for()
    before, same = b"", 0
    while same < 3:
        tab.page.wait_for_timeout(100)
        now = canvas.screenshot()
        same, before = (same + 1 if now == before else 0), now


def read_canvas(canvas) -> tuple[np.ndarray, int, int]:
    """Grey levels of a mosaic [height, width], its zoom, and its tiles in a row."""
    pixels, read = read_pixels(canvas)
    return pixels[..., 0].astype(int), read["zoom"], read["columns"]


def tile(levels: np.ndarray, zoom: int, columns: int, number: int, side: int) -> np.ndarray:
    """One tile of a mosaic, a level a value; every screen pixel of a value must be the same."""
    top, left = (place * (side * zoom + 1) for place in divmod(number, columns))
    squares = levels[top : top + side * zoom, left : left + side * zoom].reshape(side, zoom, side, zoom)
    assert (squares == squares[:, :1, :, :1]).all()
    return squares[:, 0, :, 0]


@pytest.mark.parametrize("load_fast", [True, False], ids=["native", "python"])
def test_mosaic_has_the_pixels_that_the_record_says(open_tab, demo_logdir: Path, logged, load_fast: bool) -> None:
    step, picture = logged
    tab = open_tab(demo_logdir, address(view="maps", runs=RUN, colours="grey", clip=0, step=step), load_fast=load_fast)
    canvas = tab.frame.locator(f"figure.panel canvas[data-name='{LAYER}'][data-step='{step}']").first
    codes = picture.array("pixels")[0]
    wait_until_painted(tab, canvas)
    levels, zoom, columns = read_canvas(canvas)
    for number, expected in enumerate(codes):
        drawn = tile(levels, zoom, columns, number, side=codes.shape[-1])
        np.testing.assert_allclose(drawn, np.round(expected / 252 * 255), atol=1)


def test_hovered_value_is_the_logged_one(open_tab, demo_logdir: Path, logged) -> None:
    step, picture = logged
    tab = open_tab(demo_logdir, address(view="maps", runs=RUN, step=step))
    canvas = tab.frame.locator(f"figure.panel canvas[data-name='{LAYER}'][data-step='{step}']").first
    wait_until_painted(tab, canvas)
    zoom = int(canvas.get_attribute("data-zoom"))
    canvas.hover(position={"x": 9.5 * zoom, "y": 5.5 * zoom})
    text = tab.frame.locator(".tip").first.inner_text()
    channel, row, column, shown = match_in(text, r"\[ch (\d+)\] \(y (\d+), x (\d+)\) = (\S+)").groups()
    names = picture.header["stats"]
    low, high = (picture.array("stats")[names.index(name), int(channel)] for name in ("low", "high"))
    expected = low + (high - low) * picture.array("pixels")[0, int(channel), int(row), int(column)] / 252
    assert abs(float(shown.replace("\u2212", "-")) - expected) <= (high - low) / 255 + 1e-3 * abs(expected), text


@pytest.mark.parametrize("name", TABS)
def test_every_view_opens_without_a_complaint(open_tab, demo_logdir: Path, name: str) -> None:
    tab = open_tab(demo_logdir)
    tab.frame.get_by_role("tab", name=name).click()
    tab.frame.locator("table" if name == "Weight change" else "canvas").first.wait_for()
    assert not [message for message in tab.messages if message.startswith(("error", "pageerror"))]


def test_behind_a_path_prefix(open_tab, demo_logdir: Path) -> None:
    tab = open_tab(demo_logdir, address(view="maps", runs=RUN), "--path_prefix=/some/where")
    tab.frame.locator(f"figure.panel canvas[data-name='{LAYER}']").first.wait_for()


def test_with_a_logdir_spec_and_two_runs(open_tab, demo_logdir: Path) -> None:
    asked, mended = (demo_logdir / "story4_rows_and_columns" / variant for variant in ("asked", "mended"))
    tab = open_tab(None, address(view="filters"), f"--logdir_spec=asked:{asked},mended:{mended}", load_fast=False)
    tab.frame.get_by_role("checkbox", name=re.compile("asked")).wait_for()
    tab.frame.get_by_role("checkbox", name=re.compile("mended")).wait_for()
    tab.frame.locator("figure.panel canvas[data-name='conv/kernel']").nth(1).wait_for()


@pytest.mark.network
def test_from_the_wheel_in_a_clean_environment(open_tab, demo_logdir: Path, clean_environment) -> None:
    tab = open_tab(demo_logdir, address(view="maps", runs=RUN), command=(clean_environment.program("tensorboard"),))
    tab.frame.locator(f"figure.panel canvas[data-name='{LAYER}']").first.wait_for()
    assert not [message for message in tab.messages if message.startswith(("error", "pageerror"))]
