"""A drawing as a figure of matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tb_featuremap_plugin.logs.drawn import Drawn
from tb_featuremap_plugin.logs.optional import import_matplotlib
from tb_featuremap_plugin.schema.one_line import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 100
_LEFT, _TOP, _RIGHT, _BOTTOM = 10, 40, 100, 10
_GAP, _BAR = 15, 15


def figure_of(drawn: Drawn, title: str) -> Figure:
    """The drawing pixel by pixel, with a title and, where all tiles have one scale, that.

    Raises:
        ImportError: matplotlib is not installed.
    """
    matplotlib = import_matplotlib()
    height, width = drawn.pixels.shape[:2]
    across, down = _LEFT + max(width, 1) + _RIGHT, _BOTTOM + max(height, 1) + _TOP
    figure: Figure = matplotlib.figure.Figure(figsize=(across / _DPI, down / _DPI), dpi=_DPI)
    axes = figure.add_axes((_LEFT / across, _BOTTOM / down, width / across, height / down))
    axes.imshow(drawn.pixels, interpolation="nearest")
    axes.set_axis_off()
    left_out = f"; {counted(drawn.left_out, 'tile')} not shown" if drawn.left_out else ""
    axes.set_title(f"{title}{left_out}", loc="left", fontsize=10, parse_math=False)
    if drawn.scale is not None:
        colours = matplotlib.colors.ListedColormap(drawn.scale.colours / 255)
        mappable = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(drawn.scale.low, drawn.scale.high), colours)
        bar = ((_LEFT + width + _GAP) / across, _BOTTOM / down, _BAR / across, height / down)
        figure.colorbar(mappable, cax=figure.add_axes(bar))
    return figure
