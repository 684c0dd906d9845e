"""Many layers, channels, runs and steps: the first view asks for little, what is out of sight for nothing; use leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser import large_log
from tests.browser.addresses import answers_asked_for
from tests.browser.tabs import TIMEOUT_MS, plugin_frame

MOST_REQUESTS = 6
MOST_BYTES = 400_000
DRAWN = {
    "overview": ".run-grid canvas",
    "maps": "figure.panel canvas",
    "filters": "figure.panel canvas",
    "weights": "tr[aria-rowindex='20'] .sparkline path[d^=M]",
}
STEP_CHANGES = 100
MEGABYTE = 2**20


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    large_log.write(folder)
    return folder


@pytest.fixture
def large(open_tab: Callable[..., Any], logdir: Path) -> Callable[..., Any]:
    """Opens a view of the large logdir, once its server has read all of it."""

    def open_(view: str, **options: Any) -> Any:
        tab = open_tab(logdir, f"&p.featuremaps.view={view}", **options)
        tab.server.wait_for(lambda: (runs := tab.server.json("data/plugin/featuremaps/runs")["runs"], is_complete(runs)))
        return tab

    return open_


def is_complete(runs: list[dict[str, Any]]) -> bool:
    return len(runs) == large_log.RUNS and all(len(run["steps"]) == large_log.STEPS and len(run["pictures"]) == 120 for run in runs)


def open_again(tab: Any, selector: str) -> list[Any]:
    """Opens the same address with an empty cache; returns the answers that came until the view was drawn and nothing was on its way."""
    address, responses = tab.page.url, []
    tab.page.goto("about:blank")
    tab.page.context.new_cdp_session(tab.page).send("Network.setCacheDisabled", {"cacheDisabled": True})
    tab.page.on("response", lambda response: responses.append(response) if answers_asked_for(response.url) else None)
    tab.page.goto(address)
    tab.frame = plugin_frame(tab.page)
    tab.frame.locator(selector).first.wait_for(state="attached", timeout=TIMEOUT_MS)
    tab.page.wait_for_load_state("networkidle", timeout=TIMEOUT_MS)
    return responses


@pytest.mark.parametrize("view", DRAWN)
def test_the_first_view_asks_for_little(large: Callable[..., Any], view: str) -> None:
    responses = open_again(large(view), DRAWN[view])
    asked = [response.url for response in responses]
    assert [response.status for response in responses] == [200] * len(responses)
    assert 2 <= len(responses) <= MOST_REQUESTS, asked
    assert sum(response.request.sizes()["responseBodySize"] for response in responses) <= MOST_BYTES, asked


@pytest.mark.parametrize("view", ["maps", "filters"])
def test_only_cards_near_the_screen_are_fetched(large: Callable[..., Any], view: str) -> None:
    responses = open_again(large(view), DRAWN[view])
    tab_pictures = {part for response in responses for part in answers_asked_for(response.url) if part.startswith("picture?")}
    assert 0 < len(tab_pictures) < 20, "of 120 pictures"
    assert not any("block5" in part for part in tab_pictures)


def test_a_layer_that_was_asked_for_stays_in_its_place_while_others_load(large: Callable[..., Any]) -> None:
    tab = large("maps&p.featuremaps.layer=block3%2Fconv5")
    expect_at_the_top(tab, "block3/conv5")
    tab.frame.get_by_role("button", name="block1/conv7", exact=True).first.click()
    expect_at_the_top(tab, "block1/conv7")
    tab.page.mouse.move(700, 500)
    tab.page.mouse.wheel(0, 400)
    tab.frame.wait_for_function(f"() => ({_ABOVE})('block1/conv7') < -300", timeout=TIMEOUT_MS)


_ABOVE = """(layer) => document.querySelector(`[data-card='${layer}']`).getBoundingClientRect().top
  - document.querySelector('.toolbar').getBoundingClientRect().bottom"""
"""Pixels from the toolbar down to a layer's card."""


