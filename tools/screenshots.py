"""Takes the pictures of the documentation: the real tab, in a real TensorBoard, over demo_logdir.

    python -m tools.screenshots [NAME...]

Writes docs/images/NAME.png for each view below, or for those named.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.browser import chromium
from tests.browser.tabs import plugin_frame
from tests.support.servers import Server, tensorboard

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
STORY3 = "story3_lost_signal/asked/featuremaps,story3_lost_signal/mended/featuremaps"
DIGITS = "digits/featuremaps"
COLOURS = 256


@dataclass(frozen=True)
class Picture:
    """A view of the tab, as its address says it.

    Attributes:
        name: of the file.
        state: the parts of the address that differ from the initial view.
        size: width and height of the window, in CSS pixels.
        dark: TensorBoard's dark mode.
        waits_for: a selector that is there once the view has drawn itself.
    """

    name: str
    state: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] = (1280, 720)
    dark: bool = False
    waits_for: str = "canvas"


PICTURES = (
    Picture("overview", {"runs": STORY3}),
    Picture("overview-dark", {"runs": STORY3}, dark=True),
    Picture("maps", {"view": "maps", "runs": DIGITS}),
    Picture("maps-dark", {"view": "maps", "runs": DIGITS}, dark=True),
    Picture("white", {"view": "maps", "runs": "story0_white_maps/asked/featuremaps", "range": "summary"}),
    Picture("channel", {"view": "maps", "runs": DIGITS, "layer": "conv1", "channel": "2", "pixel": "0,3,3"}, waits_for=".products"),
    Picture("filters", {"view": "filters", "runs": DIGITS}),
    Picture("weights", {"view": "weights", "runs": "story2_frozen_weights/asked/featuremaps"}, waits_for="table"),
)


def take(browser: Browser, server: Server, picture: Picture) -> bytes:
    """A PNG of one view."""
    width, height = picture.size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if picture.dark else "light")
    state = "".join(f"&p.featuremaps.{key}={quote(value, safe='/,')}" for key, value in picture.state.items())
    page.goto(f"{server.url}#featuremaps{state}")
    plugin_frame(page).wait_for_selector(picture.waits_for, timeout=60_000)
    page.wait_for_load_state("networkidle")
    page.mouse.move(width - 2, height - 2)
    page.wait_for_timeout(500)
    png = page.screenshot()
    page.close()
    return png


def save(png: bytes, path: Path) -> None:
    """Few colours are enough for a page, and make the file a third as large."""
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} KB")


def main(names: list[str]) -> None:
    """Takes them all, or those that are named."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tensorboard(ROOT / "demo_logdir") as server, sync_playwright() as playwright:
        server.wait_for_runs(12)
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=list(chromium.ARGUMENTS))
        for picture in PICTURES:
            if not names or picture.name in names:
                save(take(browser, server, picture), IMAGES / f"{picture.name}.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
