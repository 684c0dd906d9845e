"""Writes the cases that the frontend's arithmetic is held to: `python -m tests.support.golden_cases`.

Receptive fields come from real layers of TensorFlow and PyTorch, which are given the identity matrix: an output depends on an
input where the layer's matrix is not zero. Ranges and colours come from NumPy. What a channel is comes from one rule after the other.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

GEOMETRY = Path(__file__).parent.parent / "golden" / "geometry.json"
RANGES = Path(__file__).parent.parent / "golden" / "ranges.json"
PRODUCTS = Path(__file__).parent.parent / "golden" / "products.json"
CONDITIONS = Path(__file__).parent.parent / "golden" / "conditions.json"

CHAINS = 60
OUTPUTS = 4


def geometry_cases() -> list[dict[str, Any]]:
    """Chains of one-dimensional layers with the first and last input that some of their outputs depend on."""
    rng = np.random.default_rng(11)
    cases: list[dict[str, Any]] = []
    while len(cases) < CHAINS:
        size = int(rng.integers(12, 40))
        layers = [_random_layer(rng) for _ in range(rng.integers(1, 5))]
        matrix = np.eye(size)
        for layer in layers:
            if matrix.shape[0] < (layer["kernel_size"] - 1) * layer["dilation"] + 1:
                break
            matrix = _matrix(layer, matrix.shape[0]) @ matrix
        else:
            cases.append({"input": size, "layers": layers, "output": len(matrix), "fields": _fields(rng, matrix)})
    return cases


def _random_layer(rng: np.random.Generator) -> dict[str, Any]:
    kind = str(rng.choice(["conv1d", "conv1d", "max_pooling1d", "conv1d_transpose", "batch_normalization"]))
    if kind == "batch_normalization":
        return {"kind": kind, "kernel_size": 1, "strides": 1, "dilation": 1, "padding": "valid"}
    kernel, stride = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    dilation = int(rng.integers(1, 4)) if kind == "conv1d" and stride == 1 else 1
    padding: str | int = str(rng.choice(["valid", "same"])) if rng.random() < 0.6 else int(rng.integers(0, (kernel + 1) // 2))
    if kind == "max_pooling1d" and isinstance(padding, int):
        padding = "same"
    return {"kind": kind, "kernel_size": kernel, "strides": stride, "dilation": dilation, "padding": padding}


def _matrix(layer: dict[str, Any], size: int) -> np.ndarray:
    """What the layer does to each unit vector, [outputs, inputs]; every weight is 1."""
    if layer["kind"] == "batch_normalization":
        return np.eye(size)
    apply = _with_torch if isinstance(layer["padding"], int) else _with_tensorflow
    touched: np.ndarray = (apply(layer, np.eye(size, dtype=np.float32)) != 0).astype(float).T
    return touched


def _with_torch(layer: dict[str, Any], rows: np.ndarray) -> np.ndarray:
    import torch

    weight = torch.ones(1, 1, layer["kernel_size"])
    options = {"stride": layer["strides"], "padding": layer["padding"], "dilation": layer["dilation"]}
    function = torch.nn.functional.conv_transpose1d if "transpose" in layer["kind"] else torch.nn.functional.conv1d
    answers: np.ndarray = function(torch.tensor(rows)[:, None], weight, **options)[:, 0].numpy()
    return answers


def _with_tensorflow(layer: dict[str, Any], rows: np.ndarray) -> np.ndarray:
    import keras

    data = rows[:, :, None]
    padding, stride = layer["padding"], layer["strides"]
    if layer["kind"] == "max_pooling1d":
        return np.asarray(keras.layers.MaxPooling1D(layer["kernel_size"], stride, padding)(data))[:, :, 0]
    options = {"strides": stride, "padding": padding, "use_bias": False, "kernel_initializer": "ones", "dilation_rate": layer["dilation"]}
    maker = keras.layers.Conv1DTranspose if "transpose" in layer["kind"] else keras.layers.Conv1D
    return np.asarray(maker(1, layer["kernel_size"], **options)(data))[:, :, 0]


def _fields(rng: np.random.Generator, matrix: np.ndarray) -> list[list[int]]:
    fields = []
    for output in rng.choice(len(matrix), size=min(OUTPUTS, len(matrix)), replace=False):
        touched = np.flatnonzero(matrix[output])
        if len(touched):
            fields.append([int(output), int(touched[0]), int(touched[-1])])
    return fields


def range_cases() -> list[dict[str, Any]]:
    """Tiles with the limits that NumPy finds in them; what is not finite is written as a word."""
    rng = np.random.default_rng(12)
    cases = []
    for number in range(20):
        shape = (int(rng.integers(1, 6)), int(rng.integers(1, 5)), int(rng.integers(1, 5)))
        values = (rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4)).astype(np.float32)
        if number % 3 == 0:
            values.reshape(-1)[rng.integers(values.size, size=2)] = rng.choice([np.nan, np.inf, -np.inf], size=2)
        clip = float(rng.choice([0, 1, 5, 25]))
        finite = values[np.isfinite(values)].astype(np.float64)
        if len(finite) == 0:
            continue
        cases.append(
            {
                "shape": shape,
                "values": [_word(value) for value in values.ravel()],
                "channel": [_extent(tile) for tile in values],
                "layer": _extent(values),
                "symmetric": [-float(np.abs(finite).max()), float(np.abs(finite).max())],
                "clip": clip,
                "percentile": [float(np.percentile(finite, clip)), float(np.percentile(finite, 100 - clip))],
            }
        )
    return cases


def _extent(values: np.ndarray) -> list[float] | None:
    finite = values[np.isfinite(values)]
    return [float(finite.min()), float(finite.max())] if len(finite) else None


def _word(value: np.float32 | float) -> float | str:
    return float(value) if np.isfinite(value) else str(value)


def product_cases() -> list[dict[str, Any]]:
    """Single values of two-dimensional convolutions as PyTorch computes them in float64, with all that goes into them."""
    import torch

    rng = np.random.default_rng(13)
    cases = []
    for _ in range(24):
        groups = int(rng.choice([1, 1, 2, 3]))
        inputs, filters = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
        kernel, stride, dilation = rng.integers(1, 4, 2).tolist(), rng.integers(1, 3, 2).tolist(), rng.integers(1, 3, 2).tolist()
        padding = [int(rng.integers(0, kernel[axis])) for axis in range(2)]
        source = rng.normal(size=(inputs, 9, 8)).astype(np.float32)
        weight = rng.normal(size=(filters, inputs // groups, *kernel)).astype(np.float32)
        bias = rng.normal(size=filters).astype(np.float32)
        maps = torch.nn.functional.conv2d(
            torch.tensor(source, dtype=torch.float64)[None], torch.tensor(weight, dtype=torch.float64),
            torch.tensor(bias, dtype=torch.float64), stride, padding, dilation, groups,
        )[0].numpy()  # fmt: skip
        chosen = int(rng.integers(filters))
        pixel = [int(rng.integers(maps.shape[1])), int(rng.integers(maps.shape[2]))]
        cases.append(
            {
                "source": {"shape": source.shape, "values": source.ravel().tolist()},
                "kernel": {"shape": weight.shape, "values": weight.ravel().tolist()},
                "bias": bias.tolist(),
                "strides": stride,
                "padding": padding,
                "dilation": dilation,
                "filter": chosen,
                "pixel": pixel,
                "value": float(maps[chosen, pixel[0], pixel[1]]),
            }
        )
    return cases


ENDS = {
    "relu6": (None, 6, 6),
    "sigmoid": (0, 1, 1),
    "hardsigmoid": (0, 1, 1),
    "tanh": (-1, 1, 2),
    "hardtanh": (-1, 1, 2),
    "softsign": (-1, 1, 2),
}
"""Where an activation is flat, at its lower and its upper end, and how far these are from each other; of ReLU6 the lower one is 0."""

ACTIVATIONS = ("relu", "ReLU", "relu6", "ReLU6", "sigmoid", "Hard_Sigmoid", "tanh", "Hard-Tanh", "hardtanh", "Softsign", "linear", "elu")
EXTREMES = (
    *((-3, -1), (-1, -0.951), (-1, -0.949), (-0.2, 0.2), (-1, 0), (0, 0), (0, 0.024), (0, 0.026), (0.3, 0.3), (0.951, 0.97), (0.949, 0.97)),
    *((0.974, 1), (0.976, 1), (1, 1), (5.84, 6), (5.86, 6), (6, 6), (6.5, 9), (math.nan, math.nan)),
)
CHANNELS = 60


def condition_cases() -> list[dict[str, Any]]:
    """Statistics of channels behind each activation, with the one word for each; the last cases lack statistics, as old records do."""
    rng = np.random.default_rng(14)
    whole = [_conditions(rng, activation) for activation in (*ACTIVATIONS, "no such thing", None)]
    return [*whole, *(_conditions(rng, "sigmoid", without) for without in ("spread", "zeros", "nan", "max", "min"))]


def _conditions(rng: np.random.Generator, activation: str | None, without: str = "") -> dict[str, Any]:
    channels = [_channel(rng, without) for _ in range(CHANNELS)]
    names = list(channels[0])
    return {
        "activation": activation,
        "statistics": {name: [_word(channel[name]) for channel in channels] for name in names},
        "conditions": [_condition(channel, activation) for channel in channels],
    }


def _channel(rng: np.random.Generator, without: str) -> dict[str, float]:
    low, high = EXTREMES[rng.integers(len(EXTREMES))]
    counts = {name: float(rng.integers(1, 5)) if rng.random() < 0.04 else 0.0 for name in ("nan", "pos_inf", "neg_inf")}
    zeros = 1.0 if low == high == 0 else float(rng.choice([0, 0.5]))
    spread = float(rng.choice([0, 0.1, 2, math.nan]))
    channel = {"min": low, "max": high, "zeros": zeros, "spread": spread, **counts}
    return {name: float(np.float32(value)) for name, value in channel.items() if name != without}


def _condition(channel: dict[str, float], activation: str | None) -> str:
    """One rule after the other; what is not known fulfils none of them."""
    unknown = math.nan
    low, high = channel.get("min", unknown), channel.get("max", unknown)
    name = "".join(letter for letter in (activation or "").lower() if letter.isalnum())
    if any(channel.get(count, 0) > 0 for count in ("nan", "pos_inf", "neg_inf")):
        return "not finite"
    if math.isnan(high):
        return "unknown"
    if channel.get("zeros") == 1 or (name in ("relu", "relu6") and high <= 0):
        return "dead"
    if name in ENDS:
        lower, upper, width = ENDS[name]
        if lower is not None and high < lower + 0.025 * width:
            return "saturated"
        if low > upper - 0.025 * width:
            return "saturated"
    if low == high or channel.get("spread") == 0:
        return "constant"
    return "alive"


def encode(cases: list[dict[str, Any]]) -> str:
    """One case a line."""
    return "[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n"


def main() -> None:
    """Writes the files."""
    for path, cases in (
        (GEOMETRY, geometry_cases()),
        (RANGES, range_cases()),
        (PRODUCTS, product_cases()),
        (CONDITIONS, condition_cases()),
    ):
        path.write_text(encode(cases), encoding="utf-8")


if __name__ == "__main__":
    main()
