"""The dashboard in Chromium over a logdir as large as it has to bear: first views, step changes, a redrawn mosaic, memory."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import large_logdir
from benchmarks.folders import fresh
from benchmarks.harness import Comparison, Goal, Taken, Variant

VIEWS = {
    "overview": ".run-grid canvas",
    "maps": "figure.panel canvas",
    "filters": "[role=tabpanel] .state",
    "weights": ".sparkline path[d^=M]",
}
"""What is there once a tab can be used; the logdir has no filters, and the tab says so."""

TWELVE = "block0/|block1/conv[01]$"
STEPS = 500
SILENCE_MS = 1000
"""A view has all it asks for when nothing has come for so long."""

_OPEN = """
([hash, selector]) => new Promise((resolve) => {
  const start = performance.now();
  const painted = (place) => place.tagName !== 'CANVAS' || (place.width && place.height && place.offsetParent &&
    place.getContext('2d').getImageData(0, 0, place.width, place.height).data.some((value) => value !== 0));
  const look = () => {
    const inner = [...document.querySelectorAll('iframe')].map((frame) => frame.contentDocument).filter(Boolean);
    const found = inner.flatMap((page) => [...page.querySelectorAll(selector)]).some(painted);
    found ? resolve(performance.now() - start) : requestAnimationFrame(look);
  };
  window.location.hash = hash;
  look();
})
"""

_STEP = """
(key) => new Promise((resolve, reject) => {
  const shown = [...document.querySelectorAll('figure.panel canvas')].filter((canvas) => {
    const box = canvas.getBoundingClientRect();
    return box.top < innerHeight && box.bottom > 0;
  });
  const before = shown.map((canvas) => canvas.dataset.step);
  const start = performance.now();
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  const look = () => {
    if (performance.now() - start > 60000) reject(new Error('a step change was not painted within a minute'));
    else if (!shown.every((canvas, i) => canvas.dataset.step !== before[i])) requestAnimationFrame(look);
    else requestAnimationFrame(() => resolve([performance.now() - start, shown.length]));
  };
  requestAnimationFrame(look);
})
"""

_REDRAW = """
async () => {
  const choice = document.querySelector('select[aria-label="Colour map"]');
  const canvas = document.querySelector('figure.panel canvas');
  const once = async (colours) => {
    choice.value = colours;
    choice.dispatchEvent(new Event('change', { bubbles: true }));
    await new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = resolve;
      port2.postMessage(null);
    });
    canvas.getContext('2d').getImageData(0, 0, 1, 1);
  };
  const start = performance.now();
  for (let i = 0; i < 20; i++) await once(i % 2 ? 'viridis' : 'cividis');
  return (performance.now() - start) / 20;
}
"""


def comparisons(browser: Any) -> list[Comparison]:
    """First views, their requests, step changes, a redrawn mosaic, and what 500 step changes leave behind."""
    folder = fresh("large")
    large_logdir.write(folder)
    url = _serve(folder, large_logdir.RUNS, large_logdir.STEPS)
    return [_first_views(browser, url), _requests(browser, url), _step_changes(browser, url), _mosaic(browser), _memory(browser, url)]


def _serve(folder: Path, runs: int, steps: int) -> str:
    """The address of a TensorBoard that has read all of it."""
    from tests.support.servers import PLUGIN, start_tensorboard

    server = start_tensorboard(folder)
    atexit.register(server.stop)
    server.wait_for(lambda: (found := server.json(f"{PLUGIN}/runs")["runs"], [len(run["steps"]) for run in found] == [steps] * runs), 600)
    return server.url


def _first_views(browser: Any, url: str) -> Comparison:
    opened = {view: _Opened(browser, url, view) for view in VIEWS}
    variants = [Variant(view, one.bytes_and_time, finish=one.again) for view, one in opened.items()]
    goals = [Goal(f"large logdir, {view}, from a click on the tab until it can be used, ms", view, None, "wall", 1500) for view in VIEWS]
    goals += [Goal(f"large logdir, {view}, bytes of the first view", view, None, "bytes", 400_000) for view in VIEWS]
    title = "First view of a logdir of 60 layers, 8 runs and 200 steps, TensorBoard already loaded"
    return Comparison(title, variants, goals)


def _requests(browser: Any, url: str) -> Comparison:
    opened = {view: _Opened(browser, url, view) for view in VIEWS}
    variants = [Variant(view, one.requests_and_time, finish=one.again) for view, one in opened.items()]
    goals = [Goal(f"large logdir, {view}, requests of the first view", view, None, "bytes", 6) for view in VIEWS]
    return Comparison("Requests of the same first views", variants, goals, rounds=1, column="requests", per=1)


class _Opened:
    """A page with TensorBoard loaded, about to open our tab; everything but TensorBoard itself comes from the server."""

    def __init__(self, browser: Any, url: str, view: str) -> None:
        self._browser, self._url, self._view = browser, url, view
        self._page: Any = None
        self.again()

    def again(self) -> None:
        if self._page is not None:
            self._page.context.close()
        self._page = self._browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
        self._page.goto(f"{self._url}#scalars")
        self._page.wait_for_load_state("networkidle")

    def bytes_and_time(self) -> Taken:
        wall, responses = self._open()
        return Taken(wall, 0, sum(response.request.sizes()["responseBodySize"] for response in responses))

    def requests_and_time(self) -> Taken:
        wall, responses = self._open()
        return Taken(wall, 0, len(responses))

    def _open(self) -> tuple[float, list[Any]]:
        from tests.browser.addresses import answers_asked_for

        responses: list[Any] = []
        self._page.on("response", lambda response: responses.append(response) if answers_asked_for(response.url) else None)
        wall = self._page.evaluate(_OPEN, [f"#featuremaps&p.featuremaps.view={self._view}", VIEWS[self._view]])
        come = -1
        while come < len(responses):
            come = len(responses)
            self._page.wait_for_timeout(SILENCE_MS)
        return wall, responses


def _step_changes(browser: Any, url: str) -> Comparison:
    frame = _maps(browser, f"{url}#featuremaps{_state(view='maps', runs='run0/featuremaps', zoom=1, layerFilter=TWELVE)}", 12)
    keys = _to_and_fro(frame)
    variant = "12 layers of one run"
    goal = Goal("a step change on a screen of 12 layers, once fetched, ms", variant, None, "wall", 100)
    return Comparison(
        "A step change, from the key until every mosaic is painted", [Variant(variant, lambda: Taken(keys(), 0, None))], [goal], 20
    )


def _to_and_fro(frame: Any, steps: int = 5) -> Callable[[], float]:
    """Changes the step with every call, over steps that have all been fetched; returns milliseconds."""
    count = 0

    def change() -> float:
        nonlocal count
        key = "ArrowLeft" if count // steps % 2 == 0 else "ArrowRight"
        count += 1
        took, shown = frame.evaluate(_STEP, key)
        if shown != 12:
            raise RuntimeError(f"{shown} layers are on the screen, not 12")
        return float(took)

    for _ in range(2 * steps):
        change()
    return change


def _mosaic(browser: Any) -> Comparison:
    import tb_featuremap_plugin as fm

    folder = fresh("mosaic")
    values = np.random.default_rng(0).normal(size=(1, 56, 56, 256)).astype(np.float32)
    with fm.Writer(folder / "run" / "featuremaps") as writer:
        writer.feature_maps("conv1", values, step=0, max_channels=256)
    frame = _maps(browser, f"{_serve(folder, 1, 1)}#featuremaps{_state(view='maps', zoom=1)}", 1)
    frame.get_by_role("button", name="Show").click()
    frame.locator(".more").wait_for(state="detached")
    variant = "256 tiles of 56 x 56 pixels"
    goal = Goal("a mosaic of 256 tiles of 56 x 56 redrawn in other colours, ms", variant, None, "wall", 16)
    return Comparison("A mosaic redrawn", [Variant(variant, lambda: Taken(frame.evaluate(_REDRAW), 0, None))], [goal])


def _memory(browser: Any, url: str) -> Comparison:
    frame = _maps(browser, f"{url}#featuremaps{_state(view='maps', runs='run0/featuremaps', zoom=1, layerFilter=TWELVE)}", 12)
    keys, devtools = _to_and_fro(frame), frame.page.context.new_cdp_session(frame.page)

    def heap() -> int:
        devtools.send("HeapProfiler.collectGarbage")
        return int(devtools.send("Runtime.getHeapUsage")["usedSize"])

    def use() -> Taken:
        before = heap()
        took = sum(keys() for _ in range(STEPS))
        return Taken(took, 0, max(0, heap() - before))

    variant = f"{STEPS} step changes on that screen"
    goal = Goal(f"heap after {STEPS} step changes against the heap before, garbage collected, more bytes", variant, None, "bytes", 500_000)
    return Comparison("What step changes leave in the page", [Variant(variant, use)], [goal], rounds=1, column="more KB")


def _maps(browser: Any, address: str, count: int) -> Any:
    """The plugin's frame in a window tall enough for so many mosaics."""
    page = browser.new_context(viewport={"width": 1400, "height": 2600}).new_page()
    page.goto(address)
    frame = page.wait_for_selector("iframe[src*='featuremaps']", state="attached").content_frame()
    frame.locator("figure.panel canvas").nth(count - 1).wait_for(timeout=120_000)
    page.wait_for_load_state("networkidle")
    return frame


def _state(**parts: Any) -> str:
    from urllib.parse import quote

    return "".join(f"&p.featuremaps.{key}={quote(str(value), safe='')}" for key, value in parts.items())
