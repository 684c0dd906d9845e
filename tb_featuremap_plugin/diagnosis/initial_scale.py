"""How large a kernel starts, against what its fan-in asks for."""

from __future__ import annotations

import math

from tb_featuremap_plugin.diagnosis.phrases import number, times
from tb_featuremap_plugin.diagnosis.run_view import RunView, VariableView

FAR = 4.0
"""Factor to He's or Glorot's standard deviation from which on the initial scale is named as a cause. Initialisers in common use
(He, Glorot, LeCun, uniform 1/sqrt(fan_in), truncated normal 0.05) stay within 3.5 of the nearer of the two."""


def he_std(fan_in: float) -> float:
    """sqrt(2 / fan_in): keeps a signal's variance through a ReLU layer (He et al. 2015)."""
    return math.sqrt(2 / fan_in)


def glorot_std(fan_in: float, fan_out: float) -> float:
    """sqrt(2 / (fan_in + fan_out)): keeps it through a linear or tanh layer, both ways (Glorot and Bengio 2010)."""
    return math.sqrt(2 / (fan_in + fan_out))


def usual_norm(kernel: VariableView) -> float:
    """Norm of a kernel of this size by Glorot's rule; NaN if its fans are not known."""
    fan_in, fan_out, size = (kernel.row.first(column) for column in ("fan_in", "fan_out", "size"))
    known = 0 < fan_in < math.inf and 0 < fan_out < math.inf and 0 <= size < math.inf
    return glorot_std(fan_in, fan_out) * math.sqrt(size) if known else math.nan


def scale_factor(kernel: VariableView) -> float:
    """Initial standard deviation over the nearest of what He's and Glorot's rules allow: 1 between them, NaN if unknown."""
    if not kernel.start_is_known:
        return math.nan
    fan_in, fan_out, std = (kernel.row.first(column) for column in ("fan_in", "fan_out", "initial_std"))
    if not 0 < fan_in < math.inf or not math.isfinite(std):
        return math.nan
    high = he_std(fan_in)
    low = glorot_std(fan_in, fan_out) if 0 < fan_out < math.inf else high
    low, high = min(low, high), max(low, high)
    return std / high if std > high else min(std / low, 1.0)


def starts_small(kernel: VariableView | None) -> bool:
    """Whether a kernel starts far too small for its fan-in."""
    return kernel is not None and scale_factor(kernel) < 1 / FAR


def starts_large(kernel: VariableView | None) -> bool:
    """Whether a kernel starts far too large for its fan-in."""
    return kernel is not None and scale_factor(kernel) > FAR


def sentence(kernel: VariableView | None) -> str:
    """The initial scale as a cause, in words; "" if it is not one."""
    if kernel is None or not (starts_small(kernel) or starts_large(kernel)):
        return ""
    factor, fan_in = kernel.he_factor, kernel.row.first("fan_in")
    size, ratio = ("smaller", 1 / factor if factor > 0 else math.inf) if factor < 1 else ("larger", factor)
    return (
        f"Its weights start {times(ratio)} {size} than He's initialisation would for {number(fan_in)} inputs a unit: "
        f"standard deviation {number(kernel.row.first('initial_std'))}, where it would be {number(he_std(fan_in))}."
    )


def worst_start(view: RunView, *, large: bool) -> VariableView | None:
    """The hidden or output kernel that starts farthest off on one side; None if none is far off."""
    far = [kernel for kernel in view.kernels if (starts_large(kernel) if large else starts_small(kernel))]
    return (max if large else min)(far, key=scale_factor) if far else None
