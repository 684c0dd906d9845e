"""`fm.show` as a notebook shows it: the page in a frame of another origin, below a cell, with what a notebook's server may forbid."""

from __future__ import annotations

import html
import time

import pytest

import tb_featuremap_plugin as fm
from tests.support import logdirs

TABS = ["Overview", "Feature maps", "Filters", "Weight change"]
ADDRESS = "http://notebook.invalid/lab/tree/mine.ipynb#cell-3"
WAIT_MS = 60_000
JUPYTER = "frame-ancestors 'self'; report-uri /api/security/csp-report"
"""What Jupyter's server sends with its pages."""

PAINTED = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(data).size > 4;
}"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown")
    logdirs.write_monitored(folder / "mine" / "featuremaps", [0, 1, 5, 20])
    with pytest.warns(UserWarning, match="shows a page in notebooks"):
        return fm.show(folder)._repr_html_()


def innermost(page, depth):
    """The frame within frames, once it is there: the page's load event waits for none that a frame makes."""
    deadline = time.monotonic() + WAIT_MS / 1000
    frame = page.main_frame
    for _ in range(depth):
        while not frame.child_frames:
            assert time.monotonic() < deadline
            page.wait_for_timeout(20)
        (frame,) = frame.child_frames
    return frame


@pytest.fixture
def embedded(shown, browser):
    """`embedded(policy, sandbox)` is the page's frame, what was asked of any network, and what the browser complained about."""
    contexts = []

    def embed(policy: str, sandbox: str | None):
        context = browser.new_context(viewport={"width": 1200, "height": 1000})
        contexts.append(context)
        page = context.new_page()
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        output = shown if sandbox is None else f'<iframe sandbox="{sandbox}" srcdoc="{html.escape(shown)}" width=1100 height=900></iframe>'
        body = f"<!doctype html><title>notebook</title><script>window.secret = 1</script><div>{output}</div>"
        answer = {"body": body, "content_type": "text/html", "headers": {"Content-Security-Policy": policy} if policy else {}}
        page.route("**/*", lambda route: route.fulfill(**answer) if route.request.is_navigation_request() else route.abort())
        page.goto(ADDRESS)
        return page, innermost(page, depth=1 if sandbox is None else 2), asked, complaints

    yield embed
    for context in contexts:
        context.close()


@pytest.mark.parametrize(
    ("policy", "sandbox"),
    [("", None), (JUPYTER, None), ("", "allow-scripts allow-downloads")],
    ids=["plain", "jupyter", "output in a frame"],
)
def test_every_view_shows_itself_in_a_notebook(embedded, policy, sandbox):
    page, frame, asked, complaints = embedded(policy, sandbox)
    for name in TABS:
        tab = frame.get_by_role("tab", name=name)
        tab.click(timeout=WAIT_MS)
        frame.wait_for_function("() => !document.querySelector('[aria-busy=true]')")
        assert tab.get_attribute("aria-selected") == "true"
    frame.get_by_role("tab", name="Feature maps").click()
    canvas = frame.locator("figure.panel canvas").first
    canvas.wait_for(timeout=WAIT_MS)
    assert canvas.evaluate(PAINTED)
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [ADDRESS.partition("#")[0]]
    assert complaints == []
    assert page.url == ADDRESS


def test_the_page_cannot_reach_the_notebook(embedded):
    _, frame, _, complaints = embedded("", None)
    frame.get_by_role("tab", name="Overview").wait_for(timeout=WAIT_MS)
    for taken in ("window.parent.secret", "window.parent.document.cookie", "localStorage.length"):
        assert frame.evaluate(f"() => {{ try {{ return String({taken}); }} catch {{ return 'refused'; }} }}") == "refused"
    assert frame.evaluate("() => fetch('https://example.com/').then(() => 'sent', () => 'refused')") == "refused"
    assert any("Content Security Policy" in complaint for complaint in complaints)
