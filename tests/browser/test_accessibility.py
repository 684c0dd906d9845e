"""An automated accessibility check (axe) finds nothing serious in any view, light and dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parent.parent.parent / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
WAIT_MS = 60_000
SERIOUS = ("serious", "critical")
READY = {
    "overview": "canvas",
    "maps": "figure.panel canvas",
    "filters": "figure.panel canvas",
    "weights": "table",
}


@pytest.mark.skipif(not AXE.exists(), reason="axe is installed by `npm --prefix frontend ci`, as `make test` does")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_serious_in_any_view(open_tab: Callable[..., Any], repository: Path, dark: bool) -> None:
    tab = open_tab(repository / "demo_logdir", "&p.featuremaps.view=overview", dark=dark)
    tab.frame.get_by_role("tab", name="Overview").wait_for(timeout=WAIT_MS)
    tab.frame.evaluate(AXE.read_text(encoding="utf-8"))
    found = []
    for name in ("Overview", "Feature maps", "Filters", "Weight change"):
        tab.frame.get_by_role("tab", name=name).click()
        view = tab.frame.get_by_role("tabpanel").get_attribute("id").removeprefix("view-")
        tab.frame.locator(f"#view-{view} {READY[view]}").first.wait_for(timeout=WAIT_MS)
        found += [f"{name}: {violation}" for violation in violations(tab.frame)]
        if view == "overview":
            tab.frame.get_by_role("button", name="Compare two runs").click()
            tab.frame.locator(".differences tbody tr").first.wait_for(timeout=WAIT_MS)
            found += [f"{name} with a comparison: {violation}" for violation in violations(tab.frame)]
        if view == "maps":
            tab.frame.locator(".mosaic").first.click(position={"x": 5, "y": 5})
            tab.frame.get_by_role("complementary").locator("h3").first.wait_for(timeout=WAIT_MS)
            found += [f"{name} with a channel's page: {violation}" for violation in violations(tab.frame)]
            tab.page.keyboard.press("Escape")
    assert found == []


def violations(frame: Any) -> list[str]:
    """What axe holds to be serious, each with the elements it is about."""
    result = frame.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    serious = [violation for violation in result["violations"] if violation["impact"] in SERIOUS]
    return [f"{violation['id']}: {[node['html'][:120] for node in violation['nodes'][:4]]}" for violation in serious]
