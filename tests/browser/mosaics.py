"""What tests do with mosaics: read their pixels, point at their values, and wait until both are there."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import numpy as np

WAIT_MS = 60_000
LOOKS = 20
READ_PIXELS = """canvas => {
  const {data, width, height} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192));
  return {width, height, bytes: btoa(text), zoom: +canvas.dataset.zoom, columns: +canvas.dataset.columns,
          order: (canvas.dataset.order ?? "").split(" ").map(Number)};
}"""
"""Pixels come as Base64: for a list of as many numbers, Playwright takes seconds."""


def read_pixels(canvas: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """What a canvas shows, [rows, columns, 4], and how its mosaic is laid out, read at the same moment."""
    read = canvas.evaluate(READ_PIXELS)
    return np.frombuffer(base64.b64decode(read["bytes"]), np.uint8).reshape(read["height"], read["width"], 4), read


def drawn(frame: Any, name: str, run: str, rows: int, columns: int) -> np.ndarray:
    """Colours on the screen, [tiles as stored, rows, columns, 3]: of each value's square the upper left pixel, where no sign is."""
    canvas = frame.locator(f"figure.panel canvas[data-name='{name}'][data-run='{run}']")
    canvas.wait_for(timeout=WAIT_MS)
    pixels, read = read_pixels(canvas)
    zoom, tiles = read["zoom"], {}
    for place, tile in enumerate(read["order"]):
        top = place // read["columns"] * (rows * zoom + 1)
        left = place % read["columns"] * (columns * zoom + 1)
        block = pixels[top : top + rows * zoom, left : left + columns * zoom]
        assert (block[..., 3] == 255).all()
        tiles[tile] = block[::zoom, ::zoom, :3]
    return np.stack([tiles[tile] for tile in sorted(tiles)])


def soon(check: Callable[[], None], frame: Any) -> None:
    """Tries until it holds: pictures are drawn when they have arrived."""
    for _ in range(WAIT_MS // 100):
        try:
            return check()
        except AssertionError:
            frame.wait_for_timeout(100)
    return check()


def choose(frame: Any, name: str, value: str) -> None:
    frame.get_by_role("combobox", name=name, exact=True).select_option(value)


def hover(tab: Any, name: str, tile: int, row: int, column: int, shape: tuple[int, int]) -> str:
    """Points at a value; returns what the tab says."""
    canvas = tab.frame.locator(f"figure.panel canvas[data-name='{name}']").first
    canvas.wait_for(timeout=WAIT_MS)
    tip = tab.frame.locator(".tip")
    deadline = time.monotonic() + WAIT_MS / 1000
    while True:  # a mosaic that is laid out anew takes the pointer's place away, and a still pointer says nothing
        _point_at(canvas, tile, row, column, shape)
        for _ in range(LOOKS):
            if tip.is_visible():
                text: str = tip.inner_text()
                return text
            tab.page.wait_for_timeout(50)
        assert time.monotonic() < deadline, f"pointing at {name} says nothing"
        tab.page.mouse.move(0, 0)


def _point_at(canvas: Any, tile: int, row: int, column: int, shape: tuple[int, int]) -> None:
    zoom, columns = int(canvas.get_attribute("data-zoom")), int(canvas.get_attribute("data-columns"))
    left = tile % columns * (shape[1] * zoom + 1) + (column + 0.5) * zoom
    top = tile // columns * (shape[0] * zoom + 1) + (row + 0.5) * zoom
    canvas.hover(position={"x": left, "y": top}, force=True)
