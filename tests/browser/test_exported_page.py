"""The exported page, opened from disk by a browser that has no network: the same views, and nothing asked of anybody."""

from __future__ import annotations

import json
import urllib.parse

import numpy as np
import pytest

from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.export.answers import address
from tb_featuremap_plugin.schema import tags
from tests.support import logdirs

TABS = ["Overview", "Feature maps", "Filters", "Weight change"]
HOSTILE = "</script><img src=x onerror='window.pwned = 1'><!--"
TICK_MS, WAIT_TICKS = 100, 600


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    for number, name in enumerate(["asked", "mended"]):
        layers = ["conv1", f"{HOSTILE} \u202e&=+%41#?", "conv3"]
        log = logdirs.write_monitored(folder / "logs" / name / "featuremaps", [0, 1, 5, 20], layers=layers, start=1.7e9 + 1000 * number)
        log.tensor(tags.row_tag(tags.LAYERS_TAG, "late"), 20, np.zeros((1, 30), np.float32))
    assert main(["export", str(folder / "logs"), "-o", str(folder / "report.html")]) == 0
    return folder / "report.html"


@pytest.fixture
def opened(report, browser):
    """The page, what it asked the network for, and what it complained about."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, offline=True)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.goto(report.as_uri())
    yield page, asked, complaints
    context.close()


def test_every_view_shows_itself_without_a_server(opened, report):
    page, asked, complaints = opened
    for name in TABS:
        page.get_by_role("tab", name=name).click()
        page.wait_for_function("() => !document.querySelector('[aria-busy=true]')")
        assert page.get_by_role("tab", name=name).get_attribute("aria-selected") == "true"
        assert "exported without that part" not in page.inner_text("body")
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [report.as_uri()]
    assert complaints == []


def test_feature_maps_are_drawn_from_the_page(opened):
    page, _, complaints = opened
    page.get_by_role("tab", name="Feature maps").click()
    page.wait_for_selector("canvas")
    painted = """() => [...document.querySelectorAll("canvas")].some((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return new Set(data).size > 4;
    })"""
    page.wait_for_function(painted)
    assert complaints == []


def test_charts_are_drawn_from_the_page(opened):
    page, _, complaints = opened
    page.get_by_role("tab", name="Overview").click()
    page.wait_for_selector(".uplot canvas")
    assert complaints == []


def test_the_state_of_an_exported_page_is_in_its_address(opened):
    page, _, _ = opened
    page.get_by_role("tab", name="Weight change").click()
    page.wait_for_function("() => location.hash.includes('view=weights')")
    page.reload()
    assert page.get_by_role("tab", name="Weight change").get_attribute("aria-selected") == "true"


def test_no_name_runs_as_script(opened):
    page, _, _ = opened
    for name in TABS:
        page.get_by_role("tab", name=name).click()
        page.wait_for_function("() => !document.querySelector('[aria-busy=true]')")
    assert page.evaluate("() => window.pwned") is None
    assert page.evaluate("() => document.querySelectorAll('img[src=x]').length") == 0


def test_nothing_can_be_sent_from_an_exported_page(opened):
    page, _, complaints = opened
    assert page.evaluate("() => fetch('https://example.com/').then(() => 'sent', () => 'refused')") == "refused"
    assert any("Content Security Policy" in complaint for complaint in complaints)


def test_markup_that_got_into_the_page_would_not_run(opened):
    page, _, complaints = opened
    page.evaluate("() => { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.pwned = 1\">'); }")
    page.evaluate("() => { document.body.appendChild(document.createElement('script')).textContent = 'window.pwned = 2'; }")
    for _ in range(WAIT_TICKS):  # the browser complains of the handler once the picture has failed, and of the script at once
        if sum("Content Security Policy" in complaint for complaint in complaints) >= 2:
            break
        page.wait_for_timeout(TICK_MS)
    else:
        pytest.fail(f"the browser did not refuse both: {complaints}")
    assert page.evaluate("() => window.pwned") is None


def test_addresses_are_encoded_as_the_page_encodes_them(opened):
    page, _, _ = opened
    names = ["conv1/kernel", HOSTILE, "a b+c&d=e#f%g?h", "ünï\u4e2d\U0001f600", "~!*'()-_.", "\x00\n\u202e"]
    encoded = page.evaluate("(names) => names.map(encodeURIComponent)", names)
    assert [address("losses", run=name) for name in names] == [f"losses?run={text}" for text in encoded]
    assert [urllib.parse.unquote(text) for text in encoded] == names
    assert json.loads(json.dumps(names)) == names
