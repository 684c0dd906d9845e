"""A small network in NumPy, logged as a Monitor would, and what its mosaics must look like."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.images import pictures
from tb_featuremap_plugin.images.options import FilterOptions, MapOptions
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.network import Layer, RunRecord
from tests.support.logdirs import EventLog

STEPS = (0, 5, 10)
SIZE = (10, 9)
LUTS = Path(__file__).parent.parent.parent / "frontend" / "test" / "luts.json"
MARKS = {"nan": (255, 0, 255), "pos_inf": (255, 0, 0), "neg_inf": (43, 0, 255), "high": (255, 109, 0), "low": (0, 229, 255)}

LAYERS = (
    Layer(
        "conv1", kind="conv2d", activation="relu", weights=("conv1/kernel", "conv1/bias"), kernel_size=(3,), strides=(1,), padding=(1, 1)
    ),
    Layer("pool1", kind="max_pooling2d", kernel_size=(2, 2), strides=(2, 2), padding="valid", inputs=("conv1",)),
    Layer(
        "conv2",
        kind="conv2d",
        activation="relu",
        weights=("conv2/kernel",),
        kernel_size=(3,),
        strides=(1,),
        padding="same",
        inputs=("pool1",),
    ),
)


@dataclass
class LoggedRun:
    """What was logged: by layer or kernel and step, the records' bytes and the arrays that went in."""

    name: str
    inputs: np.ndarray
    kernels: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)
    blobs: dict[tuple[str, int], bytes] = field(default_factory=dict)
    maps: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)

    def values(self, name: str, step: int, image: int = 0) -> np.ndarray:
        """One image of stored maps in float64, [channels, rows, columns], decoded as docs/format.md says."""
        stored = record.decode(self.blobs[name, step])
        pixels: np.ndarray = stored.array("pixels")[image].astype(np.float64)
        if stored.header["sections"]["pixels"]["dtype"] != "uint8":
            return pixels
        stats = dict(zip(stored.header["stats"], stored.array("stats").astype(np.float64), strict=True))
        low, high = stats["low"][:, None, None], stats["high"][:, None, None]
        values: np.ndarray = low + (high - low) * pixels / 252
        for code, number in ((253, -np.inf), (254, np.inf), (255, np.nan)):
            values[pixels == code] = number
        return values


