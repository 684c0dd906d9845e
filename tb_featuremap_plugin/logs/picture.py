"""One stored picture as numbers: feature maps, probe inputs or a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.drawing import png
from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.images import tiles
from tb_featuremap_plugin.logs.drawn import draw
from tb_featuremap_plugin.logs.figure import figure_of
from tb_featuremap_plugin.logs.stored import Stored
from tb_featuremap_plugin.reading.run import Float32, Float64, Int64
from tb_featuremap_plugin.schema.answers import PictureKind
from tb_featuremap_plugin.schema.one_line import described, quoted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Norms:
    """What is stored of a kernel of more than 1 MB in place of its weights. None of these arrays are weights but `slices`.

    Attributes:
        norms: [filters, inputs]: root of the sum of squares over space. Where `blocks` is not (1, 1), each entry is the root mean
            square of a block of so many filters and inputs.
        blocks: filters and inputs of a block.
        slices: [filters, *space]: of each filter the weights for the one input with the largest norm.
        slice_inputs: [filters]: which input that is.
        first_difference: as `norms`, of the kernel minus its value after `first_step` updates; None if it was not logged.
        previous_difference: as `norms`, of the kernel minus its value when it was logged before; None if it was not logged.
        first_step: see there; None if unknown.
    """

    norms: Float32
    blocks: tuple[int, int]
    slices: Float32
    slice_inputs: Int32
    first_difference: Float32 | None = None
    previous_difference: Float32 | None = None
    first_step: int | None = None

    def __repr__(self) -> str:
        filters, inputs = self.norms.shape
        known = [field.name for field in fields(self) if field.name.endswith("difference") and getattr(self, field.name) is not None]
        return described("Norms", f"{filters} x {inputs}", f"blocks of {self.blocks[0]} x {self.blocks[1]}", *known)


class Picture:
    """One stored picture: feature maps, probe inputs or a kernel. `numpy.asarray(picture)` is its `values`.

    Attributes:
        kind: "maps", "inputs" or "filters".
        name: of the layer, input or variable.
        step: at which it was logged.
    """

    def __init__(self, kind: PictureKind, name: str, step: int, blob: bytes) -> None:
        """Takes a stored picture.

        Raises:
            FormatError: it breaks the record format, or is of a later version of it.
        """
        self.kind = kind
        self.name = name
        self.step = step
        self._stored = Stored(record.decode(blob), kind)

    @cached_property
    def values(self) -> Float32 | Float64:
        """Maps and inputs: [images, channels, *space]; kernels: [filters, inputs, *space]. NaN and Inf are what was logged.

        They are float32; float64 where finite numbers were logged that float32 cannot hold.

        Raises:
            ValueError: it is a kernel of more than 1 MB, of which only `norms` are stored; or the stored bytes are damaged.
        """
        if self.norms is not None:
            raise ValueError(f"the weights of {quoted(self.name)} are not stored: of a kernel of more than 1 MB there are only `norms`")
        pixels = self._stored.pixels
        if pixels.dtype == np.float64:
            return pixels
        if pixels.dtype != np.uint8:
            return pixels.astype(np.float32)
        return tiles.dequantise(pixels, *self._stored.span)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of `values`, which need not be read for it; of a kernel of more than 1 MB, the shape that they would have."""
        return self._stored.shape

    @cached_property
    def error(self) -> Float32:
        """How far finite `values` may lie from what was logged as float32: a bound for each channel or filter, to broadcast to `values`.

        0 for float32, float64 and kernels. For uint8 half a code's step and the rounding of float32; for float16 half its spacing at the
        channel's largest value, and Inf where a value was too large for it. Where `reduced` is not 1, what was logged are the means.
        """
        column = (1, -1, *(1,) * (len(self.shape) - 2)) if self.kind != "filters" else (-1, *(1,) * (len(self.shape) - 1))
        return self._stored.error().reshape(column)

    @cached_property
    def stats(self) -> Mapping[str, Float32]:
        """Statistics by name, float32 [channels] or [filters]: computed before any rounding.

        Those of maps and inputs cover all channels of the whole array as logged, so those of the stored ones are
        `stats[name][channels]`; those of a kernel are of the filters that are stored. The names and what they mean are in docs/format.md.
        """
        table = self._stored.statistics
        return MappingProxyType({name: table[place] for place, name in enumerate(self._stored.statistic_names)})

    @cached_property
    def norms(self) -> Norms | None:
        """What is stored of a kernel of more than 1 MB; None for all else."""
        return Norms(**self._stored.norms()) if self.kind == "filters" and self._stored.has_norms else None

    @property
    def precision(self) -> str:
        """The dtype of the stored values: "uint8", "float16" or "float32"; "float64" where finite numbers need it."""
        return self._stored.precision

    @property
    def images(self) -> Int64:
        """Indices of the samples of the probe that are stored; of a kernel, empty."""
        return self._stored.images

    @property
    def channels(self) -> Int64:
        """Indices of the channels that are stored; of a kernel, of the filters."""
        return self._stored.channels

    @property
    def layout(self) -> str:
        """Axes of the array as it was logged, such as "NHWC"; `values` have theirs in the order of `shape` whatever that is."""
        return self._stored.layout

    @property
    def logged_shape(self) -> tuple[int, ...]:
        """Shape of the whole array as logged, in the order of `shape`."""
        return self._stored.logged_shape

    @property
    def reduced(self) -> int:
        """Each value is the mean over a square (cube) of this side; 1 is full size."""
        return self._stored.reduced

    @property
    def layer(self) -> str | None:
        """The layer that it belongs to; None if unknown, and for inputs."""
        return self.name if self.kind == "maps" else self._stored.text("layer")

    @property
    def activation(self) -> str | None:
        """The layer's activation, where the picture says it."""
        return self._stored.text("activation")

    @property
    def description(self) -> str | None:
        """Markdown that was logged with it."""
        return self._stored.text("description")

    @cached_property
    def bias(self) -> Float32 | None:
        """[filters]; None if it was not logged."""
        return self._stored.bias() if self.kind == "filters" else None

    def figure(self, *, image: int = 0) -> Figure:
        """The picture as the tab draws it by default, as a matplotlib Figure to add to or to save.

        Args:
            image: which of the stored samples of maps and inputs; as an index, from -1 backwards too.

        Raises:
            ImportError: matplotlib is not installed.
            IndexError: there are not so many samples.
            ValueError: the stored bytes are damaged; or there is nothing to draw, or too much.
        """
        return figure_of(draw(self._stored, self.kind, image), f"{self.kind} of {self.name}, step {self.step}")

    def _repr_png_(self) -> bytes | None:
        return None if 0 in self.shape else png.encode(draw(self._stored, self.kind, 0).pixels)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self.values.astype(dtype or np.float32, copy=bool(copy))

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        what = "norms only" if self._stored.has_norms else self.precision
        size = " x ".join(map(str, self.shape))
        return described("Picture", f"{self.kind} of {quoted(self.name)}", f"step {self.step}", size, what)
