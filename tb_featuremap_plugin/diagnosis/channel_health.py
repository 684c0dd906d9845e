"""What a channel is at each kept step, from its statistics: the same words everywhere, and the same limits as the columns of the layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.schema import activations
from tb_featuremap_plugin.schema.answers import CONDITIONS, Condition
from tb_featuremap_plugin.schema.columns import NONFINITE

Codes = npt.NDArray[np.uint8]


def conditions(names: Sequence[str], values: npt.NDArray[np.float32], activation: str | None) -> Codes:
    """The condition of each channel at each step.

    Args:
        names: of the statistics, as in `CHANNEL_COLUMNS`; those that are missing are not known.
        values: [steps, statistics, channels].
        activation: the layer's; None if unknown.

    Returns:
        [steps, channels], positions in `CONDITIONS`. Of several that hold, the first of: not finite, unknown, dead, saturated, constant.
    """

    def read(name: str) -> npt.NDArray[np.float32]:
        unknown = np.full((values.shape[0], values.shape[2]), np.nan, np.float32)
        return values[:, names.index(name)] if name in names else unknown

    least, most = read("min"), read("max")
    with np.errstate(invalid="ignore"):
        tests: dict[Condition, npt.NDArray[np.bool_]] = {
            "not finite": np.add.reduce([np.nan_to_num(read(name)) for name in NONFINITE]) > 0,
            "unknown": np.isnan(most),
            "dead": _dead(read("zeros"), most, activation),
            "saturated": _saturated(least, most, activation),
            "constant": (least == most) | (read("spread") == 0),
        }
    return np.select(list(tests.values()), [CONDITIONS.index(name) for name in tests], CONDITIONS.index("alive")).astype(np.uint8)


def _dead(zeros: npt.NDArray[np.float32], most: npt.NDArray[np.float32], activation: str | None) -> npt.NDArray[np.bool_]:
    known = activations.find(activation)
    dead: npt.NDArray[np.bool_] = (zeros == 1) | ((most <= 0) if known is not None and known.rectifies else False)
    return dead


def _saturated(least: npt.NDArray[np.float32], most: npt.NDArray[np.float32], activation: str | None) -> npt.NDArray[np.bool_]:
    """Whether all values lie at one flat end of the activation."""
    known = activations.find(activation)
    bounds = known.unsaturated if known is not None else None
    if bounds is None:
        return np.zeros(most.shape, bool)
    saturated: npt.NDArray[np.bool_] = (most < bounds[0]) | (least > bounds[1])
    return saturated
