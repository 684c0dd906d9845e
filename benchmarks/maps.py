"""Ten layers of feature maps of one image: ours, tf.summary.image, torch, tensorboardX, and a JPEG per channel."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.folders import Growth, fresh
from benchmarks.harness import Comparison, Goal, Variant
from benchmarks.workloads import Float32, memcpy, noise_like, photograph_activations

OURS = "fm.Writer, flushed"
HELD = "fm.Writer, until the call returns"
IMAGE = "tf.summary.image per layer, flushed"
JPEG = "OpenCV JPEG per channel"
COPY = "memcpy"


def comparisons() -> list[Comparison]:
    """The photograph and the worst case."""
    photograph = photograph_activations()
    return [_photograph(photograph), _noise(noise_like(photograph))]


def _photograph(layers: dict[str, Float32]) -> Comparison:
    variants = [
        Variant(COPY, memcpy(layers)),
        _ours(layers),
        _ours_held(layers),
        _tf_image(layers),
        _jpeg(layers),
        _torch_images(layers),
        _tensorboardx_images(layers),
    ]
    goals = [
        Goal("ten layers, CPU until flushed, against tf.summary.image", OURS, IMAGE, "cpu", 0.12),
        Goal("ten layers, CPU until flushed, against a JPEG per channel", OURS, JPEG, "cpu", 0.08),
        Goal("the same, time the loop is held, against tf.summary.image", HELD, IMAGE, "wall", 0.03),
        Goal("the same, time the loop is held, against a memcpy", HELD, COPY, "wall", 3.0),
        Goal("the same, bytes", OURS, IMAGE, "bytes", 0.78),
    ]
    return Comparison("Ten layers of one 224 x 224 photograph, 2.8 million values in 5,376 channels", variants, goals)


def _noise(layers: dict[str, Float32]) -> Comparison:
    values = sum(value.size for value in layers.values())
    raw = Variant("raw uint8", lambda: values)
    goal = Goal("noise, bytes, against raw uint8", OURS, "raw uint8", "bytes", 1.03)
    return Comparison("The same shapes filled with noise", [raw, _ours(layers), _tf_image(layers)], [goal])


def _ours(layers: dict[str, Float32]) -> Variant:
    import tb_featuremap_plugin as fm

    folder, step = fresh("ours"), iter(range(10**9))
    writer, growth = fm.Writer(folder), Growth(folder)

    def log() -> int:
        now = next(step)
        for name, maps in layers.items():
            writer.feature_maps(name, maps, step=now, activation="relu", max_channels=4096)
        writer.flush()
        return growth()

    return Variant(OURS, log)


def _ours_held(layers: dict[str, Float32]) -> Variant:
    import tb_featuremap_plugin as fm

    step = iter(range(10**9))
    writer = fm.Writer(fresh("held"))

    def log() -> None:
        now = next(step)
        for name, maps in layers.items():
            writer.feature_maps(name, maps, step=now, activation="relu", max_channels=4096)

    return Variant(HELD, log, finish=writer.flush)


def channels_as_images(maps: Float32) -> np.ndarray:
    """[1, h, w, c] to uint8 [c, h, w, 1], every channel stretched over its range: what a person does by hand to see anything."""
    images = np.ascontiguousarray(maps[0].transpose(2, 0, 1))
    low = images.min((1, 2), keepdims=True)
    scale = 255 / np.maximum(images.max((1, 2), keepdims=True) - low, 1e-12)
    stretched: np.ndarray = ((images - low) * scale).astype(np.uint8)
    return stretched[..., None]


def _tf_image(layers: dict[str, Float32]) -> Variant:
    import tensorflow as tf

    folder, step = fresh("tf"), iter(range(10**9))
    writer, growth = tf.summary.create_file_writer(str(folder)), Growth(folder)

    def log() -> int:
        now = next(step)
        with writer.as_default():
            for name, maps in layers.items():
                tf.summary.image(name, channels_as_images(maps), step=now, max_outputs=maps.shape[-1])
        writer.flush()
        return growth()

    return Variant(IMAGE, log)


def _jpeg(layers: dict[str, Float32]) -> Variant:
    import cv2

    folder = fresh("jpeg")

    def log() -> int:
        return sum(_write_jpegs(cv2, folder / name, maps) for name, maps in layers.items())

    return Variant(JPEG, log)


def _write_jpegs(cv2: ModuleType, folder: Path, maps: Float32) -> int:
    folder.mkdir(exist_ok=True)
    images = channels_as_images(maps)
    for channel, image in enumerate(images):
        cv2.imwrite(str(folder / f"{channel}.jpg"), image)
    return sum(path.stat().st_size for path in folder.iterdir())


def _torch_images(layers: dict[str, Float32]) -> Variant:
    from torch.utils.tensorboard import SummaryWriter

    return _summary_writer("torch add_images", SummaryWriter, layers)


def _tensorboardx_images(layers: dict[str, Float32]) -> Variant:
    from tensorboardX import SummaryWriter

    return _summary_writer("tensorboardX add_images", SummaryWriter, layers)


def _summary_writer(name: str, writer_class: Any, layers: dict[str, Float32]) -> Variant:
    folder, step = fresh("images"), iter(range(10**9))
    writer, growth = writer_class(str(folder)), Growth(folder)

    def log() -> int:
        now = next(step)
        for layer, maps in layers.items():
            writer.add_images(layer, channels_as_images(maps), now, dataformats="NHWC")
        writer.flush()
        return growth()

    return Variant(name, log)