def convolve(data: np.ndarray, kernel: np.ndarray, bias: np.ndarray | float = 0.0) -> np.ndarray:
    """3 x 3 convolution of [images, channels, rows, columns] with zeros around, then ReLU."""
    padded = np.pad(data, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows, columns = data.shape[2:]
    sums = sum(
        np.einsum("ncij,fc->nfij", padded[:, :, y : y + rows, x : x + columns], kernel[:, :, y, x]) for y in range(3) for x in range(3)
    )
    maps: np.ndarray = np.maximum(0, sums + np.reshape(bias, (1, -1, 1, 1)))
    return maps


def pool(data: np.ndarray) -> np.ndarray:
    """2 x 2 max-pooling; what is left over at the edges is dropped."""
    rows, columns = data.shape[2] // 2, data.shape[3] // 2
    pooled: np.ndarray = data[:, :, : 2 * rows, : 2 * columns].reshape(*data.shape[:2], rows, 2, columns, 2).max(axis=(3, 5))
    return pooled


def forward(data: np.ndarray, kernels: dict[str, np.ndarray], bias: np.ndarray) -> dict[str, np.ndarray]:
    """What each layer puts out."""
    first = convolve(data, kernels["conv1/kernel"], bias)
    pooled = pool(first)
    return {"conv1": first, "pool1": pooled, "conv2": convolve(pooled, kernels["conv2/kernel"])}


def write_run(logdir: Path, name: str, precision: Any, seed: int) -> LoggedRun:
    """Writes a run of three steps; its kernels drift from step to step."""
    rng = np.random.default_rng(seed)
    logged = LoggedRun(name, rng.random((2, 3, *SIZE)))
    kernels = {"conv1/kernel": rng.normal(size=(6, 3, 3, 3)), "conv2/kernel": rng.normal(size=(4, 6, 3, 3))}
    bias = rng.normal(size=6)
    log = EventLog(logdir / name)
    log.start(0)
    log.run(RunRecord(layers=LAYERS, layer_rows=tuple(layer.name for layer in LAYERS)))
    log.blob(tags.picture_tag("inputs", "input"), 0, pictures.inputs_record("input", logged.inputs, _options(precision)))
    for step in STEPS:
        for layer, maps in forward(logged.inputs, kernels, bias).items():
            blob = pictures.maps_record(layer, maps, _options(precision, "relu"), inputs="input")
            logged.blobs[layer, step], logged.maps[layer, step] = blob, maps
            log.blob(tags.picture_tag("maps", layer), step, blob)
        for variable, kernel in kernels.items():
            logged.kernels[variable, step] = kernel.astype(np.float32)
            options = FilterOptions(layout="OIHW", layer=variable.split("/")[0])
            blob = pictures.filters_record(variable, kernel, options, bias=bias if variable == "conv1/kernel" else None)
            log.blob(tags.picture_tag("filters", variable), step, blob)
        kernels = {variable: kernel + 0.3 * rng.normal(size=kernel.shape) for variable, kernel in kernels.items()}
    return logged


def write_odd(logdir: Path) -> LoggedRun:
    """A run with values that no colour map can show."""
    logged = LoggedRun("odd", np.zeros(0))
    values = np.random.default_rng(5).normal(size=(1, 4, 6, 6))
    values[0, 0, 1, 2], values[0, 1, 3, 3], values[0, 1, 3, 4], values[0, 2] = np.nan, np.inf, -np.inf, 0
    log = EventLog(logdir / "odd")
    log.start(0)
    logged.blobs["odd", 0] = pictures.maps_record("odd", values, _options("uint8", "relu"))
    log.blob(tags.picture_tag("maps", "odd"), 0, logged.blobs["odd", 0])
    return logged


def _options(precision: Any, activation: str | None = None) -> MapOptions:
    return MapOptions(layout="NCHW", max_images=2, precision=precision, activation=activation)


def colour_table(name: str) -> np.ndarray:
    """A colour map's 256 RGB entries."""
    if name == "grey":
        return np.repeat(np.arange(256)[:, None], 3, axis=1)
    return np.array(json.loads(LUTS.read_text())[name])


def expected_colours(values: np.ndarray, low: Any, high: Any, table: np.ndarray) -> np.ndarray:
    """Colours of [channels, rows, columns] between limits, one pair or one a channel."""
    low, high = (np.reshape(np.asarray(limit, np.float64), (-1, 1, 1)) for limit in (low, high))
    with np.errstate(all="ignore"):
        index = np.floor((values - low) / np.where(high > low, high - low, 1) * 255 + 0.5)
    colours: np.ndarray = table[np.clip(np.nan_to_num(index), 0, 255).astype(int)]
    for mark, where in (
        ("low", values < low),
        ("high", values > high),
        ("nan", np.isnan(values)),
        ("pos_inf", values == np.inf),
        ("neg_inf", values == -np.inf),
    ):
        colours[where] = MARKS[mark]
    return colours


def write_tall(logdir: Path, layers: int) -> None:
    """A run of many layers of 32 channels at one step."""
    rng = np.random.default_rng(6)
    log = EventLog(logdir / "tall")
    log.start(0)
    names = [f"layer{number}" for number in range(layers)]
    log.run(RunRecord(layers=tuple(Layer(name, kind="conv2d") for name in names), layer_rows=tuple(names)))
    for name in names:
        log.blob(tags.picture_tag("maps", name), 0, pictures.maps_record(name, rng.normal(size=(1, 32, 14, 14)), _options("uint8")))
