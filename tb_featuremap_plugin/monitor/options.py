"""Arguments of a Monitor, checked at once: a wrong one must not wait for the first logged step to be told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tb_featuremap_plugin.layer import Layer
from tb_featuremap_plugin.monitor.arrangement import OTHERS

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


def check_layers(layers: Sequence[Layer] | None) -> None:
    """Raises TypeError or ValueError unless these are layers of different names."""
    names: set[str] = set()
    for layer in layers or ():
        if not isinstance(layer, Layer):
            raise TypeError(f"layers holds {layer!r:.100}; allowed are fm.Layer objects")
        if layer.name in names:
            raise ValueError(f"layers holds two layers named {layer.name!r}; each needs a name of its own")
        names.add(layer.name)


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
