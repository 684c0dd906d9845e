"""What somebody does with the views: compare runs, find channels, play the steps, save a picture, in windows of any size."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from tb_featuremap_plugin.format import record
from tests.browser import head_logs, picture_logs
from tests.browser.mosaics import WAIT_MS, choose, drawn, hover, read_pixels, soon
from tests.browser.picture_logs import LoggedRun, colour_table, expected_colours

VIEWS = ("Overview", "Feature maps", "Filters", "Weight change")


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, LoggedRun], dict[str, np.ndarray]]:
    logdir = tmp_path_factory.mktemp("views")
    runs = {"alpha": picture_logs.write_run(logdir, "alpha", "uint8", 1), "beta": picture_logs.write_run(logdir, "beta", "float32", 2)}
    head_logs.write_long(logdir)
    head_logs.write_health(logdir)
    return logdir, runs, head_logs.write_heads(logdir)


@pytest.fixture
def view(open_tab: Callable[..., Any], logged: Any) -> Callable[..., Any]:
    """Opens a view on one or more runs; further keyword arguments are parts of the state."""

    def open_(view: str, runs: str = "alpha", options: dict[str, Any] | None = None, **state: Any) -> Any:
        parts = {"view": view, "runs": runs, **state}
        hash = "".join(f"&p.featuremaps.{key}={quote(str(value), safe='')}" for key, value in parts.items())
        return open_tab(logged[0], hash, **(options or {}))

    return open_


def cards(frame: Any) -> list[str]:
    return [card.get_attribute("data-card") for card in frame.locator("article").all()]


def order_of(frame: Any, name: str, run: str) -> list[int]:
    canvas = frame.locator(f"figure.panel canvas[data-name='{name}'][data-run='{run}']")
    canvas.wait_for(timeout=WAIT_MS)
    return [int(tile) for tile in canvas.get_attribute("data-order").split()]


def test_a_difference_of_runs_is_that_of_their_values(view: Any, logged: Any) -> None:
    alpha, beta = (logged[1][run].values("conv1", 10) for run in ("alpha", "beta"))
    apart = (beta - alpha).astype(np.float32).astype(np.float64)
    bound = float(np.abs(apart).max())
    tab = view("maps", "alpha,beta", range="layer")
    choose(tab.frame, "Subtract", "run")
    choose(tab.frame, "Run to subtract", "alpha")
    expected = expected_colours(apart, -bound, bound, colour_table("diverging"))
    soon(lambda: np.testing.assert_array_equal(drawn(tab.frame, "conv1", "beta", *apart.shape[1:]), expected), tab.frame)
    text = hover(tab, "conv1", 0, 0, 0, apart.shape[1:])
    assert float(text.split(" = ")[1]) == 0  # the first panel is alpha's, less itself


def test_a_channel_of_several_runs_is_drawn_on_one_scale(view: Any, logged: Any) -> None:
    values = {run: logged[1][run].values("conv1", 10)[3] for run in ("alpha", "beta")}
    tab = view("maps", "alpha,beta", range="fixed", low=0, high=2, layer="conv1", channel=3, pixel="0,1,1")
    drawer = tab.frame.get_by_role("complementary", name="Channel 3 of conv1")
    for run, expected in values.items():
        colours = expected_colours(expected[None], 0, 2, colour_table("viridis"))[0]
        canvas = drawer.get_by_role("img", name=f"Feature map of conv1, channel 3, {run}")

        def compare(canvas: Any = canvas, colours: np.ndarray = colours) -> None:
            canvas.wait_for(timeout=WAIT_MS)
            zoom = int(canvas.get_attribute("data-zoom"))
            np.testing.assert_array_equal(pixels_of(canvas)[::zoom, ::zoom], colours)

        soon(compare, tab.frame)


def pixels_of(canvas: Any) -> np.ndarray:
    """What a canvas shows, [rows, columns, 3]."""
    return read_pixels(canvas)[0][..., :3]


def test_a_mosaic_is_saved_as_the_picture_that_is_seen(view: Any) -> None:
    tab = view("maps", "beta", colours="cividis")
    figure = tab.frame.get_by_role("figure", name="Feature maps of conv2, beta")
    figure.locator("canvas").wait_for(timeout=WAIT_MS)
    with tab.page.expect_download() as download:
        figure.get_by_role("button", name="PNG").click()
    assert download.value.suggested_filename == "beta_maps_conv2_step10.png"
    saved = Image.open(io.BytesIO(download.value.path().read_bytes()))
    np.testing.assert_array_equal(np.asarray(saved.convert("RGB")), pixels_of(figure.locator("canvas")))


def test_layers_are_found_by_kind_and_by_expression(view: Any) -> None:
    tab = view("maps")
    soon(partial(expect_cards, tab.frame, ["conv1", "pool1", "conv2"]), tab.frame)
    choose(tab.frame, "Kind of layer", "max_pooling2d")
    soon(partial(expect_cards, tab.frame, ["pool1"]), tab.frame)
    choose(tab.frame, "Kind of layer", "conv2d")
    soon(partial(expect_cards, tab.frame, ["conv1", "conv2"]), tab.frame)
    tab.frame.get_by_role("searchbox", name="layers").fill("[^1]$")
    soon(partial(expect_cards, tab.frame, ["conv2"]), tab.frame)


def expect_cards(frame: Any, names: list[str]) -> None:
    assert cards(frame) == names


def test_channels_are_sorted_as_numpy_sorts_them(view: Any, logged: Any) -> None:
    run = logged[1]["beta"]
    batch = run.maps["conv1", 10].astype(np.float32)
    moved = run.values("conv1", 10) - run.values("conv1", 0)
    scores = {
        "mean": batch.mean(axis=(0, 2, 3)),
        "max": batch.max(axis=(0, 2, 3)),
        "std": batch.std(axis=(0, 2, 3)),
        "zeros": (batch == 0).mean(axis=(0, 2, 3)),
        "change": np.sqrt((moved**2).mean(axis=(1, 2))),
    }
    tab = view("maps", "beta")
    for name, score in scores.items():
        choose(tab.frame, "Sort", name)
        expected = np.argsort(-score, kind="stable").tolist()

        def compare(expected: list[int] = expected) -> None:
            assert order_of(tab.frame, "conv1", "beta") == expected

        soon(compare, tab.frame)


def test_a_channel_is_the_same_on_its_tile_on_its_page_and_for_the_backend(view: Any) -> None:
    tab = view("maps", "health", layer="act", channel=3)
    badges = tab.frame.locator("article[data-card=act] .labels span")
    badges.first.wait_for(timeout=WAIT_MS)
    shown = badges.evaluate_all("spans => spans.map((span) => span.querySelector('em')?.textContent ?? 'alive')")
    assert shown == list(head_logs.HEALTH)
    ask = "async (address) => Array.from(new Uint8Array(await (await fetch(address)).arrayBuffer()))"
    answer = record.decode(bytes(tab.frame.evaluate(ask, "channels?run=health&kind=maps&name=act")))
    assert [answer.header["conditions"][code] for code in answer.array("conditions")[0]] == shown
    drawer = tab.frame.get_by_role("complementary", name="Channel 3 of act")
    drawer.get_by_text("saturated at every step").wait_for(timeout=WAIT_MS)
    choose(tab.frame, "Show", "saturated")
    soon(lambda: expect_order(tab.frame, "act", "health", [3]), tab.frame)
    choose(tab.frame, "Show", "nonfinite")
    soon(lambda: expect_order(tab.frame, "act", "health", [4]), tab.frame)


def expect_order(frame: Any, name: str, run: str, order: list[int]) -> None:
    assert order_of(frame, name, run) == order


def test_dead_channels_are_picked_out(view: Any, logged: Any) -> None:
    dead = np.flatnonzero((logged[2]["conv"] <= 0).all(axis=(1, 2))).tolist()
    assert dead == [head_logs.DEAD]
    tab = view("maps", "heads")
    tab.frame.locator("article[data-card=conv]").get_by_text("1 dead", exact=True).wait_for(timeout=WAIT_MS)
    choose(tab.frame, "Show", "dead")

    def compare() -> None:
        assert order_of(tab.frame, "conv", "heads") == dead

    soon(compare, tab.frame)
    tab.frame.locator("article[data-card=up]").get_by_text("No channel matches").wait_for(timeout=WAIT_MS)


def test_percentiles_are_clipped_as_typed(view: Any, logged: Any) -> None:
    values = logged[1]["alpha"].values("conv1", 10)
    tab = view("maps")
    choose(tab.frame, "Range", "percentile")
    tab.frame.get_by_role("spinbutton", name="Clip (%)").fill("12.5")
    tab.page.keyboard.press("Enter")
    low, high = np.percentile(values, [12.5, 87.5])
    expected = expected_colours(values, low, high, colour_table("viridis"))
    soon(lambda: np.testing.assert_array_equal(drawn(tab.frame, "conv1", "alpha", *values.shape[1:]), expected), tab.frame)
    tab.page.wait_for_function("() => location.hash.includes('clip=12.5')")


def test_play_goes_through_the_steps_and_stops_at_the_last(view: Any) -> None:
    tab = view("maps", step=0)
    slider = tab.frame.get_by_role("slider", name="Step", exact=True)
    slider.wait_for(timeout=WAIT_MS)
    slider.evaluate(
        """slider => {
            window.seen = [];
            const note = () => window.seen.push(+slider.dataset.step);
            new MutationObserver(note).observe(slider, { attributes: true, attributeFilter: ["data-step"] });
        }"""
    )
    tab.frame.get_by_role("button", name="Play").click()
    tab.frame.get_by_role("button", name="Pause").wait_for()
    tab.frame.get_by_role("button", name="Play").wait_for(timeout=WAIT_MS)
    assert tab.frame.evaluate("() => window.seen") == [5, 10]


def test_nothing_moves_where_less_motion_is_asked_for(view: Any) -> None:
    tab = view("maps", options={"reduced_motion": "reduce"}, layer="conv1", channel="1")
    moving = """() => [...document.querySelectorAll("*")].filter((element) => {
        const style = getComputedStyle(element);
        return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none" || style.scrollBehavior === "smooth";
    }).map((element) => element.outerHTML.slice(0, 80))"""
    for name in VIEWS:
        tab.frame.get_by_role("tab", name=name).click()
        tab.frame.get_by_role("tab", name=name, selected=True).wait_for()
        assert tab.frame.evaluate(moving) == []


WINDOWS = {
    "at 200 %": {"size": (800, 450), "device_scale_factor": 2},
    "as on a telephone": {"size": (400, 800)},
}


@pytest.mark.parametrize("window", WINDOWS.values(), ids=list(WINDOWS))
def test_no_view_is_wider_than_its_window(view: Any, window: dict[str, Any]) -> None:
    tab = view("maps", "alpha,beta", options=window, layer="conv1", channel="1")
    tab.frame.locator("figure.panel canvas").first.wait_for(timeout=WAIT_MS)
    tab.frame.get_by_role("button", name="Close").click()
    for name in VIEWS:
        tab.frame.get_by_role("tab", name=name).click()
        tab.frame.get_by_role("tab", name=name, selected=True).wait_for()
        wide, room = tab.frame.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= room, name


def test_the_tab_is_set_in_tensorboards_typeface(view: Any) -> None:
    tab = view("overview")
    loaded = "() => [...document.fonts].some((face) => face.family.includes('Roboto') && face.status === 'loaded')"
    tab.frame.wait_for_function(loaded, timeout=WAIT_MS)


def test_a_channels_page_begins_at_its_head_in_a_narrow_window(view: Any) -> None:
    tab = view("maps", "alpha,beta", options={"size": (560, 700)}, layer="conv2", channel="1")
    tab.frame.locator("[data-card=conv2] figure.panel canvas").first.wait_for(timeout=WAIT_MS)
    in_sight = "(button) => { const { top, bottom } = button.getBoundingClientRect(); return top >= 0 && bottom <= innerHeight; }"
    assert tab.frame.get_by_role("button", name="Close").evaluate(in_sight)


def test_the_address_brings_back_all_that_was_chosen(view: Any) -> None:
    tab = view("maps", "alpha,beta")
    frame = tab.frame
    frame.locator("figure.panel canvas").first.wait_for(timeout=WAIT_MS)
    chosen = {
        "Range": "percentile",
        "Colour map": "grey",
        "Sort": "std",
        "Subtract": "step",
        "Step to subtract": "5",
        "Image": "1",
        "Zoom": "3",
        "Kind of layer": "conv2d",
        "Bars beside the layers": "rms",
    }
    for name, value in chosen.items():
        choose(frame, name, value)
    frame.get_by_role("spinbutton", name="Clip (%)").fill("7")
    frame.get_by_role("searchbox", name="layers").fill("2$")
    frame.get_by_role("searchbox", name="runs").fill("a")
    frame.get_by_role("slider", name="Step", exact=True).press("Home")
    soon(partial(expect_cards, frame, ["conv2"]), frame)
    frame.locator(".mosaic").first.click(position={"x": 4, "y": 4})
    frame.get_by_role("complementary", name="of conv2").wait_for(timeout=WAIT_MS)
    tab.page.wait_for_function("() => location.hash.includes('channel=')")
    again = view("overview")
    again.page.goto("about:blank")
    again.page.goto(tab.page.url)
    fresh = again.page.wait_for_selector("iframe[src*='featuremaps']", state="attached").content_frame()
    title = frame.get_by_role("complementary").get_attribute("aria-label")
    fresh.get_by_role("complementary", name=title).wait_for(timeout=WAIT_MS)
    fresh.get_by_role("combobox", name="Image").wait_for(timeout=WAIT_MS)
    assert {name: fresh.get_by_role("combobox", name=name, exact=True).input_value() for name in chosen} == chosen
    assert fresh.get_by_role("spinbutton", name="Clip (%)").input_value() == "7"
    assert fresh.get_by_role("searchbox", name="runs").input_value() == "a"
    assert cards(fresh) == ["conv2"]
    assert fresh.get_by_role("slider", name="Step", exact=True).get_attribute("data-step") == "0"
    assert again.page.url == tab.page.url


def test_a_strip_shows_a_channel_at_every_step_and_fetches_what_is_in_sight(view: Any) -> None:
    tab = view("maps", "long", step=3, layer="conv", channel=1)
    asked: set[str] = set()
    tab.page.on("request", lambda request: asked.update(request.url.split("/picture?")[1:]))
    drawer = tab.frame.get_by_role("complementary", name="Channel 1 of conv")
    drawer.get_by_text(f"{head_logs.LONG_STEPS} maps kept").wait_for(timeout=WAIT_MS)
    strip = drawer.get_by_role("list", name=f"Maps at {head_logs.LONG_STEPS} steps")
    strip.locator("button[aria-current=true] canvas[data-step='3']").wait_for(timeout=WAIT_MS)
    assert 3 < strip.get_by_role("button").count() < 15
    strip.get_by_role("button", name="Step 3", exact=True).press("End")
    strip.locator("button[aria-current=true] canvas[data-step='39']").wait_for(timeout=WAIT_MS)
    tab.page.wait_for_function("() => location.hash.includes('step=39')")
    strip.get_by_role("button", name="Step 37", exact=True).click()
    strip.locator("button[aria-current=true] canvas[data-step='37']").wait_for(timeout=WAIT_MS)
    assert len(asked) < 30


@pytest.mark.parametrize(("layer", "channel", "pixel"), [("up", 1, (7, 4)), ("apart", 2, (5, 0)), ("dense", 3, ())])
def test_values_of_other_layers_are_taken_apart_too(view: Any, logged: Any, layer: str, channel: int, pixel: tuple[int, ...]) -> None:
    place = (0, *pixel) if pixel else (0, 0, 0)
    tab = view("maps", "heads", layer=layer, channel=channel, pixel=",".join(map(str, place)))
    sum_ = tab.frame.locator(".products")
    sum_.wait_for(timeout=WAIT_MS)
    value, stored = (float(sum_.get_attribute(f"data-{key}")) for key in ("value", "stored"))
    assert stored == pytest.approx(logged[2][layer][channel].item(*pixel), rel=1e-6)
    assert abs(value - stored) <= 1e-4
