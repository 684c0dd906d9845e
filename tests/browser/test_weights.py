"""Weight change, as somebody uses it: a row a variable with the numbers of the training, and a chart on a click."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest

from tests.browser import trainings
from tests.support.known import match_in

WEIGHTS = "&p.featuremaps.view=weights"


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def training(logdir):
    return trainings.train(logdir / "one", "run")


@pytest.fixture(scope="module")
def many(logdir):
    trainings.many_variables(logdir / "many", "run", 1000)
    return logdir / "many"


@pytest.fixture
def weights(training, logdir, open_tab):
    def open_(hash: str = "", **options):
        tab = open_tab(logdir / "one", WEIGHTS + hash, **options)
        tab.frame.get_by_role("table", name="Variables").wait_for()
        return tab

    return open_


def cells(tab, variable: str) -> list[str]:
    row = tab.frame.get_by_role("row").filter(has=tab.frame.get_by_role("button", name=variable, exact=True))
    texts: list[str] = row.get_by_role("cell").all_inner_texts()
    return texts


def names(tab) -> list[str]:
    texts: list[str] = tab.frame.locator(".variable-open").all_inner_texts()
    return texts


def percent(words: str) -> float:
    return float(match_in(words, r"([\d.]+) %")[1]) / 100


def test_rows_carry_the_numbers_of_the_training(weights, training):
    tab = weights()
    assert names(tab) == ["conv1/kernel", "conv2/kernel", "head/kernel"]
    for variable in names(tab):
        verdict, ratio, moved, direction, shrinking, rate, _ = cells(tab, variable)
        assert re.fullmatch(r"[a-z ]+", verdict)
        assert float(ratio) == pytest.approx(training.update_ratio(variable, 60), rel=0.06)
        now, noise = moved.split("(")
        assert percent(now) == pytest.approx(training.moved(variable, 60), rel=0.06)
        assert percent(noise) == pytest.approx(training.random_walk(variable, 60), rel=0.1)
        assert -1 <= float(direction.split()[0]) <= 1
        assert shrinking in ("0", "< 0.1 %") or percent(shrinking) <= 1
        assert rate == "0.25"


def test_the_step_cursor_rules_the_table(weights, training):
    tab = weights("&p.featuremaps.step=10")
    assert percent(cells(tab, "head/kernel")[2]) == pytest.approx(training.moved("head/kernel", 10), rel=0.06)
    tab.frame.get_by_role("slider", name="Step").press("Home")
    tab.frame.wait_for_function(
        "() => document.querySelector('tbody tr td:nth-of-type(2)').innerText.includes(String.fromCodePoint(0x2013))"
    )


def test_the_ratio_is_a_dot_within_or_beside_the_usual_band(weights):
    tab = weights()
    inside = """(row) => { const at = (name) => row.querySelector(name).getBoundingClientRect();
        const dot = (at(".ratio-dot").left + at(".ratio-dot").right) / 2;
        return dot >= at(".ratio-band").left && dot <= at(".ratio-band").right; }"""
    row = tab.frame.get_by_role("row").filter(has_text="conv1/kernel")
    assert row.evaluate(inside)
    row.get_by_role("button").click()
    tab.frame.locator(".usual-key", has_text="usual range").first.wait_for()


def test_every_column_sorts(weights, training):
    tab = weights()
    by_ratio = sorted(training.weights, key=lambda name: -training.update_ratio(name, 60))
    tab.frame.get_by_role("button", name="Update ratio").click()
    header = tab.frame.get_by_role("columnheader", name="Update ratio")
    assert header.get_attribute("aria-sort") == "descending"
    assert names(tab) == by_ratio
    tab.frame.get_by_role("button", name="Update ratio").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert names(tab) == by_ratio[::-1]
    tab.page.wait_for_function("() => location.hash.includes('p.featuremaps.sort=ratio')")
    for column in ["Verdict", "Moved since start", "Direction", "Shrinking", "Learning rate", "Variable"]:
        tab.frame.get_by_role("button", name=column).click()
        assert tab.frame.get_by_role("columnheader", name=column).get_attribute("aria-sort") != "none"


def test_arrow_keys_and_enter_open_the_charts(weights):
    tab = weights()
    tab.frame.locator(".variable-open").first.focus()
    tab.page.keyboard.press("ArrowDown")
    tab.frame.wait_for_function("() => document.activeElement.innerText === 'conv2/kernel'")
    tab.page.keyboard.press("Enter")
    detail = tab.frame.get_by_role("region", name="conv2/kernel over the steps")
    detail.wait_for()
    titles = detail.locator(".chart-title")
    tab.frame.wait_for_function("() => document.querySelectorAll('.variable-detail .uplot').length === 5")
    expected = ["Update ratio", "Moved since start", "Direction", "Values", "Loss"]
    assert titles.all_inner_texts() == expected
    tab.frame.get_by_role("button", name="Close").click()
    detail.wait_for(state="detached")


def test_displacement_is_drawn_beside_a_random_walk(weights, training):
    tab = weights("&p.featuremaps.variable=conv2%2Fkernel")
    with tab.page.expect_download() as download:
        tab.frame.get_by_role("button", name="Download Moved since start as CSV").click()
    header, *lines = csv.reader(download.value.path().read_text(encoding="utf-8").splitlines())
    columns = dict(zip(header, np.array(lines, dtype=np.float64).T, strict=True))
    moved = [training.moved("conv2/kernel", int(step)) for step in columns["step"]]
    walk = [training.random_walk("conv2/kernel", int(step)) for step in columns["step"]]
    np.testing.assert_allclose(columns["run"], moved, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(columns["run, random walk"], walk, rtol=0.05, atol=1e-6)
    assert (columns["run, random walk low"] <= columns["run, random walk"]).all()
    assert (columns["run, random walk high"] >= columns["run, random walk"]).all()


def test_distribution_bands_are_percentiles_of_the_weights(weights, training):
    tab = weights("&p.featuremaps.variable=conv2%2Fkernel")
    with tab.page.expect_download() as download:
        tab.frame.get_by_role("button", name="Download Values as CSV").click()
    header, *_, last = download.value.path().read_text(encoding="utf-8").splitlines()
    values = dict(zip(header.split(","), (float(text) for text in last.split(",")), strict=True))
    final = training.weights["conv2/kernel"][60]
    assert values["min"] == pytest.approx(final.min(), rel=1e-5)
    assert values["max"] == pytest.approx(final.max(), rel=1e-5)
    for name, share in {"p07": 7, "p31": 31, "median": 50, "p93": 93}.items():
        assert values[name] == pytest.approx(np.percentile(final, share), abs=0.02)


def test_two_runs_stand_side_by_side_in_their_colours(training, logdir, open_tab):
    trainings.train(logdir / "two", "a", seed=1)
    trainings.train(logdir / "two", "b", seed=2)
    tab = open_tab(logdir / "two", WEIGHTS + "&p.featuremaps.variable=head%2Fkernel")
    tab.frame.get_by_role("table", name="Variables").wait_for()
    assert names(tab) == [name for name in training.weights for _ in "ab"]
    dots = tab.frame.locator("tbody .run-dot")
    colours = {dots.nth(index).evaluate("(dot) => dot.style.background") for index in range(dots.count())}
    assert len(colours) == 2
    assert {dots.nth(0).get_attribute("aria-label"), dots.nth(1).get_attribute("aria-label")} == {"a", "b"}
    tab.frame.get_by_text("Values, a", exact=True).wait_for()
    tab.frame.get_by_text("Values, b", exact=True).wait_for()


def test_a_thousand_variables_need_only_the_rows_in_sight(many, open_tab):
    tab = open_tab(many, WEIGHTS)
    table = tab.frame.get_by_role("table", name="Variables")
    table.wait_for()
    assert table.get_attribute("aria-rowcount") == "1001"
    assert tab.frame.locator(".variable-open").count() < 100
    tab.frame.locator(".variable-open").first.press("End")
    tab.frame.wait_for_function("() => document.activeElement.innerText === 'w999'")
    assert tab.frame.locator(".variable-open").count() < 100
    tab.frame.get_by_role("button", name="Update ratio").click()
    tab.frame.evaluate("() => { document.querySelector('.variables').scrollTop = 0; }")
    tab.frame.wait_for_function("() => document.querySelector('.variable-open')?.innerText === 'w999'")


def test_a_run_without_weights_says_how_to_log_them(tmp_path, open_tab):
    import tb_featuremap_plugin as fm

    with fm.Writer(tmp_path) as writer:
        writer.feature_maps("conv1", np.ones((1, 4, 4, 2), np.float32), step=0)
    tab = open_tab(tmp_path, WEIGHTS)
    tab.frame.get_by_text("monitor.log(step, weights=").wait_for()
