"""The mosaics on the screen have the pixels that the records say, and say the values that were logged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from tests.browser import picture_logs
from tests.browser.addresses import answers_asked_for
from tests.browser.mosaics import WAIT_MS, choose, drawn, hover, soon
from tests.browser.picture_logs import STEPS, LoggedRun, colour_table, expected_colours, forward
from tests.support.known import match_in


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, LoggedRun]]:
    logdir = tmp_path_factory.mktemp("pictures")
    alpha = picture_logs.write_run(logdir, "alpha", "uint8", 1)
    beta = picture_logs.write_run(logdir, "beta", "float32", 2)
    return logdir, {"alpha": alpha, "beta": beta, "odd": picture_logs.write_odd(logdir)}


@pytest.fixture
def view(open_tab: Callable[..., Any], logged: Any) -> Callable[..., Any]:
    """Opens a view on one or more runs; further keyword arguments are parts of the state."""

    def open_(view: str, runs: str = "alpha", options: dict[str, Any] | None = None, **state: Any) -> Any:
        parts = {"view": view, "runs": runs, **state}
        hash = "".join(f"&p.featuremaps.{key}={quote(str(value))}" for key, value in parts.items())
        return open_tab(logged[0], hash, **(options or {}))

    return open_


def layer_limits(run: LoggedRun, name: str, steps: tuple[int, ...] = (10,)) -> tuple[float, float]:
    """Over all stored images and channels."""
    stacked = np.stack([run.values(name, step, image) for step in steps for image in range(2)])
    return float(stacked.min()), float(stacked.max())


def limits_of(mode: str, runs: dict[str, LoggedRun], run: LoggedRun, name: str) -> tuple[Any, Any]:
    both = np.stack([run.values(name, 10, image) for image in range(2)])
    if mode == "channel":
        return both.min(axis=(0, 2, 3)), both.max(axis=(0, 2, 3))
    if mode == "symmetric":
        bound = max(abs(limit) for limit in layer_limits(run, name))
        return -bound, bound
    if mode == "percentile":
        return tuple(np.percentile(run.values(name, 10), [5, 95]))
    if mode == "fixed":
        return -0.25, 1.5
    # Over steps and runs what counts is the whole logged batch; both of its images are stored here.
    members = [runs["alpha"], runs["beta"]] if mode == "runs" else [run]
    each = [layer_limits(member, name, (10,) if mode == "layer" else STEPS) for member in members]
    return min(low for low, _ in each), max(high for _, high in each)


def test_every_range_has_the_pixels_that_numpy_says(view: Any, logged: Any) -> None:
    runs = logged[1]
    tab = view("maps", "alpha,beta", low=-0.25, high=1.5, clip=5)
    for mode in ("channel", "layer", "steps", "runs", "fixed", "symmetric", "percentile"):
        choose(tab.frame, "Range", mode)
        for run in ("alpha", "beta"):
            values = runs[run].values("conv1", 10)
            low, high = limits_of(mode, runs, runs[run], "conv1")
            expected = expected_colours(values, low, high, colour_table("viridis"))

            soon(partial(compare_drawn, tab.frame, "conv1", run, expected), tab.frame)


def test_as_tf_summary_image_cuts_off_to_bytes_and_says_how_much(view: Any, logged: Any) -> None:
    values = logged[1]["alpha"].values("conv1", 10)
    tab = view("maps", range="summary")
    bytes_ = np.trunc(np.clip(values, 0, 1) * 255.5)
    soon(lambda: np.testing.assert_array_equal(drawn(tab.frame, "conv1", "alpha", *values.shape[1:])[..., 0], bytes_), tab.frame)
    figure = tab.frame.get_by_role("figure", name="Feature maps of conv1, alpha")
    assert int(figure.locator("[data-mark=high]").get_attribute("data-count")) == (values > 1).sum()


def test_colour_maps_are_what_they_say(view: Any, logged: Any) -> None:
    run = logged[1]["beta"]
    values = run.values("conv2", 10)
    tab = view("maps", "beta", range="layer")
    for name in ("diverging", "cividis", "grey", "viridis"):
        low, high = layer_limits(run, "conv2")
        if name == "diverging":
            low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
        choose(tab.frame, "Colour map", name)
        expected = expected_colours(values, low, high, colour_table(name))
        soon(partial(compare_drawn, tab.frame, "conv2", "beta", expected), tab.frame)


def compare_drawn(frame: Any, name: str, run: str, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(drawn(frame, name, run, *expected.shape[1:3]), expected)


def test_what_no_colour_can_show_is_marked_and_counted(view: Any, logged: Any) -> None:
    run = logged[1]["odd"]
    values = run.values("odd", 0)
    finite = np.where(np.isfinite(values), values, np.nan)
    low, high = np.nanmin(finite, axis=(1, 2)), np.nanmax(finite, axis=(1, 2))
    high[2] = 1  # constant zero is seen against zero
    tab = view("maps", "odd")
    expected = expected_colours(values, low, high, colour_table("viridis"))
    soon(lambda: np.testing.assert_array_equal(drawn(tab.frame, "odd", "odd", 6, 6), expected), tab.frame)
    counts = {mark: tab.frame.locator(f"[data-mark={mark}]").get_attribute("data-count") for mark in ("nan", "posInf", "negInf")}
    assert counts == {"nan": "1", "posInf": "1", "negInf": "1"}


def test_a_difference_of_steps_is_centred_on_zero(view: Any, logged: Any) -> None:
    run = logged[1]["beta"]
    change = run.values("conv1", 10).astype(np.float32) - run.values("conv1", 0).astype(np.float32)
    bound = float(np.abs(change).max())
    tab = view("maps", "beta", range="layer")
    choose(tab.frame, "Subtract", "first")
    expected = expected_colours(change.astype(np.float64), -bound, bound, colour_table("diverging"))
    soon(lambda: np.testing.assert_array_equal(drawn(tab.frame, "conv1", "beta", *change.shape[1:]), expected), tab.frame)


def test_colour_filters_have_zero_at_mid_grey(view: Any, logged: Any) -> None:
    kernel = logged[1]["alpha"].kernels["conv1/kernel", 10].astype(np.float64)
    bound = np.abs(kernel).max()
    expected = (128 + np.floor(127 * kernel / bound + 0.5)).transpose(0, 2, 3, 1)
    tab = view("filters")
    soon(lambda: np.testing.assert_array_equal(drawn(tab.frame, "conv1/kernel", "alpha", 3, 3), expected), tab.frame)


def test_one_input_of_each_filter_is_drawn_on_a_diverging_map(view: Any, logged: Any) -> None:
    kernel = logged[1]["alpha"].kernels["conv2/kernel", 5].astype(np.float64)[:, 2]
    bound = np.abs(kernel).max()
    tab = view("filters", inputShown="2", step=5)
    expected = expected_colours(kernel, -bound, bound, colour_table("diverging"))
    soon(lambda: np.testing.assert_array_equal(drawn(tab.frame, "conv2/kernel", "alpha", 3, 3), expected), tab.frame)


def test_a_hovered_value_is_the_logged_one_its_scale_too_and_a_click_keeps_it(view: Any, logged: Any) -> None:
    run = logged[1]["alpha"]
    values = run.values("conv1", 10)
    tile = int(np.argmax(values.max(axis=(1, 2))))
    low, high = limits_of("channel", logged[1], run, "conv1")
    tab = view("maps")
    text = hover(tab, "conv1", tile, 4, 7, values.shape[1:])
    said = float(match_in(text, rf"\Aconv1 \[ch {tile}\] \(y 4, x 7\) = (\S+)\Z")[1])
    assert said == pytest.approx(values[tile, 4, 7], rel=1e-6, abs=1e-9)
    assert abs(said - run.maps["conv1", 10][0, tile, 4, 7]) <= (high[tile] - low[tile]) / 255
    scale = tab.frame.get_by_role("figure", name="Feature maps of conv1, alpha").locator(".scale")
    assert float(scale.get_attribute("data-low")) == pytest.approx(low[tile])
    assert float(scale.get_attribute("data-high")) == pytest.approx(high[tile])
    tab.frame.locator(".mosaic").first.click(position={"x": 30, "y": 30})
    tab.frame.get_by_role("complementary", name="Channel 0 of conv1").wait_for()
    tab.page.wait_for_function("() => location.hash.includes('channel=0')")


def test_float32_filters_are_said_exactly(view: Any, logged: Any) -> None:
    kernel = logged[1]["alpha"].kernels["conv2/kernel", 10]
    tab = view("filters", inputShown="1")
    text = hover(tab, "conv2/kernel", 2, 1, 0, (3, 3))
    said = np.float32(float(text.split(" = ")[1]))
    assert said == pytest.approx(kernel[2, 1, 1, 0], rel=1e-6)


def test_the_products_of_a_pixel_add_up_to_what_is_stored(view: Any, logged: Any) -> None:
    for run, layer, channel, pixel in (("alpha", "conv1", 2, (0, 5, 6)), ("alpha", "conv2", 3, (0, 2, 1)), ("beta", "conv2", 3, (0, 3, 2))):
        values = logged[1][run].values("conv2", 10)
        stored = logged[1][run].values(layer, 10)[channel, pixel[1], pixel[2]]
        tab = view("maps", run, layer=layer, channel=channel, pixel=",".join(map(str, pixel)))
        sum_ = tab.frame.locator(".products")
        sum_.wait_for(timeout=WAIT_MS)
        said = {key: float(sum_.get_attribute(f"data-{key}")) for key in ("value", "stored", "rounding")}
        assert said["stored"] == pytest.approx(stored, rel=1e-9, abs=1e-12)
        assert abs(said["value"] - said["stored"]) <= (1e-4 if run == "beta" else said["rounding"])
        assert said["rounding"] < 0.2 * values.max()
        assert run == "alpha" or said["rounding"] == 0


def test_nothing_outside_of_the_receptive_field_matters(view: Any, logged: Any) -> None:
    run = logged[1]["beta"]
    kernels = {name: kernel.astype(np.float64) for (name, step), kernel in run.kernels.items() if step == 10}
    tab = view("maps", "beta", layer="conv2", channel=0, pixel="0,2,1")
    box = tab.frame.locator("[data-field]")
    box.wait_for(timeout=WAIT_MS)
    (top, bottom), (left, right) = json.loads(box.get_attribute("data-field"))
    rng = np.random.default_rng(0)
    inside = np.zeros(picture_logs.SIZE, bool)
    inside[top : bottom + 1, left : right + 1] = True
    before = forward(run.inputs, kernels, np.zeros(6))["conv2"][0, :, 2, 1]
    outside = forward(np.where(inside, run.inputs, rng.random(run.inputs.shape)), kernels, np.zeros(6))["conv2"][0, :, 2, 1]
    np.testing.assert_array_equal(outside, before)
    for row, column in ((top, left), (top, right), (bottom, left), (bottom, right)):
        changed = run.inputs.copy()
        changed[:, :, row, column] += 50
        assert (forward(changed, kernels, np.zeros(6))["conv2"][0, :, 2, 1] != before).any()


def test_keys_move_the_cursor_over_steps_that_exist(view: Any) -> None:
    tab = view("maps")
    slider = tab.frame.get_by_role("slider", name="Step", exact=True)
    slider.wait_for()
    seen = [slider.get_attribute("aria-valuetext")]
    tab.frame.locator("h3").first.click()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowRight", "End", "Home"):
        tab.page.keyboard.press(key)
        seen.append(slider.get_attribute("aria-valuetext"))
    assert [int(text.removeprefix("step ")) for text in seen] == [10, 5, 0, 0, 5, 10, 0]
    canvas = tab.frame.locator("figure.panel canvas[data-name='conv1'][data-step='0']")
    canvas.wait_for(timeout=WAIT_MS)
    tab.page.keyboard.press(" ")
    tab.frame.locator("figure.panel canvas[data-name='conv1'][data-step='10']").wait_for(timeout=WAIT_MS)
    tab.frame.get_by_role("button", name="Play").wait_for()


def test_keys_count_that_come_before_the_next_paint(view: Any) -> None:
    tab = view("maps")
    slider = tab.frame.get_by_role("slider", name="Step", exact=True)
    slider.wait_for()
    press = "(key) => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}))"
    tab.frame.evaluate(f"() => ['ArrowLeft', 'ArrowLeft'].forEach({press})")
    tab.frame.locator("figure.panel canvas[data-name='conv1'][data-step='0']").wait_for(timeout=WAIT_MS)
    assert slider.get_attribute("aria-valuetext") == "step 0"


def test_the_address_brings_everything_back(view: Any) -> None:
    tab = view("overview", "alpha,beta")
    frame = tab.frame
    frame.get_by_role("tab", name="Feature maps").click()
    choose(frame, "Range", "fixed")
    choose(frame, "Colour map", "cividis")
    frame.get_by_role("searchbox", name=re.compile("layers")).fill("conv[1]")
    frame.get_by_role("checkbox", name="beta", exact=True).uncheck()
    frame.get_by_role("slider", name="Step", exact=True).press("Home")
    tab.page.wait_for_function("() => location.hash.includes('step=0')")
    address = tab.page.url
    again = view("overview")
    again.page.goto("about:blank")
    again.page.goto(address)
    frame = again.page.wait_for_selector("iframe[src*='featuremaps']", state="attached").content_frame()
    frame.get_by_role("tab", name="Feature maps", selected=True).wait_for(timeout=WAIT_MS)
    assert frame.get_by_role("combobox", name="Range", exact=True).input_value() == "fixed"
    assert frame.get_by_role("combobox", name="Colour map").input_value() == "cividis"
    assert frame.get_by_role("searchbox", name=re.compile("layers")).input_value() == "conv[1]"
    assert not frame.get_by_role("checkbox", name="beta", exact=True).is_checked()
    assert frame.get_by_role("slider", name="Step", exact=True).get_attribute("aria-valuetext") == "step 0"
    assert [card.get_attribute("data-card") for card in frame.locator("article").all()] == ["conv1"]


def test_an_address_of_things_that_are_gone_shows_what_there_is(view: Any) -> None:
    tab = view("maps", "alpha,gone", step="7.5", layer="nowhere", channel="999", range="by magic", colours="plaid", image="70")
    tab.frame.locator("figure.panel canvas[data-name='conv1'][data-step='5']").wait_for(timeout=WAIT_MS)
    assert tab.frame.get_by_role("combobox", name="Range", exact=True).input_value() == "channel"
    assert not [message for message in tab.messages if "pageerror" in message]


def test_a_bad_expression_keeps_the_last_good_one(view: Any) -> None:
    tab = view("maps")
    box = tab.frame.get_by_role("searchbox", name=re.compile("layers"))
    box.fill("conv")
    tab.frame.locator("article[data-card=pool1]").wait_for(state="detached")
    box.fill("conv[")
    assert box.get_attribute("aria-invalid") == "true"
    assert tab.frame.locator("article").count() == 2


def test_the_tab_is_dark_where_tensorboard_is(view: Any) -> None:
    tab = view("maps", options={"dark": True})
    tab.frame.locator("article").first.wait_for(timeout=WAIT_MS)
    ground = "() => getComputedStyle(document.body).backgroundColor"
    assert tab.frame.evaluate(ground) == "rgb(48, 48, 48)"
    tab.page.evaluate("document.body.classList.remove('dark-mode')")
    tab.frame.wait_for_function("() => getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'")


def test_a_mosaic_is_saved_as_the_numbers_that_were_logged(view: Any, logged: Any) -> None:
    tab = view("maps", "beta")
    figure = tab.frame.get_by_role("figure", name="Feature maps of conv1, beta")
    figure.wait_for(timeout=WAIT_MS)
    with tab.page.expect_download() as download:
        figure.get_by_role("button", name="NPY").click()
    assert download.value.suggested_filename == "beta_maps_conv1_step10.npy"
    np.testing.assert_array_equal(np.load(download.value.path()), logged[1]["beta"].values("conv1", 10).astype(np.float32))


def test_the_mosaic_is_complete_by_keyboard(view: Any) -> None:
    tab = view("maps")
    # Pictures arrive in any order: the first mosaic on the page may be another layer's.
    mosaic = tab.frame.get_by_role("figure", name="Feature maps of conv1, alpha").locator(".mosaic")
    mosaic.wait_for(timeout=WAIT_MS)
    mosaic.focus()
    for key in ("Home", "ArrowRight", "ArrowRight"):
        tab.page.keyboard.press(key)
    assert tab.frame.locator(".tip").inner_text().startswith("conv1 [ch 2]")
    tab.page.keyboard.press("Enter")
    tab.frame.get_by_role("complementary", name="Channel 2 of conv1").wait_for()
    tab.page.keyboard.press("ArrowRight")
    tab.frame.get_by_role("complementary", name="Channel 3 of conv1").wait_for()
    tab.page.keyboard.press("Escape")
    tab.frame.get_by_role("complementary").wait_for(state="detached")


@pytest.fixture(scope="module")
def tall(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of sixty layers."""
    logdir = tmp_path_factory.mktemp("tall")
    picture_logs.write_tall(logdir, layers=60)
    return logdir


def test_only_what_can_be_seen_is_fetched(open_tab: Callable[..., Any], tall: Path) -> None:
    tab = open_tab(tall, "&p.featuremaps.view=weights")
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.extend(one for one in answers_asked_for(request.url) if one.startswith("picture?")))
    tab.frame.get_by_role("tab", name="Feature maps").click()
    tab.frame.locator("article[data-card=layer0] canvas").first.wait_for(timeout=WAIT_MS)
    assert tab.frame.locator("article").count() == 60
    assert 0 < len(asked) < 20
    tab.frame.get_by_role("button", name="layer59", exact=True).click()
    tab.frame.locator("article[data-card=layer59] canvas").first.wait_for(timeout=WAIT_MS)
    assert len(set(asked)) < 40
