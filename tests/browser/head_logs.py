"""A run of a network with every layer that values can be taken apart of, and a long one of a single layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tb_featuremap_plugin.images import pictures
from tb_featuremap_plugin.images.options import FilterOptions, MapOptions
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.network import Layer, RunRecord
from tests.browser.picture_logs import convolve
from tests.support.logdirs import EventLog

DEAD = 2
SIZE = (6, 5)
LONG_STEPS = 40

LAYERS = (
    Layer("conv", kind="conv2d", activation="relu", weights=("conv/kernel",), kernel_size=(3,), strides=(1,), padding=(1, 1)),
    Layer("up", kind="conv2d_transpose", activation="linear", weights=("up/kernel",), kernel_size=(3, 3), strides=(2, 2), padding="same",
          inputs=("conv",)),
    Layer("apart", kind="separable_conv2d", activation="relu", weights=("apart/depthwise_kernel", "apart/pointwise_kernel"),
          kernel_size=(3, 3), strides=(1, 1), padding="same", inputs=("conv",)),
    Layer("flat", kind="flatten", inputs=("conv",)),
    Layer("dense", kind="dense", activation="tanh", weights=("dense/kernel",), inputs=("flat",)),
)  # fmt: skip


def write_heads(logdir: Path) -> dict[str, np.ndarray]:
    """One step of a network in float32, channels last. Returns what each layer puts out for the first image, [channels, *space].

    Channel `DEAD` of the first layer is never above zero.
    """
    rng = np.random.default_rng(21)
    inputs = rng.random((2, 2, *SIZE))
    kernel = rng.normal(size=(4, 2, 3, 3))
    kernel[DEAD] = -np.abs(kernel[DEAD])
    up, depthwise, pointwise = rng.normal(size=(3, 4, 3, 3)), rng.normal(size=(4, 2, 3, 3)), rng.normal(size=(3, 8, 1, 1))
    conv = convolve(inputs, kernel)
    flat = conv.transpose(0, 2, 3, 1).reshape(2, -1)
    weight = rng.normal(size=(5, flat.shape[1])) / 10
    maps = {
        "conv": conv,
        "up": transposed(conv, up),
        "apart": separable(conv, depthwise, pointwise),
        "dense": np.tanh(flat @ weight.T),
    }
    kernels = {
        "conv/kernel": (kernel, "OIHW"),
        "up/kernel": (up, "OIHW"),
        "apart/depthwise_kernel": (depthwise, "IMHW"),
        "apart/pointwise_kernel": (pointwise, "OIHW"),
        "dense/kernel": (weight, "OI"),
    }
    log = EventLog(logdir / "heads")
    log.start(0)
    log.run(RunRecord(layers=LAYERS, layer_rows=tuple(layer.name for layer in LAYERS)))
    log.blob(tags.picture_tag("inputs", "input"), 0, pictures.inputs_record("input", _last(inputs), _options(4)))
    for name, values in maps.items():
        log.blob(tags.picture_tag("maps", name), 0, pictures.maps_record(name, _last(values), _options(values.ndim), inputs="input"))
    for name, (values, layout) in kernels.items():
        options = FilterOptions(layout=layout, layer=name.split("/")[0])
        log.blob(tags.picture_tag("filters", name), 0, pictures.filters_record(name, values, options))
    return {name: values[0] for name, values in maps.items()}


HEALTH = ("alive", "dead", "constant", "saturated", "not finite", "constant")
"""What the channels of `write_health` are."""


def write_health(logdir: Path) -> None:
    """A layer with a channel in each condition. Its activation stands in the run record alone, as torch spells it."""
    rng = np.random.default_rng(23)
    maps = rng.uniform(-1, 1, size=(2, len(HEALTH), *SIZE))
    maps[:, 1], maps[:, 2] = 0, 0.5
    maps[:, 3] = 0.96 + 0.04 * rng.random((2, *SIZE))
    maps[0, 4, 0, 0] = np.nan
    maps[1, 5] = maps[0, 5]
    log = EventLog(logdir / "health")
    log.start(0)
    log.run(RunRecord(layers=(Layer("act", kind="activation", activation="Hardtanh"),), layer_rows=("act",)))
    log.blob(tags.picture_tag("maps", "act"), 0, pictures.maps_record("act", _last(maps), _options(4)))


def transposed(data: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A transposed 3 x 3 convolution by 2, cut to twice the size: each value paints a kernel, scaled by it."""
    images, _, rows, columns = data.shape
    painted = np.zeros((images, len(kernel), 2 * rows + 1, 2 * columns + 1))
    for row in range(rows):
        for column in range(columns):
            painted[:, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += np.einsum("nc,fcij->nfij", data[:, :, row, column], kernel)
    return painted[:, :, : 2 * rows, : 2 * columns]


def separable(data: np.ndarray, depthwise: np.ndarray, pointwise: np.ndarray) -> np.ndarray:
    """Two filters a channel, whose answers are mixed; then ReLU. `depthwise` is [channels, multiplier, 3, 3]."""
    padded = np.pad(data, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows, columns = data.shape[2:]
    answers = sum(
        np.einsum("ncij,cm->ncmij", padded[:, :, y : y + rows, x : x + columns], depthwise[:, :, y, x]) for y in range(3) for x in range(3)
    )
    maps: np.ndarray = np.maximum(0, np.einsum("nkij,fk->nfij", np.reshape(answers, (len(data), -1, rows, columns)), pointwise[:, :, 0, 0]))
    return maps


def write_long(logdir: Path) -> None:
    """A layer's maps at many steps."""
    rng = np.random.default_rng(22)
    log = EventLog(logdir / "long")
    log.start(0)
    log.run(RunRecord(layers=(Layer("conv", kind="conv2d"),), layer_rows=("conv",)))
    for step in range(LONG_STEPS):
        maps = rng.normal(size=(1, 3, 8, 8))
        log.blob(tags.picture_tag("maps", "conv"), step, pictures.maps_record("conv", _last(maps), _options(4)))


def _last(values: np.ndarray) -> np.ndarray:
    return np.moveaxis(values, 1, -1).astype(np.float32)


def _options(axes: int) -> MapOptions:
    return MapOptions(layout="NHWC" if axes == 4 else "NC", max_images=2, precision="float32")
