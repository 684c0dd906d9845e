"""A tab that is used for hours: heap, elements, listeners and the server behind it stay where they were."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tests.support.soaking import MEGABYTE, TinyLoop

psutil = pytest.importorskip("psutil")

TABS = ["Overview", "Feature maps", "Filters", "Weight change"]
KEYS = ["ArrowRight", "ArrowRight", "ArrowLeft", "Home", "ArrowRight", "End"]
SETTLE_MS = 20
INTERACTIONS_IN_SOAK = int(os.environ.get("SOAK_INTERACTIONS", "10000"))
BATCH, REPORTED = 50, 1000


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soak")
    for name in ["asked", "mended"]:
        loop = TinyLoop()
        with fm.Monitor(folder / name, every=5) as monitor:
            for step in range(41):
                loop.step(monitor, step)
    return folder


@dataclass(frozen=True)
class Held:
    """What the page and the server hold after so many interactions."""

    interactions: int
    heap: int
    nodes: int
    listeners: int
    server: int


def use(tab, devtools, interactions: int) -> list[Held]:
    """Presses keys, changes views and hides runs, in batches; measures after each, with the garbage collected."""
    held = [measure(tab, devtools, 0)]
    for done in range(BATCH, interactions + BATCH, BATCH):
        tab.frame.get_by_role("tab", name=TABS[done // BATCH % len(TABS)]).click()
        slider = tab.frame.get_by_role("slider", name="Step")
        for number in range(BATCH - 3):
            slider.press(KEYS[number % len(KEYS)])
        checkbox = tab.frame.get_by_role("checkbox", name="mended")
        checkbox.click()
        tab.page.wait_for_timeout(SETTLE_MS)
        checkbox.click()
        tab.page.wait_for_timeout(SETTLE_MS)
        held.append(measure(tab, devtools, done))
        if done % REPORTED == 0:
            print(report(held), flush=True)
    return held


def measure(tab, devtools, interactions: int) -> Held:
    devtools.send("HeapProfiler.collectGarbage")
    metrics = {entry["name"]: entry["value"] for entry in devtools.send("Performance.getMetrics")["metrics"]}
    process = psutil.Process(tab.server.process.pid)
    server = sum(each.memory_info().rss for each in [process, *process.children(recursive=True)])
    return Held(interactions, int(metrics["JSHeapUsedSize"]), int(metrics["Nodes"]), int(metrics["JSEventListeners"]), server)


def growth(held: list[Held], name: str) -> float:
    """What is added over the whole use, from a line through everything after the first third, one round of views at a time."""
    steady = held[len(held) // 3 :]
    slope, _ = np.polyfit([each.interactions for each in steady], [getattr(each, name) for each in steady], 1)
    return float(slope * (held[-1].interactions - steady[0].interactions))


def assert_flat(held: list[Held]) -> None:
    assert growth(held, "heap") < 8 * MEGABYTE, held
    assert growth(held, "server") < 40 * MEGABYTE, held
    assert growth(held, "nodes") < 2000, held
    assert growth(held, "listeners") < 500, held


def report(held: list[Held]) -> str:
    first, last = held[len(held) // 3], held[-1]
    return (
        f"{last.interactions:,} interactions: heap {first.heap / MEGABYTE:.1f} -> {last.heap / MEGABYTE:.1f} MiB "
        f"({growth(held, 'heap') / 1024:+.0f} KiB by the fitted line), elements {first.nodes:,} -> {last.nodes:,}, "
        f"listeners {first.listeners:,} -> {last.listeners:,}, server {first.server / MEGABYTE:.0f} -> {last.server / MEGABYTE:.0f} MiB"
    )


def used(open_tab, logdir, interactions: int) -> list[Held]:
    tab = open_tab(logdir)
    tab.frame.get_by_role("tab", name="Overview").wait_for()
    devtools = tab.page.context.new_cdp_session(tab.page)
    devtools.send("Performance.enable")
    held = use(tab, devtools, interactions)
    assert [message for message in tab.messages if message.startswith("pageerror")] == []
    return held


def test_hundreds_of_interactions_leave_nothing_behind(open_tab, logdir):
    held = used(open_tab, logdir, 400)
    print(report(held))
    assert_flat(held)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_thousands_of_interactions_leave_nothing_behind(open_tab, logdir):
    assert_flat(used(open_tab, logdir, INTERACTIONS_IN_SOAK))