def expect_at_the_top(tab: Any, layer: str) -> None:
    """All cards around it have been drawn, and its own lies right below the toolbar."""
    drawn = """(layer) => {
      const cards = [...document.querySelectorAll('article')];
      const at = cards.findIndex((card) => card.dataset.card === layer);
      return at > 0 && [cards[at - 1], cards[at]].every((card) => card.querySelector('figure.panel canvas'));
    }"""
    tab.frame.wait_for_function(drawn, arg=layer, timeout=TIMEOUT_MS)
    tab.page.wait_for_load_state("networkidle")
    tab.frame.wait_for_function(f"(layer) => Math.abs(({_ABOVE})(layer)) <= 2", arg=layer, timeout=TIMEOUT_MS)


def test_numbers_of_variables_are_fetched_as_they_come_into_sight_or_decide_the_order(large: Callable[..., Any]) -> None:
    tab = large("weights")
    last = "block5%2Fconv9%2Fkernel"
    assert last not in rows_asked_for(open_again(tab, DRAWN["weights"]))
    row = tab.frame.locator("tr", has=tab.frame.get_by_role("button", name="block5/conv9/kernel", exact=True)).first
    with tab.page.expect_response(lambda response: last in rows_asked_for([response]), timeout=TIMEOUT_MS) as seen:
        tab.frame.locator(".variables").evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
    assert "block0" not in rows_asked_for([seen.value])
    row.locator(".sparkline path[d^=M]").wait_for(state="attached", timeout=TIMEOUT_MS)
    sorted_by_ratio = large("weights&p.featuremaps.sort=-ratio")
    assert last in rows_asked_for(open_again(sorted_by_ratio, DRAWN["weights"]))


def rows_asked_for(responses: list[Any]) -> str:
    return " ".join(part for response in responses for part in answers_asked_for(response.url) if "table=variables" in part)


def test_nothing_is_fetched_while_the_tab_is_hidden(large: Callable[..., Any]) -> None:
    tab = large("overview")
    open_again(tab, DRAWN["overview"])
    tab.page.evaluate("() => { location.hash = '#timeseries'; }")
    tab.frame.wait_for_function("() => window.innerHeight === 0", timeout=TIMEOUT_MS)
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.extend(answers_asked_for(request.url)))
    with tab.page.expect_response(lambda response: "data/runs" in response.url, timeout=TIMEOUT_MS):
        tab.page.locator("button.reload-button").click()
    tab.page.wait_for_load_state("networkidle", timeout=TIMEOUT_MS)
    assert asked == []
    with tab.page.expect_response(lambda response: answers_asked_for(response.url) == ["runs"], timeout=TIMEOUT_MS):
        tab.page.evaluate("() => { location.hash = '#featuremaps'; }")


def test_step_changes_leave_nothing_behind(large: Callable[..., Any]) -> None:
    tab = large("maps")
    tab.frame.locator(DRAWN["maps"]).first.wait_for(timeout=TIMEOUT_MS)
    devtools = tab.page.context.new_cdp_session(tab.page)
    change_steps(tab, 40)
    before = held(devtools)
    change_steps(tab, STEP_CHANGES)
    after = held(devtools)
    assert after["nodes"] <= before["nodes"] + 100, (before, after)
    assert after["jsEventListeners"] <= before["jsEventListeners"] + 20, (before, after)
    assert after["heap"] <= before["heap"] + 2 * MEGABYTE, (before, after)


def change_steps(tab: Any, count: int) -> None:
    """Goes to and fro over ten steps that have pictures, waiting each time for the first card to show them."""
    slider = tab.frame.get_by_role("slider", name="Step", exact=True)
    for number in range(count):
        slider.press("ArrowLeft" if number // 10 % 2 == 0 else "ArrowRight")
        step = slider.get_attribute("data-step")
        tab.frame.locator(f"figure.panel canvas[data-run='run0/featuremaps'][data-step='{step}']").first.wait_for(timeout=TIMEOUT_MS)


def held(devtools: Any) -> dict[str, int]:
    """What is alive in the page, with the garbage collected."""
    devtools.send("HeapProfiler.enable")
    devtools.send("HeapProfiler.collectGarbage")
    return {**devtools.send("Memory.getDOMCounters"), "heap": devtools.send("Runtime.getHeapUsage")["usedSize"]}
