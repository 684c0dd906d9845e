"""The plugin's tab in a page, as tests and tools look at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.known import known
from tests.support.servers import Server

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Page

TIMEOUT_MS = 60_000


@dataclass
class Tab:
    """The plugin's tab: the page around it, the frame it lives in, and the server behind it."""

    page: Page
    frame: Frame
    server: Server
    messages: list[str]


def plugin_frame(page: Page) -> Frame:
    """The frame of the plugin, once it has loaded."""
    element = page.wait_for_selector("iframe[src*='featuremaps']", state="attached", timeout=TIMEOUT_MS)
    frame = known(known(element, "iframe of the plugin").content_frame(), "frame in the plugin's iframe")
    frame.wait_for_load_state()
    return frame
