"""Two runs compared in the tab: what `fm.compare` says of them, and the way from there to the place."""

from __future__ import annotations

import re
from urllib.parse import unquote

import numpy as np
import pytest

import tb_featuremap_plugin as fm

COMPARED = "&p.featuremaps.compare="
NAMES = ("base", "frozen, from 6", "again", "other seed")


def train(logdir, name, *, freeze_from=99, seed=0):
    """Three tanh layers that learn to reproduce their input; the kernel of the second may be frozen from a step on."""
    rng = np.random.default_rng(seed)
    kernels = {f"dense{i}/kernel": rng.normal(0, 0.5, (8, 8)).astype(np.float32) for i in range(3)}
    inputs = np.random.default_rng(1).normal(size=(32, 8)).astype(np.float32)
    layers = [fm.Layer(f"dense{i}", kind="dense", activation="tanh", weights=(f"dense{i}/kernel",)) for i in range(3)]

    def forward():
        outputs, signal = {}, inputs
        for i in range(3):
            signal = outputs[f"dense{i}"] = np.tanh(signal @ kernels[f"dense{i}/kernel"])
        return outputs

    with fm.Monitor(logdir, run_name=name, every=1, layers=layers, optimizer="sgd") as monitor:
        for step in range(10):
            outputs = forward()
            back = (outputs["dense2"] - inputs) / len(inputs)
            for i in reversed(range(3)) if step else ():
                back = back * (1 - outputs[f"dense{i}"] ** 2)
                gradient = (outputs[f"dense{i - 1}"] if i else inputs).T @ back
                back = back @ kernels[f"dense{i}/kernel"].T
                if i != 1 or step < freeze_from:
                    kernels[f"dense{i}/kernel"] = kernels[f"dense{i}/kernel"] - np.float32(0.5) * gradient
            monitor.log(step, inputs=inputs, activations=forward, weights=kernels)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    for name, changed in zip(NAMES, ({}, {"freeze_from": 6}, {}, {"seed": 5}), strict=True):
        train(folder, name, **changed)
    return folder


def panel(tab):
    return tab.frame.get_by_role("region", name="Comparison of two runs")


def state_of(tab) -> dict[str, str]:
    return {key: unquote(value) for key, value in re.findall(r"p\.featuremaps\.(\w+)=([^&]*)", tab.page.url)}


def said(tab) -> str:
    """What stands in the panel, once there is an answer."""
    panel(tab).get_by_role("heading", level=3).wait_for()
    return " ".join(panel(tab).get_by_role("status").inner_text().split())


def test_the_address_alone_compares(logdir, open_tab):
    tab = open_tab(logdir, f"{COMPARED}base,frozen%252C from 6")
    logs = fm.open(logdir)
    found = fm.compare(logs["base"], logs["frozen, from 6"])
    assert said(tab) == f"Part at step 6 {found.message.replace('`', '')}"
    assert (found.layer, found.step) == ("dense1", 6)
    rows = [cells.split("\t") for cells in panel(tab).get_by_role("row").all_inner_texts()]
    assert rows[0] == ["Where", "Of", "What", "Channel", "a", "b", "Difference"]
    assert [(row[0], row[2], row[3]) for row in rows[1:]] == [
        (one.row, one.column, "" if one.channel is None else str(one.channel)) for one in found.rows
    ]
    assert [float(row[4]) for row in rows[1:]] == pytest.approx([one.a for one in found.rows], rel=1e-6)
    assert tab.frame.locator(".heat-map .run-grid").count() == 2, "the runs that are compared are shown below"
    assert not [message for message in tab.messages if message.startswith(("error", "pageerror"))]


def test_a_click_compares_and_the_way_back_is_in_the_address(logdir, open_tab):
    tab = open_tab(logdir, "&p.featuremaps.runs=base,again")
    tab.frame.get_by_role("button", name="Compare two runs").click()
    assert said(tab).startswith("The same Both runs are the same: ")
    assert panel(tab).get_by_role("table").count() == 0
    panel(tab).get_by_label("Run b").select_option(label="other seed")
    panel(tab).get_by_text("Different starts (other seeds)").wait_for()
    tab.page.wait_for_url("**compare=again%2Cother%20seed**")
    assert state_of(tab)["runs"] == "again,other seed"
    panel(tab).get_by_label("Run b").select_option(label="again")
    panel(tab).get_by_text("Choose two different runs").wait_for()
    panel(tab).get_by_role("button", name="Close").click()
    panel(tab).wait_for(state="detached")
    tab.page.wait_for_function("!location.hash.includes('compare')")


def test_the_place_is_one_click_away(logdir, open_tab):
    tab = open_tab(logdir, f"{COMPARED}base,frozen%252C from 6&p.featuremaps.runs=again")
    said(tab)
    panel(tab).get_by_role("button", name=re.compile("See its filters")).click()
    tab.frame.wait_for_selector("[role=tab][aria-selected=true] >> text=Filters")
    tab.page.wait_for_function("location.hash.includes('differenceRun')")
    state = state_of(tab)
    assert (state["step"], state["variable"], state["differenceRun"]) == ("6", "dense1/kernel", "base")
    assert state["runs"].split(",") == ["base", "frozen%2C from 6"]
    tab.frame.get_by_role("tab", name="Overview").click()
    panel(tab).get_by_role("button", name="See its change").click()
    tab.frame.wait_for_selector("[role=tab][aria-selected=true] >> text=Weight change")


@pytest.mark.parametrize("gone", ["gone", "base,gone", "base,base"])
def test_a_run_that_is_not_there_is_said(logdir, open_tab, gone):
    tab = open_tab(logdir, f"{COMPARED}{gone}")
    panel(tab).get_by_text(re.compile("Choose two (different )?runs")).wait_for()
    assert tab.frame.get_by_text("gone is not there").count() == ("gone" in gone)


def test_nothing_stands_out_of_a_narrow_window(logdir, open_tab):
    tab = open_tab(logdir, f"{COMPARED}base,frozen%252C from 6", size=(380, 800))
    said(tab)
    outside = tab.frame.evaluate(
        """() => [...document.querySelectorAll(".comparison *")]
            .filter((one) => !one.closest(".differences table") && one.getBoundingClientRect().right > innerWidth).length"""
    )
    assert outside == 0
