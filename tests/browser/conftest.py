"""Fixtures for tests that look at the tab as a person does: a real TensorBoard, a real Chromium, the plugin's own frame."""

from __future__ import annotations

import importlib.util
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser import chromium
from tests.browser.tabs import TIMEOUT_MS, Tab, plugin_frame
from tests.support.servers import Server, start_tensorboard

if TYPE_CHECKING:
    from playwright import sync_api

HERE = Path(__file__).parent
RESULTS = Path(os.environ.get("TEST_RESULTS", HERE.parent.parent / "test-results"))
OPEN_SERVERS = 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test in this folder, and says of each why it cannot run where there is no browser."""
    missing = _what_is_missing()
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if missing:
                item.add_marker(pytest.mark.skip(reason=missing))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remembers on the item whether its call failed, for the fixtures that clean up after it."""
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


_FAILED = pytest.StashKey[bool]()


@dataclass
class Servers:
    """TensorBoards by what they serve: tests of one logdir share one, and only the last few are kept."""

    running: OrderedDict[tuple[object, ...], Server] = field(default_factory=OrderedDict)

    def get(self, logdir: str | Path | None, *flags: str, load_fast: bool = True, command: tuple[str, ...] | None = None) -> Server:
        key = (str(logdir), flags, load_fast, command)
        if key not in self.running:
            while len(self.running) >= OPEN_SERVERS:
                self.running.popitem(last=False)[1].stop()
            self.running[key] = start_tensorboard(logdir, *flags, load_fast=load_fast, command=command)
        self.running.move_to_end(key)
        return self.running[key]

    def close(self) -> None:
        for server in self.running.values():
            server.stop()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    pool = Servers()
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[sync_api.Browser]:
    from playwright import sync_api

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=list(chromium.ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def open_tab(request: pytest.FixtureRequest, browser: sync_api.Browser, servers: Servers) -> Iterator[Callable[..., Tab]]:
    """`open_tab(logdir, hash="", *flags, load_fast=True, command=None, size=(1400, 900), dark=False, **context_options) -> Tab`.

    `hash` is what follows `#featuremaps` in the address, `command` a `tensorboard` other than this environment's. When the test fails, a
    picture of every tab it opened, what the browser's console said and what the server printed are left in `test-results/`.
    """
    opened: list[Tab] = []

    def open_(
        logdir: str | Path | None,
        hash: str = "",
        *flags: str,
        load_fast: bool = True,
        command=None,
        size=(1400, 900),
        dark=False,
        **options,
    ) -> Tab:
        server = servers.get(logdir, *flags, load_fast=load_fast, command=command)
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        context.set_default_timeout(TIMEOUT_MS)
        if dark:
            context.add_init_script("window.localStorage.setItem('_tb_global_settings', JSON.stringify({theme: 'dark'}))")
        page = context.new_page()
        messages: list[str] = []
        page.on("console", lambda message: messages.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: messages.append(f"pageerror: {error}"))
        tab = Tab(page, page.main_frame, server, messages)
        opened.append(tab)
        page.goto(f"{server.url}#featuremaps{hash}")
        tab.frame = plugin_frame(page)
        return tab

    yield open_
    failed = request.node.stash.get(_FAILED, True)
    for number, tab in enumerate(opened):
        if failed:
            _leave_evidence(tab, f"{request.node.name}-{number}")
        tab.page.context.close()


def _what_is_missing() -> str:
    if importlib.util.find_spec("playwright") is None:
        return "browser tests need playwright: `make test` installs it"
    if chromium.find() is None:
        return "browser tests need Chromium: install it (Debian: `apt-get install chromium`), or set CHROMIUM to its path"
    return ""


def _leave_evidence(tab: Tab, name: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    stem = RESULTS / re.sub(r"[^\w.-]+", "_", name)[:120]
    tab.page.screenshot(path=f"{stem}.png")
    Path(f"{stem}.log").write_text("\n".join(tab.messages) + "\n--- server ---\n" + tab.server.log(), encoding="utf-8")
