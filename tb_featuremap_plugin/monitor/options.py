"""Arguments of a Monitor, checked at once: a wrong one must not wait for the first logged step to be told."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from tb_featuremap_plugin.arrays.layouts import FEATURE_MAP_LAYOUTS, kernel_axes
from tb_featuremap_plugin.arrays.numbers import whole_number
from tb_featuremap_plugin.images.options import MapOptions, check_precision
from tb_featuremap_plugin.monitor.argument_forms import brief
from tb_featuremap_plugin.monitor.layer_layouts import CHANNELS_LAST, DATA_FORMATS, OTHERS
from tb_featuremap_plugin.monitor.workers import Workers
from tb_featuremap_plugin.schema.log_sizes import MAX_RUN_BYTES, MAX_STEP_BYTES
from tb_featuremap_plugin.schema.network import Layer
from tb_featuremap_plugin.schema.pictures import Precision
from tb_featuremap_plugin.schema.tags import MONITOR_RUN

Every = int | Callable[[int], bool]
"""A schedule: n, or a function from step to whether it is due."""


@dataclass(frozen=True)
class MonitorOptions:
    """What a `Monitor` takes besides its logdir, each default and check once; `Monitor` says what each means.

    The integrations take the same, but for what they find out themselves.

    Raises:
        TypeError, ValueError: a value is wrong.
    """

    every: Every = 100
    layers: Sequence[Layer] | None = None
    loss: str | None = None
    from_logits: bool | None = None
    optimizer: str | None = None
    weight_decay: float | None = None
    run_name: str = MONITOR_RUN
    record_inputs: bool = True
    keep_first: bool = True
    max_overhead: float | None = None
    max_bytes: int | None = MAX_STEP_BYTES
    max_run_bytes: int | None = MAX_RUN_BYTES
    strict: bool = False
    max_images: int = 4
    max_channels: int = MapOptions.max_channels
    precision: Precision = MapOptions.precision
    layouts: str | Mapping[str, str] = CHANNELS_LAST
    mirror_scalars: bool = False
    workers: Workers | None = None

    def __post_init__(self) -> None:
        check_layers(self.layers)
        check_training(self.loss, self.from_logits, self.optimizer, self.weight_decay)
        _check_run_name(self.run_name)
        _check_share(self.max_overhead)
        _check_count("max_images", self.max_images)
        _check_count("max_channels", self.max_channels)
        for name in ("max_bytes", "max_run_bytes"):
            if getattr(self, name) is not None:
                _check_count(name, getattr(self, name))
        check_precision(self.precision)
        _check_layouts(self.layouts)


class LoopKeywords(TypedDict, total=False):
    """Keyword arguments of the integrations, which find out layers and optimizer themselves; see `MonitorOptions`."""

    every: Every
    loss: str | None
    from_logits: bool | None
    weight_decay: float | None
    run_name: str
    record_inputs: bool
    keep_first: bool
    max_overhead: float | None
    max_bytes: int | None
    max_run_bytes: int | None
    strict: bool
    max_images: int
    max_channels: int
    precision: Precision
    layouts: str | Mapping[str, str]
    mirror_scalars: bool
    workers: Workers | None


class MonitorKeywords(LoopKeywords, total=False):
    """Keyword arguments of `Monitor`."""

    layers: Sequence[Layer] | None
    optimizer: str | None


def check_layers(layers: Sequence[Layer] | None) -> None:
    """Raises TypeError or ValueError unless these are layers of different names."""
    names: set[str] = set()
    for layer in layers or ():
        if not isinstance(layer, Layer):
            raise TypeError(f"layers holds {layer!r:.100}; allowed are fm.Layer objects")
        if layer.name in names:
            raise ValueError(f"layers holds two layers named {layer.name!r}; each needs a name of its own")
        names.add(layer.name)


def check_training(loss: object, from_logits: object, optimizer: object, weight_decay: object) -> None:
    """Raises TypeError or ValueError unless these can stand in a run record: names and numbers, not the things themselves."""
    for name, value, example in (("loss", loss, "categorical_crossentropy"), ("optimizer", optimizer, "adam")):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} is a {type(value).__name__}; allowed is its name, such as {example!r}")
    if from_logits is not None and not isinstance(from_logits, bool):
        raise TypeError(f"from_logits is {from_logits!r}; allowed are True, False and None")
    if weight_decay is None:
        return
    if isinstance(weight_decay, bool) or not isinstance(weight_decay, (int, float)):
        raise TypeError(f"weight_decay is {weight_decay!r}; allowed is a number from 0")
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise ValueError(f"weight_decay is {weight_decay!r}; allowed is a number from 0")


def check_logdir(logdir: object) -> None:
    """Raises TypeError unless this names a folder."""
    if not isinstance(logdir, (str, os.PathLike)):
        raise TypeError(f"logdir is {logdir!r:.100}; allowed are a path and a URL")


def check_step(step: object) -> int:
    """A step as a whole number, given as one of any kind: an int, a whole float, a scalar or a variable of any framework.

    Raises:
        TypeError: it is not one.
        ValueError: it is below 0.
    """
    number = step if type(step) is int else whole_number(step)
    if number is None:
        raise TypeError(f"step is {brief(step)}; allowed are whole numbers from 0")
    if number < 0:
        raise ValueError(f"step is {number}; allowed are whole numbers from 0")
    return number


def _check_share(max_overhead: float | None) -> None:
    """Raises ValueError unless this is a share of time."""
    if max_overhead is not None and not (0 < max_overhead <= 1 and math.isfinite(max_overhead)):
        raise ValueError(f"max_overhead is {max_overhead!r}; allowed are None and a share above 0 and up to 1")


def _check_run_name(run_name: str) -> None:
    """Raises unless this names a folder below the logdir."""
    if not isinstance(run_name, str):
        raise TypeError(f"run_name is {run_name!r}; allowed is a string")
    parts = run_name.replace("\\", "/").split("/")
    if not all(parts) or ".." in parts or "\0" in run_name:
        raise ValueError(f"run_name is {run_name!r}; allowed is the name of a folder below the logdir")


def _check_layouts(layouts: str | Mapping[str, str]) -> None:
    data_format = layouts if isinstance(layouts, str) else layouts.get(OTHERS, CHANNELS_LAST)
    if data_format not in DATA_FORMATS:
        raise ValueError(f"layouts is {layouts!r}; allowed are {list(DATA_FORMATS)} and a mapping from names to layouts")
    for name, layout in {} if isinstance(layouts, str) else layouts.items():
        if name != OTHERS and layout not in FEATURE_MAP_LAYOUTS:
            kernel_axes(layout, len(layout))


def _check_count(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}; allowed is a whole number from 1")
    if value < 1:
        raise ValueError(f"{name} is {value}; the least is 1")
