"""Pictures in a notebook: each pixel of the PNG is the colour of its number, computed one by one from what the public arrays say."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.drawing.colours import table
from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.schema import colours
from tests.support.png import decode, tiles_of

FRONTEND = Path(__file__).parent.parent / "frontend"
LUTS = json.loads((FRONTEND / "test" / "luts.json").read_text())
MARKS = {math.inf: (255, 0, 0), -math.inf: (43, 0, 255)}
SPACES = [(), (7,), (5, 6), (1, 1), (130, 40)]


def colour(value: float, low: float, high: float, name: str = "viridis") -> tuple[int, ...]:
    """The colour of one value."""
    if math.isnan(value):
        return 255, 0, 255
    if value in MARKS:
        return MARKS[value]
    return tuple(LUTS[name][math.floor((value - low) / (high - low) * 255 + 0.5)])


def limits(values: np.ndarray) -> tuple[float, float]:
    finite = [float(value) for value in values.ravel() if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if low != high:
        return low, high
    return (0.0, 1.0) if low == 0 else (min(0.0, low), max(0.0, high))


def logged_maps(folder: Path, values: np.ndarray, precision: Any) -> fm.Picture:
    with fm.Writer(folder) as writer:
        writer.feature_maps("conv", values, 0, layout="NC" + "DHW"[3 - values.ndim + 2 :], max_images=2, precision=precision)
    return fm.open(folder)["."].maps("conv")


def drawn(picture: fm.Picture) -> np.ndarray:
    """What a notebook shows."""
    data = picture._repr_png_()
    assert data is not None
    return decode(data)


def decoded(picture: fm.Picture, values: np.ndarray) -> np.ndarray:
    """In float64: float32, as `values` are, is next to the colour of some codes."""
    if picture.precision != "uint8":
        return values.astype(np.float64)
    low, high = (
        picture.stats[name].astype(np.float64)[picture.channels].reshape(-1, *(1,) * (values.ndim - 2)) for name in ("low", "high")
    )
    with np.errstate(all="ignore"):
        codes = np.round((values.astype(np.float64) - low) / np.where(high > low, high - low, 1) * 252)
        exact = np.where(codes == 252, np.where(high > low, high, low), low + (high - low) * codes / 252)
    return np.where(np.isfinite(values), exact, values)


@pytest.mark.parametrize("precision", ["uint8", "float16", "float32"])
@pytest.mark.parametrize("space", SPACES, ids=str)
def test_maps_are_drawn_number_by_number(tmp_path, precision, space):
    values = np.random.default_rng(0).normal(size=(2, 9, *space))
    values[:, 1] = 0
    values[:, 2] = -0.25
    values[0, 3] = np.nan
    flat = values[0, 4].reshape(-1) if space else values[0, 4:5]
    flat[:3] = [np.inf, -np.inf, np.nan][: len(flat)]
    picture = logged_maps(tmp_path, values, precision)
    shown = decoded(picture, picture.values)
    rows, columns = (1, 1, *shown.shape[2:])[-2:]
    tiles = tiles_of(drawn(picture), 9, rows, columns)
    for channel in range(9):
        low, high = limits(shown[:, :] if rows * columns == 1 else shown[:, channel])
        expected = [colour(float(value), low, high) for value in shown[0, channel].ravel()]
        np.testing.assert_array_equal(tiles[channel].reshape(-1, 3), expected)


def test_every_code_has_the_colour_of_its_number(tmp_path):
    """Some codes stand for numbers half-way between two colours: there the last bit decides, as it does in the tab."""
    random = np.random.default_rng(9)
    lows, highs = np.sort(random.normal(size=(2, 40)).astype(np.float32), axis=0)
    picture = logged_maps(tmp_path, np.linspace(lows, highs, 253).T.reshape(1, 40, 11, 23), "uint8")
    values = decoded(picture, picture.values)[0]
    expected = [[colour(value, *limits(channel)) for value in channel.ravel().tolist()] for channel in values]
    np.testing.assert_array_equal(tiles_of(drawn(picture), 40, 11, 23).reshape(40, -1, 3), expected)


@pytest.mark.parametrize(
    ("shape", "name"), [((3, 3, 1, 5), "diverging"), ((3, 3, 4, 5), "cividis"), ((6, 5), "diverging"), ((9, 2), "diverging")]
)
def test_filters_are_drawn_number_by_number(tmp_path, shape, name):
    with fm.Writer(tmp_path) as writer:
        writer.filters("kernel", np.random.default_rng(1).normal(size=shape), 0)
    picture = fm.open(tmp_path)["."].filters("kernel")
    values = picture.values.astype(np.float64)
    filters, inputs = values.shape[:2]
    if name == "cividis":
        values = np.sqrt((values**2).sum(axis=(2, 3))).astype(np.float32).astype(np.float64)
    elif len(shape) == 4:
        values = values[:, 0]
    if values.ndim == 2:
        values = (values.T if inputs <= 2 * filters else values)[None]
    bound = float(abs(values).max())
    expected = [colour(float(value), 0 if name == "cividis" else -bound, bound, name) for value in values.ravel()]
    tiles = tiles_of(drawn(picture), *values.shape)
    np.testing.assert_array_equal(tiles.reshape(-1, 3), expected)


def test_filters_over_three_inputs_are_colours(tmp_path):
    kernel = np.random.default_rng(2).normal(size=(3, 3, 3, 4))
    kernel[0, 0, :, 0], kernel[1, 1, 0, 1] = 0, np.nan
    with fm.Writer(tmp_path) as writer:
        writer.filters("kernel", kernel, 0)
    picture = fm.open(tmp_path)["."].filters("kernel")
    values = picture.values.astype(np.float64)
    bound = np.nanmax(abs(values))
    expected = np.moveaxis(128 + np.floor(127 * np.nan_to_num(values) / bound + 0.5), 1, -1)
    expected[1, 1, 1] = 255, 0, 255
    np.testing.assert_array_equal(tiles_of(drawn(picture), 4, 3, 3), expected)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_inputs_are_grey_or_in_their_colours(tmp_path, channels):
    inputs = np.random.default_rng(3).random((2, 6, 6, channels))
    with fm.Monitor(tmp_path, every=1, precision="float32") as monitor:
        monitor.log(0, inputs=inputs, activations={"conv": inputs})
    picture = fm.open(tmp_path)["."].inputs()
    values = picture.values.astype(np.float64)
    levels = np.floor((values[0] - values.min()) / (values.max() - values.min()) * 255 + 0.5)
    expected = np.moveaxis(levels, 0, -1) if channels == 3 else np.repeat(levels[0][..., None], 3, axis=-1)
    np.testing.assert_array_equal(tiles_of(drawn(picture), 1, 6, 6)[0], expected)


def test_slices_of_a_volume_stand_side_by_side(tmp_path):
    values = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(1, 2, 3, 4, 5)
    picture = logged_maps(tmp_path, values, "float32")
    pixels = drawn(picture)
    side = int(np.flatnonzero(pixels[0, :, 3] == 0)[0]) // 5
    for channel in range(2):
        for slice_ in range(3):
            top, left = slice_ // 2 * (4 * side + 1), channel * (2 * (5 * side + 1)) + slice_ % 2 * (5 * side + 1)
            block = pixels[top : top + 4 * side : side, left : left + 5 * side : side, :3]
            expected = [colour(float(value), *limits(values[0, channel])) for value in values[0, channel, slice_].ravel()]
            np.testing.assert_array_equal(block.reshape(-1, 3), expected)
    assert (pixels[4 * side + 1 :, 5 * side : 10 * side + 1, 3] == 0).all()


def test_what_is_not_finite_carries_a_sign(tmp_path):
    values = np.array([[[[np.nan, np.inf, -np.inf, 1.0]] * 2]])
    pixels = drawn(logged_maps(tmp_path, values, "float32"))
    side = pixels.shape[1] // 4
    inked = (pixels[..., :3] == 0).all(axis=-1)
    squares = [inked[:side, at * side : (at + 1) * side] for at in range(4)]
    inner = slice(1, side - 1)
    along = np.eye(side, dtype=bool)
    across = np.zeros((side, side), bool)
    across[side // 2] = True
    for square, sign in zip(squares, [along | along[::-1], across | across.T, across, np.zeros_like(across)], strict=True):
        np.testing.assert_array_equal(square[inner, inner], sign[inner, inner])
        assert not square[[0, -1]].any()


def test_what_has_no_room_is_left_out(tmp_path):
    picture = logged_maps(tmp_path, np.random.default_rng(4).random((1, 600, 100, 100)), "uint8")
    pixels = drawn(picture)
    assert pixels.shape == (20 * 101 - 1, 7 * 101 - 1, 4)
    assert len(tiles_of(pixels, 140, 100, 100)) == 140


def test_tables_are_those_of_the_dashboard() -> None:
    for name in ("viridis", "cividis", "diverging"):
        np.testing.assert_array_equal(table(name), LUTS[name])
    data = (FRONTEND / "src" / "draw" / "lut_data.ts").read_text()
    for name in ("VIRIDIS", "CIVIDIS", "DIVERGING_STOPS"):
        assert f'export const {name} = "{getattr(colours, name)}";' in data
    marks = re.findall(r"^  (\w+): rgb\((\d+), (\d+), (\d+)\),$", (FRONTEND / "src" / "draw" / "marks.ts").read_text(), re.M)
    assert {name: tuple(map(int, levels)) for name, *levels in marks} == colours.MARKS


def test_a_kernel_of_more_than_a_megabyte_is_its_norms(tmp_path):
    with fm.Writer(tmp_path) as writer:
        writer.filters("kernel", np.random.default_rng(7).normal(size=(3, 3, 170, 180)), 0)
    picture = fm.open(tmp_path)["."].filters("kernel")
    assert picture.norms is not None
    norms = picture.norms.norms.astype(np.float64).T
    expected = [colour(float(value), 0, float(norms.max()), "cividis") for value in norms.ravel()]
    np.testing.assert_array_equal(tiles_of(drawn(picture), 1, 170, 180).reshape(-1, 3), expected)


def test_a_long_dense_kernel_is_drawn_in_blocks(tmp_path):
    with fm.Writer(tmp_path) as writer:
        writer.filters("kernel", np.random.default_rng(8).normal(size=(2501, 3)), 0)
    picture = fm.open(tmp_path)["."].filters("kernel")
    rows = picture.values.astype(np.float64).tolist()
    means = [[np.float32(sum(row[at : at + 3]) / len(row[at : at + 3])) for at in range(0, 2501, 3)] for row in rows]
    bound = max(abs(float(mean)) for row in means for mean in row)
    expected = [colour(float(mean), -bound, bound, "diverging") for row in means for mean in row]
    np.testing.assert_array_equal(tiles_of(drawn(picture), 1, 3, 834).reshape(-1, 3), expected)


@pytest.mark.parametrize(("shape", "message"), [((1, 0, 4, 4), "nothing to draw"), ((1, 1, 40_000_000), "too large to draw")])
def test_what_cannot_be_drawn_is_said(shape, message):
    header = {"kind": "maps", "shape": list(shape), "stats": []}
    picture = fm.Picture("maps", "conv", 0, record.encode(header, {"pixels": np.zeros(shape, np.float16)}))
    with pytest.raises(ValueError, match=message):
        picture.figure()
    if 0 in shape:
        assert picture._repr_png_() is None


def test_a_figure_shows_the_same_pixels(tmp_path):
    pytest.importorskip("matplotlib")
    values = np.random.default_rng(5).normal(size=(2, 4, 6, 6))
    picture = logged_maps(tmp_path, values, "float32")
    (axes,) = picture.figure().axes
    np.testing.assert_array_equal(axes.images[0].get_array(), drawn(picture))
    assert axes.get_title(loc="left") == "maps of conv, step 0"
    first, second = (picture.figure(image=image).axes[0].images[0].get_array() for image in (0, 1))
    assert np.any(first != second)
    with pytest.raises(IndexError):
        picture.figure(image=2)


def test_a_figure_has_the_scale_where_there_is_one(tmp_path):
    pytest.importorskip("matplotlib")
    kernel = np.random.default_rng(6).normal(size=(3, 3, 1, 8))
    with fm.Writer(tmp_path) as writer:
        writer.filters("kernel $\\frac{$", kernel, 0)
    figure = fm.open(tmp_path)["."].filters("kernel $\\frac{$").figure()
    figure.savefig(tmp_path / "figure.png")
    bound = abs(kernel.astype(np.float32)).max()
    np.testing.assert_allclose(figure.axes[1].get_ylim(), (-bound, bound))


def test_without_matplotlib_the_error_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # Python's own way to say that there is none
    picture = logged_maps(tmp_path, np.ones((1, 1, 2, 2)), "uint8")
    with pytest.raises(ImportError, match="needs matplotlib, which is not installed"):
        picture.figure()
