"""The overview, as somebody uses it: what is wrong comes first, and every number on the screen is the one that was logged."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from tests.browser import trainings
from tests.support.known import match_in

BOTH = "&p.featuremaps.runs=sound%2Ffeaturemaps,broken%2Ffeaturemaps"


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    return tmp_path_factory.mktemp("overview")


@pytest.fixture(scope="module")
def runs(logdir):
    return {"sound": trainings.train(logdir, "sound"), "broken": trainings.train(logdir, "broken", broken=True, seed=1)}


@pytest.fixture
def overview(runs, logdir, open_tab):
    """Opens the overview; both runs are chosen."""

    def open_(hash: str = "", **options):
        tab = open_tab(logdir, BOTH + hash, **options)
        tab.frame.get_by_role("article").first.wait_for()
        return tab

    return open_


def headline(tab):
    return tab.frame.get_by_role("article").first


def state_of(tab) -> dict[str, str]:
    return dict(re.findall(r"p\.featuremaps\.(\w+)=([^&]*)", tab.page.url))


def cell_codes(tab) -> list[list[list[int]]]:
    """The pixels of every heat map: [run][row][column] as the level of grey, None where transparent."""
    codes: list[list[list[int]]] = tab.frame.evaluate(
        """() => [...document.querySelectorAll(".grid-cells canvas")].map((canvas) => {
            const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const code = (row, column) => { const at = (row * width + column) * 4; return data[at + 3] ? data[at] : null; };
            return Array.from({ length: height }, (_, row) => Array.from({ length: width }, (_, column) => code(row, column)));
        })"""
    )
    return codes


def test_it_opens_on_the_worst_run_and_says_so_in_words(overview):
    tab = overview()
    assert tab.frame.get_by_role("tab", name="Overview").get_attribute("aria-selected") == "true"
    text = headline(tab).inner_text()
    assert "Error" in text
    assert "broken" in text
    assert "conv2" in text
    assert "Try:" in text
    findings = tab.frame.get_by_role("region", name="Findings").inner_text()
    assert findings.index("broken") < findings.index("Nothing unusual found in 3 layers")


def test_severity_is_a_shape_as_well_as_a_colour(overview):
    tab = overview()
    shape = headline(tab).locator("svg.severity.error path").first.get_attribute("d")
    assert len(re.findall("[HVhvl]", shape)) == 7  # seven sides drawn, the eighth closes the octagon


def test_maps_of_a_finding_are_one_click_away(overview):
    tab = overview()
    headline(tab).get_by_role("button", name="See its maps").click()
    tab.frame.wait_for_selector("[role=tab][aria-selected=true] >> text=Feature maps")
    tab.page.wait_for_function("() => location.hash.includes('view=maps')")
    assert state_of(tab)["layer"] == "conv2"
    assert state_of(tab)["step"] == "40"


def test_evidence_unfolds_into_numbers_and_a_drawn_chart(overview):
    tab = overview()
    button = headline(tab).get_by_role("button", name="Evidence")
    assert button.get_attribute("aria-expanded") == "false"
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    headline(tab).locator(".evidence-numbers dt").first.wait_for()
    canvas = headline(tab).locator(".uplot canvas")
    canvas.wait_for()
    painted = "(canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte > 0)"
    tab.frame.wait_for_function(painted, arg=canvas.element_handle())


def test_what_is_put_aside_stays_away_until_it_is_wanted_again(overview):
    tab = overview()
    title = headline(tab).get_by_role("heading").inner_text()
    headline(tab).get_by_role("button", name="Not a problem here").click()
    put_aside = tab.frame.get_by_text("put aside as not a problem here")
    put_aside.wait_for()
    assert title not in [heading.inner_text() for heading in tab.frame.get_by_role("heading").all()]
    tab.page.reload()
    tab.frame = tab.page.wait_for_selector("iframe[src*='featuremaps']", state="attached").content_frame()
    put_aside = tab.frame.get_by_text("put aside as not a problem here")
    put_aside.wait_for()
    tab.frame.get_by_role("button", name="Show again").click()
    tab.frame.get_by_role("heading", name=title).wait_for()


def test_heat_map_has_the_colours_that_the_numbers_say(overview, runs):
    tab = overview("&p.featuremaps.statistic=zeros&p.featuremaps.colours=grey")
    tab.frame.wait_for_function("() => document.querySelectorAll('.grid-cells canvas').length === 2")
    labels = tab.frame.locator(".run-grid").first.locator(".grid-name").all_inner_texts()
    assert labels == ["input", "conv1", "conv2", "head"]
    logged = sorted({0, 1, 2, *range(0, trainings.STEPS, trainings.EVERY)})
    for codes, name in zip(cell_codes(tab), ["broken", "sound"], strict=True):
        expected = [[round(255 * runs[name].zeros[layer][step]) for step in logged] for layer in ("conv1", "conv2", "head")]
        np.testing.assert_allclose(np.array(codes[1:], float), expected, atol=1)


def test_rows_of_the_heat_map_stand_beside_their_names(overview):
    tab = overview("&p.featuremaps.statistic=zeros")
    tab.frame.locator(".grid-labels button").first.wait_for()
    edges = """(grid) => ["canvas", ".grid-labels"].map((part) => {
        const { top, bottom } = grid.querySelector(part).getBoundingClientRect();
        return [top, bottom];
    })"""
    cells, names = tab.frame.locator(".run-grid").first.evaluate(edges)
    assert cells == pytest.approx(names, abs=1)


def test_heat_map_reads_its_value_under_the_pointer_and_goes_there_on_a_click(overview, runs):
    tab = overview("&p.featuremaps.statistic=zeros")
    canvas = tab.frame.locator(".grid-cells canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    place = {"x": box["width"] * 0.999, "y": box["height"] * 0.6}
    canvas.hover(position=place)
    words = tab.frame.locator(".grid-hover").inner_text()
    share = runs["broken"].zeros["conv2"][60]
    assert re.search(r"conv2, step 60", words)
    assert float(match_in(words, r"([\d.]+) %")[1]) == pytest.approx(100 * share, abs=0.6)
    canvas.click(position=place)
    tab.page.wait_for_function("() => location.hash.includes('view=maps')")
    assert state_of(tab)["layer"] == "conv2"
    assert state_of(tab)["step"] == "60"


def test_heat_map_works_by_keyboard(overview):
    tab = overview("&p.featuremaps.statistic=update_ratio")
    first = tab.frame.locator(".grid-labels button").first
    first.focus()
    assert re.match(r"conv1\s+\S+", first.inner_text())
    tab.page.keyboard.press("ArrowDown")
    assert tab.frame.evaluate("() => document.activeElement.innerText").startswith("conv2")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_function("() => location.hash.includes('view=weights')")
    assert state_of(tab)["variable"] == "conv2%2Fkernel"


def test_heat_map_outlines_what_a_finding_is_about(overview):
    tab = overview("&p.featuremaps.statistic=zeros")
    marks = tab.frame.locator(".run-grid", has_text="broken").locator(".grid-mark.error")
    marks.first.wait_for()
    assert tab.frame.locator(".run-grid", has_text="sound").locator(".grid-mark").count() == 0
    left, width = marks.first.evaluate("(mark) => [parseFloat(mark.style.left), parseFloat(mark.style.width)]")
    assert left + width == pytest.approx(100, abs=0.1)
    assert left > 50


def test_another_statistic_is_chosen_and_stands_in_the_address(overview):
    tab = overview()
    tab.frame.get_by_role("combobox", name="Statistic").select_option(label="Size of the output (root mean square)")
    tab.page.wait_for_function("() => location.hash.includes('statistic=rms')")
    tab.frame.get_by_role("img", name=re.compile("^Colour scale from")).wait_for()


def test_loss_is_handed_out_as_it_was_logged(overview, runs):
    tab = overview()
    tab.frame.get_by_text("Loss", exact=True).scroll_into_view_if_needed()
    with tab.page.expect_download() as download:
        tab.frame.get_by_role("button", name="Download Loss as CSV").click()
    header, *lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert header == "step,broken,sound"
    rows = np.array([[float(text) for text in line.split(",")] for line in lines])
    np.testing.assert_array_equal(rows[:, 0], np.arange(trainings.STEPS))
    np.testing.assert_array_equal(rows[:, 1].astype(np.float32), np.float32(runs["broken"].losses))
    np.testing.assert_array_equal(rows[:, 2].astype(np.float32), np.float32(runs["sound"].losses))
    with tab.page.expect_download() as download:
        tab.frame.get_by_role("button", name="Download Loss as JSON").click()
    series = json.loads(download.value.path().read_text(encoding="utf-8"))["series"]
    assert [one["name"] for one in series] == ["broken", "sound"]
    assert series[0]["values"].count("nan") == 4


def test_loss_that_is_not_a_number_is_marked_and_explained(overview):
    tab = overview()
    chart = tab.frame.locator("figure.chart", has_text="Loss").first
    chart.scroll_into_view_if_needed()
    chart.get_by_text("not a number").wait_for()


def test_a_click_on_a_chart_moves_the_step_of_everything(overview):
    tab = overview()
    chart = tab.frame.locator("figure.chart", has_text="Loss").first
    chart.scroll_into_view_if_needed()
    over = chart.locator(".u-over")
    over.wait_for()
    box = over.bounding_box()
    over.click(position={"x": box["width"] * 0.5, "y": box["height"] * 0.5})
    tab.page.wait_for_function("() => location.hash.includes('p.featuremaps.step=30')")
    assert tab.frame.get_by_role("slider", name="Step").get_attribute("aria-valuetext").startswith("step 30")


def test_a_chart_can_be_read_as_a_table(overview, runs):
    tab = overview()
    button = tab.frame.get_by_role("button", name="Loss as a table", exact=True)
    button.scroll_into_view_if_needed()
    button.click()
    cells = tab.frame.get_by_role("region", name="Loss, table").get_by_role("row").nth(8).get_by_role("cell").all_inner_texts()
    assert float(cells[1]) == pytest.approx(runs["sound"].losses[7], rel=5e-3)


def test_another_scalar_of_the_runs_is_laid_beside_the_loss(overview):
    tab = overview()
    select = tab.frame.get_by_role("combobox", name="Beside it")
    select.scroll_into_view_if_needed()
    select.select_option(label="train: epoch_accuracy")
    readout = tab.frame.locator("figure.chart", has_text="Loss").first.locator(".chart-readout")
    readout.get_by_text("sound, train: epoch_accuracy").wait_for()
    assert "0.56" in readout.inner_text()


def test_how_the_loss_is_shown_stands_in_the_address(overview):
    tab = overview()
    tab.frame.get_by_role("combobox", name="Beside it").select_option(label="train: epoch_accuracy")
    tab.frame.get_by_role("checkbox", name="Log scale").check()
    tab.frame.get_by_role("slider", name="Smoothing").fill("0.5")
    tab.page.wait_for_function("() => location.hash.includes('smoothing=0.5')")
    tab.page.reload()
    tab.frame = tab.page.wait_for_selector("iframe[src*='featuremaps']", state="attached").content_frame()
    assert tab.frame.get_by_role("slider", name="Smoothing").input_value() == "0.5"
    assert tab.frame.get_by_role("checkbox", name="Log scale").is_checked()
    assert tab.frame.get_by_role("combobox", name="Beside it").locator("option:checked").inner_text() == "train: epoch_accuracy"


def test_bars_beside_the_layers_measure_the_chosen_statistic(overview, runs):
    tab = overview("&p.featuremaps.statistic=zeros&p.featuremaps.step=30")
    tab.frame.locator(".layers .bars i").nth(5).wait_for()
    shares = "(row) => [...row.querySelectorAll('.bars i')].map((bar) => parseFloat(bar.style.width) / 100)"
    for layer in ("conv1", "conv2", "head"):
        row = tab.frame.locator(".layers").get_by_role("button", name=layer)
        assert row.evaluate(shares) == pytest.approx([runs["broken"].zeros[layer][30], runs["sound"].zeros[layer][30]], abs=1e-4)


def test_what_is_wrong_elsewhere_is_said_too(runs, logdir, open_tab):
    tab = open_tab(logdir, "&p.featuremaps.runs=sound%2Ffeaturemaps")
    others = tab.frame.get_by_role("region", name="Other runs")
    others.get_by_role("button").click()
    tab.page.wait_for_function("() => location.hash.includes('runs=broken')")
    assert "broken" in headline(tab).inner_text()


def test_cost_of_logging_is_said(overview):
    tab = overview()
    words = tab.frame.get_by_role("region", name="What logging costs")
    words.scroll_into_view_if_needed()
    assert re.search(r"What logging costs in sound: \S+ (µs|ms|s), \S+ (B|KB|MB) a step", words.inner_text())
