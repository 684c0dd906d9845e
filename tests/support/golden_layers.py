"""Writes single values of real layers with all that goes into them, for the frontend's sums: `python -m tests.support.golden_layers`.

Transposed and separable convolutions and dense layers, of Keras and of PyTorch, computed in float64; kernels are in canonical order,
[filters, inputs, *space].
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.support.golden_cases import encode

LAYERS = Path(__file__).parent.parent / "golden" / "layers.json"

SPACE = (5, 6)


def layer_cases() -> list[dict[str, Any]]:
    """Cases of every kind, a pixel each."""
    rng = np.random.default_rng(17)
    makers = (_keras_transposed, _torch_transposed, _keras_separable, _keras_dense, _torch_dense, _keras_dense_everywhere)
    return [maker(rng) for maker in makers for _ in range(8)]


def _keras_transposed(rng: np.random.Generator) -> dict[str, Any]:
    import keras

    size, stride, padding = int(rng.integers(1, 5)), int(rng.integers(1, 4)), str(rng.choice(["same", "valid"]))
    layer = keras.layers.Conv2DTranspose(3, size, stride, padding, dtype="float64")
    source = _normal(rng, (2, *SPACE))
    maps = _apply_keras(layer, rng, source)
    kernel = np.asarray(layer.kernel).transpose(2, 3, 0, 1)
    geometry = {"kernel_size": [size, size], "strides": [stride, stride], "padding": padding, "dilation": [1, 1]}
    return _case(rng, "conv2d_transpose", source, [kernel], np.asarray(layer.bias), maps, geometry)


def _torch_transposed(rng: np.random.Generator) -> dict[str, Any]:
    import torch

    size, stride, dilation = (rng.integers(1, 4, 2).tolist() for _ in range(3))
    padding = [int(rng.integers(0, size[axis])) for axis in range(2)]
    source, weight, bias = _normal(rng, (2, *SPACE)), _normal(rng, (2, 3, *size)), _normal(rng, (3,))
    maps = torch.nn.functional.conv_transpose2d(
        torch.tensor(source)[None], torch.tensor(weight), torch.tensor(bias), stride, padding, 0, 1, dilation
    )
    geometry = {"kernel_size": size, "strides": stride, "padding": padding, "dilation": dilation}
    return _case(rng, "conv2d_transpose", source, [weight.transpose(1, 0, 2, 3)], bias, maps[0].numpy(), geometry)


def _keras_separable(rng: np.random.Generator) -> dict[str, Any]:
    import keras

    size, multiplier, padding = int(rng.integers(1, 4)), int(rng.integers(1, 4)), str(rng.choice(["same", "valid"]))
    layer = keras.layers.SeparableConv2D(3, size, padding=padding, depth_multiplier=multiplier, dtype="float64")
    source = _normal(rng, (2, *SPACE))
    maps = _apply_keras(layer, rng, source)
    depthwise = np.asarray(layer.depthwise_kernel).transpose(2, 3, 0, 1).reshape(2 * multiplier, 1, size, size)
    pointwise = np.asarray(layer.pointwise_kernel).transpose(3, 2, 0, 1)
    geometry = {"kernel_size": [size, size], "strides": [1, 1], "padding": padding, "dilation": [1, 1]}
    return _case(rng, "separable_conv2d", source, [depthwise, pointwise], np.asarray(layer.bias), maps, geometry)


def _keras_dense(rng: np.random.Generator) -> dict[str, Any]:
    """Behind a Flatten, which leaves channels last."""
    import keras

    layer = keras.layers.Dense(3, dtype="float64")
    layer.build((None, 2 * SPACE[0] * SPACE[1]))
    layer.set_weights([_normal(rng, weight.shape) for weight in layer.get_weights()])
    source = _normal(rng, (2, *SPACE))
    units = np.asarray(layer(keras.layers.Flatten(dtype="float64")(source.transpose(1, 2, 0)[None])))[0]
    return {**_case(rng, "dense", source, [np.asarray(layer.kernel).T], np.asarray(layer.bias), units), "channels_last": True}


def _torch_dense(rng: np.random.Generator) -> dict[str, Any]:
    import torch

    source, weight, bias = _normal(rng, (2, *SPACE)), _normal(rng, (3, 2 * SPACE[0] * SPACE[1])), _normal(rng, (3,))
    units = torch.nn.functional.linear(torch.tensor(source).flatten()[None], torch.tensor(weight), torch.tensor(bias))
    return _case(rng, "dense", source, [weight], bias, units[0].numpy())


def _keras_dense_everywhere(rng: np.random.Generator) -> dict[str, Any]:
    """At every place of a space alike."""
    import keras

    layer = keras.layers.Dense(3, dtype="float64")
    source = _normal(rng, (2, *SPACE))
    maps = _apply_keras(layer, rng, source)
    return {**_case(rng, "dense", source, [np.asarray(layer.kernel).T], np.asarray(layer.bias), maps), "channels_last": True}


def _apply_keras(layer: Any, rng: np.random.Generator, source: np.ndarray) -> np.ndarray:
    """What a Keras layer of random weights makes of one image, both channels first."""
    layer.build((None, *source.shape[1:], source.shape[0]))
    layer.set_weights([_normal(rng, weight.shape) for weight in layer.get_weights()])
    maps = np.asarray(layer(source.transpose(1, 2, 0)[None]))[0]
    first: np.ndarray = maps.transpose(2, 0, 1)
    return first


def _case(
    rng: np.random.Generator,
    kind: str,
    source: np.ndarray,
    kernels: list[np.ndarray],
    bias: np.ndarray,
    maps: np.ndarray,
    geometry: dict[str, Any] | None = None,
) -> dict[str, Any]:
    chosen = int(rng.integers(len(maps)))
    pixel = [int(rng.integers(size)) for size in maps.shape[1:]]
    return {
        "layer": {"kind": kind, **(geometry or {})},
        "source": _array(source),
        "kernels": [_array(kernel) for kernel in kernels],
        "channels_last": False,
        "bias": bias.tolist(),
        "filter": chosen,
        "pixel": pixel,
        "value": maps[chosen].item(*pixel),
    }


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Few digits, so that the file stays small."""
    return np.round(rng.normal(size=shape), 3)


def _array(values: np.ndarray) -> dict[str, Any]:
    return {"shape": list(values.shape), "values": values.ravel().tolist()}


if __name__ == "__main__":
    LAYERS.write_text(encode(layer_cases()), encoding="utf-8")
