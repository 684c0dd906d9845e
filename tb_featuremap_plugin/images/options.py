"""How maps and kernels are logged: each option, its default and its check once, for single calls and for `Monitor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from tb_featuremap_plugin.arrays.layouts import check_feature_map_layout, check_kernel_layout
from tb_featuremap_plugin.schema.pictures import PRECISIONS, Precision


@dataclass(frozen=True)
class MapOptions:
    """How feature maps are logged.

    Attributes:
        layout: one of `layouts.FEATURE_MAP_LAYOUTS`.
        activation: the layer's, such as "relu"; None if unknown.
        max_images: samples to store, the first ones.
        max_channels: channels to store, the first ones; statistics cover all.
        precision: dtype of the stored pixels.
        description: Markdown.

    Raises:
        TypeError: a text is not a string.
        ValueError: a number is below 1, or the layout or precision is unknown.
    """

    layout: str = "NHWC"
    activation: str | None = None
    max_images: int = 1
    max_channels: int = 256
    precision: Precision = "uint8"
    description: str | None = None

    def __post_init__(self) -> None:
        check_feature_map_layout(self.layout)
        check_text("activation", self.activation)
        check_text("description", self.description)
        _check_count("max_images", self.max_images)
        _check_count("max_channels", self.max_channels)
        check_precision(self.precision)


class MapKeywords(TypedDict, total=False):
    """The same as keyword arguments, for type checkers and editors; `MapOptions` says what each means and what it is where not given."""

    layout: str
    activation: str | None
    max_images: int
    max_channels: int
    precision: Precision
    description: str | None


@dataclass(frozen=True)
class FilterOptions:
    """How a kernel is logged.

    Attributes:
        layout: letters as in `layouts.kernel_axes`.
        layer: name of the layer it belongs to.
        max_filters: filters to store, the first ones.
        description: Markdown.

    Raises:
        TypeError: a text is not a string.
        ValueError: a number is below 1, or the layout is unknown.
    """

    layout: str = "HWIO"
    layer: str | None = None
    max_filters: int = 256
    description: str | None = None

    def __post_init__(self) -> None:
        check_kernel_layout(self.layout)
        check_text("layer", self.layer)
        check_text("description", self.description)
        _check_count("max_filters", self.max_filters)


class FilterKeywords(TypedDict, total=False):
    """The same as keyword arguments; see `FilterOptions`."""

    layout: str
    layer: str | None
    max_filters: int
    description: str | None


def check_text(name: str, value: object) -> None:
    """Raises TypeError unless this is a string or None."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is a {type(value).__name__}; allowed are strings and None")


def _check_count(name: str, value: object) -> None:
    """Raises ValueError unless this is a whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} is {value!r}; allowed are whole numbers from 1")


def check_precision(value: object) -> None:
    """Raises ValueError unless this is a dtype of stored pixels."""
    if value not in PRECISIONS:
        raise ValueError(f"precision is {value!r}; allowed are {', '.join(PRECISIONS)}")
