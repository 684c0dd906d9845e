"""The first picture in Chromium, after a click on the tab and from a cold address: our tab and the Images dashboard, with the same data."""

from __future__ import annotations

import atexit
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import dashboard
from benchmarks.folders import fresh
from benchmarks.harness import Comparison, Goal, Variant
from benchmarks.maps import channels_as_images
from benchmarks.workloads import photograph_activations

if TYPE_CHECKING:
    from playwright.sync_api import Browser

OUR_HASH = "#featuremaps&p.featuremaps.view=maps"
IMAGES_HASH = "#images"
ELSEWHERE = "#scalars"
STEPS = 20

_WAIT_FOR_PICTURE = """
([hash, ours]) => new Promise((resolve) => {
  const under = (root, selector) => {
    const found = [...root.querySelectorAll(selector)];
    for (const element of root.querySelectorAll('*')) if (element.shadowRoot) found.push(...under(element.shadowRoot, selector));
    return found;
  };
  const painted = (canvas) => {
    if (!canvas.width || !canvas.height || !canvas.offsetParent) return false;
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.some((value) => value !== 0);
  };
  const visible = (image) => image.complete && image.naturalWidth > 0 && image.offsetParent;
  const shown = () => {
    if (!ours) return under(document, 'img').some(visible);
    const frames = [...document.querySelectorAll('iframe')].map((frame) => frame.contentDocument).filter(Boolean);
    return frames.some((inner) => [...inner.querySelectorAll('canvas[data-kind=maps]')].some(painted));
  };
  if (hash !== null) window.location.hash = hash;
  const look = () => (shown() ? resolve(true) : requestAnimationFrame(look));
  look();
})
"""


def comparisons() -> list[Comparison]:
    """Ten layers of the photograph at twenty steps, as feature maps and as one image of all channels a layer; then the large logdir."""
    from playwright.sync_api import sync_playwright

    from tests.support.servers import start_tensorboard

    folder = fresh("browser")
    _write(folder)
    server = start_tensorboard(folder)
    atexit.register(server.stop)
    server.wait_for_runs(1)
    browser = sync_playwright().start().chromium.launch(executable_path=_chromium(), args=["--no-sandbox", "--disable-gpu"])
    return [_clicks(browser, server.url), _cold(browser, server.url), *dashboard.comparisons(browser)]


def _chromium() -> str | None:
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


def _write(folder: Path) -> None:
    import tensorflow as tf

    import tb_featuremap_plugin as fm

    layers = photograph_activations()
    images = {name: channels_as_images(maps)[:1] for name, maps in layers.items()}
    with fm.Writer(folder / "run" / "featuremaps") as ours, tf.summary.create_file_writer(str(folder / "run")).as_default():
        for step in range(STEPS):
            tf.summary.scalar("loss", 1.0 / (1 + step), step=step)
            for name, maps in layers.items():
                ours.feature_maps(name, maps, step=step, activation="relu")
                tf.summary.image(name, images[name], step=step)


def _clicks(browser: Browser, url: str) -> Comparison:
    ours, theirs = "our tab, all channels of the first layers", "Images dashboard, one image a layer"
    variants = [_click(browser, url, ours, OUR_HASH), _click(browser, url, theirs, IMAGES_HASH)]
    goal = Goal("first picture after a click on the tab, against the Images dashboard", ours, theirs, "wall", 1.0)
    return Comparison("First picture in Chromium, TensorBoard already loaded", variants, [goal])


def _click(browser: Browser, url: str, name: str, tab: str) -> Variant:
    page = browser.new_page()

    def elsewhere() -> None:
        page.goto("about:blank")
        page.goto(url + ELSEWHERE)
        page.wait_for_selector("iframe, tb-webapp, plugins-component", state="attached")
        page.wait_for_load_state("networkidle")

    elsewhere()
    return Variant(name, lambda: page.evaluate(_WAIT_FOR_PICTURE, [tab, tab == OUR_HASH]) and None, finish=elsewhere)


def _cold(browser: Browser, url: str) -> Comparison:
    ours, theirs = "our tab, from a cold address", "Images dashboard, from a cold address"
    variants = [_open(browser, url, ours, OUR_HASH), _open(browser, url, theirs, IMAGES_HASH)]
    goal = Goal("first picture from a cold address, against the Images dashboard", ours, theirs, "wall", 1.1)
    return Comparison("First picture in Chromium, from a cold address", variants, [goal])


def _open(browser: Browser, url: str, name: str, tab: str) -> Variant:
    def load() -> None:
        context = browser.new_context()
        page = context.new_page()
        page.goto(url + tab, wait_until="commit")
        page.wait_for_selector("body")
        page.evaluate(_WAIT_FOR_PICTURE, [None, tab == OUR_HASH])
        context.close()

    return Variant(name, load)
