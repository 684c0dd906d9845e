"""Axis letters, and the order in which this package works: [samples, channels, *space] and [filters, inputs, *space].

Layouts are said, never guessed. Only of a two-dimensional array the letters of space are ignored: it is a dense layer.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy.typing as npt

from tb_featuremap_plugin.schema.errors import LayoutError

Array = npt.NDArray[Any]

FEATURE_MAP_LAYOUTS = ("NHWC", "NCHW", "NWC", "NCW", "NDHWC", "NCDHW", "NC", "WNC")
"""Samples first, but for recurrent layers and attention that take time first: WNC."""

UNKNOWN_LAYOUT = "unknown"
"""Said by an integration where it is not certain which axes are the samples and the channels; no array is put in order by it."""

_SPACE = {0: "", 1: "W", 2: "HW", 3: "DHW"}


def feature_map_axes(layout: str, ndim: int) -> tuple[int, ...]:
    """The permutation that brings feature maps to [samples, channels, *space].

    Args:
        layout: one of `FEATURE_MAP_LAYOUTS`.
        ndim: axes of the array.

    Raises:
        ValueError: the layout is unknown.
        LayoutError: it does not have `ndim` axes.
    """
    check_feature_map_layout(layout)
    return _permutation(layout, ndim, "NC")


def check_feature_map_layout(layout: str) -> None:
    """Raises ValueError unless this is a layout of feature maps: a plain one, the only kind that tf.function passes on as it is."""
    if layout not in FEATURE_MAP_LAYOUTS:
        raise ValueError(f"layout is {layout!r}; feature maps allow {', '.join(FEATURE_MAP_LAYOUTS)}")


def kernel_axes(layout: str, ndim: int) -> tuple[int, ...]:
    """The permutation that brings a kernel to [filters, inputs, *space], or with `M` in it to [inputs, multiplier, *space].

    Args:
        layout: the letters O (filters) and I (inputs), or I and M (a depthwise multiplier), with W, HW or DHW, in any order.
        ndim: axes of the array.

    Raises:
        ValueError: the letters are others.
        LayoutError: they are not `ndim`.
    """
    check_kernel_layout(layout)
    return _permutation(layout, ndim, "IM" if "M" in layout else "OI")


def check_kernel_layout(layout: str) -> None:
    """Raises ValueError unless these are the letters of a kernel's layout."""
    space = "".join(sorted(set(layout) - set("OIM"))) if isinstance(layout, str) else "?"
    known = space in _SPACE.values() and len(set(layout)) == len(layout) and "I" in layout and ("O" in layout) != ("M" in layout)
    if not known:
        raise ValueError(
            f"layout is {layout!r}; kernels allow the letters O and I (or I and M) with W, HW or DHW, such as HWIO, OIHW, HWIM, IO"
        )


def effective_layout(layout: str, ndim: int) -> str:
    """The layout as it fits an array: without its letters of space where the array is dense.

    Raises:
        LayoutError: the layout does not have `ndim` axes.
    """
    fitting = "".join(letter for letter in layout if letter not in "DHW") if ndim == 2 else layout
    if len(fitting) != ndim:
        raise LayoutError(f"layout {layout!r} has {len(layout)} axes, the array has {ndim}")
    return fitting


def canonical_maps(data: Array, layout: str) -> Array:
    """A view of feature maps as [samples, channels, *space].

    Raises:
        LayoutError: as `feature_map_axes`.
    """
    view: Array = data.transpose(feature_map_axes(layout, data.ndim))
    return view


def canonical_kernel(kernel: Array, layout: str) -> Array:
    """A kernel as [filters, inputs, *space]; a view but for depthwise kernels, whose filter `i * multiplier + m` sees input i alone.

    Raises:
        LayoutError: as `kernel_axes`.
    """
    view: Array = kernel.transpose(kernel_axes(layout, kernel.ndim))
    if "M" in layout:
        view = view.reshape(view.shape[0] * view.shape[1], 1, *view.shape[2:])
    return view


def fans(layout: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Inputs that each output of a kernel adds up, and outputs that each of its inputs reaches (Glorot and Bengio 2010).

    Raises:
        LayoutError: as `kernel_axes`.
    """
    first, second, *space = (shape[axis] for axis in kernel_axes(layout, len(shape)))
    field = math.prod(space)
    if "M" in layout:
        return field, second * field
    return second * field, first * field


def inputs_layout(layout: str, ndim: int) -> str:
    """The layout of probe inputs beside maps of `layout`: channels where those have them, with the axes that the inputs have.

    Raises:
        LayoutError: inputs have no `ndim` axes.
    """
    if not 2 <= ndim <= 5:
        raise LayoutError(f"inputs have {ndim} axes; allowed are 2 to 5: samples, channels and up to three of space")
    space = _SPACE[ndim - 2]
    return f"NC{space}" if layout.startswith("NC") and layout != "NC" else f"N{space}C"


def filter_count(layout: str, shape: tuple[int, ...]) -> int:
    """How many filters a kernel of this shape has.

    Raises:
        LayoutError: as `kernel_axes`.
    """
    first, second = kernel_axes(layout, len(shape))[:2]
    return shape[first] * (shape[second] if "M" in layout else 1)


@lru_cache(maxsize=256)
def _permutation(layout: str, ndim: int, leading: str) -> tuple[int, ...]:
    fitting = effective_layout(layout, ndim)
    space = "".join(letter for letter in "DHW" if letter in fitting)
    return tuple(fitting.index(letter) for letter in leading + space)


def channels_to_end(view: Array) -> Array:
    """A canonical view as [samples, *space, channels]."""
    moved: Array = view.transpose(0, *range(2, view.ndim), 1)
    return moved


def is_channels_last(view: Array) -> bool:
    """Whether a canonical view's memory is that of [samples, *space, channels]."""
    return bool(channels_to_end(view).flags.c_contiguous)
