"""Arguments of a Monitor, checked at once: a wrong one must not wait for the first logged step to be told."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tb_featuremap_plugin.arrays.layouts import FEATURE_MAP_LAYOUTS, kernel_axes
from tb_featuremap_plugin.monitor.layer_layouts import OTHERS
from tb_featuremap_plugin.schema.network import Layer

PRECISIONS = ("uint8", "float16", "float32")
DATA_FORMATS = ("channels_last", "channels_first")


@dataclass(frozen=True)
class Options:
    """What stays the same for all records of a run; see `Monitor` for the meaning of each."""

    record_inputs: bool
    max_bytes: int | None
    max_images: int
    max_channels: int
    precision: str
    layouts: str | Mapping[str, str]
    mirror_scalars: bool

    def __post_init__(self) -> None:
        _check_count("max_images", self.max_images)
        _check_count("max_channels", self.max_channels)
        if self.max_bytes is not None:
            _check_count("max_bytes", self.max_bytes)
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}; allowed are {list(PRECISIONS)}")
        data_format = self.layouts if isinstance(self.layouts, str) else self.layouts.get(OTHERS, DATA_FORMATS[0])
        if data_format not in DATA_FORMATS:
            raise ValueError(f"layouts is {self.layouts!r}; allowed are {list(DATA_FORMATS)} and a mapping from names to layouts")
        for name, layout in {} if isinstance(self.layouts, str) else self.layouts.items():
            if name != OTHERS and layout not in FEATURE_MAP_LAYOUTS:
                kernel_axes(layout, len(layout))


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
    """A step as a whole number.

    Raises:
        TypeError: it is none.
        ValueError: it is below 0.
    """
    try:
        number = operator.index(step)  # type: ignore[arg-type]  # what is no whole number raises
    except TypeError:
        raise TypeError(f"step is {step!r:.100}; allowed are whole numbers from 0") from None
    if number < 0:
        raise ValueError(f"step is {number}; allowed are whole numbers from 0")
    return number


def check_share(max_overhead: float | None) -> None:
    """Raises ValueError unless this is a share of time."""
    if max_overhead is not None and not (0 < max_overhead <= 1 and math.isfinite(max_overhead)):
        raise ValueError(f"max_overhead is {max_overhead!r}; allowed are None and a share above 0 and up to 1")


def check_run_name(run_name: str) -> None:
    """Raises unless this names a folder below the logdir."""
    if not isinstance(run_name, str):
        raise TypeError(f"run_name is {run_name!r}; allowed is a string")
    parts = run_name.replace("\\", "/").split("/")
    if not all(parts) or ".." in parts or "\0" in run_name:
        raise ValueError(f"run_name is {run_name!r}; allowed is the name of a folder below the logdir")


def _check_count(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}; allowed is a whole number from 1")
    if value < 1:
        raise ValueError(f"{name} is {value}; the least is 1")
