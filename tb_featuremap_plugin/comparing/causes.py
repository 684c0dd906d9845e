"""Which of the things that part at a step is the cause, and which are its consequences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tb_featuremap_plugin.comparing.comparison import LEARNING_RATE, LOSS, OUTPUT, WEIGHTS
from tb_featuremap_plugin.comparing.scan import Parted, Scan

_AT_ONCE = 0.8
_OUTSTANDING = 8
_UNEXPLAINED = 20
_CLEARLY = 0.05
_UNRELATED = 0.9
_SCALED = 0.9999
_RESCALED = 0.01


@dataclass(frozen=True)
class Cause:
    """What parts first.

    Attributes:
        what: as in `Comparison`.
        parted: the numbers by which that is known, the one to show first.
        how: "alone" (this variable or output), "at once" (all layers), "scaled" (all kernels are multiples), "stays" (in one run),
            "outstanding" (by far more than the rest), "unexplained" (an output, by more than its inputs and weights make).
    """

    what: str
    parted: Parted
    how: str = "alone"

    @property
    def layer(self) -> str | None:
        """The layer that is to blame; None where all part at once."""
        return None if self.how in ("at once", "scaled") or self.parted.site is None else self.parted.site.layer


def cause(scan: Scan, step: int, found: Sequence[Parted]) -> Cause:
    """The cause among what parts at one step."""
    rate = [one for one in found if one.what == LEARNING_RATE]
    if rate:
        return Cause(LEARNING_RATE, rate[0])
    variables = _ordered(scan, [one for one in found if one.what == WEIGHTS])
    outputs = _ordered(scan, [one for one in found if one.what == OUTPUT])
    if variables:
        return _of_weights(scan, step, variables, outputs)
    if outputs:
        return Cause(OUTPUT, outputs[0])
    return Cause(LOSS, found[0])


def starts_differ(scan: Scan, step: int, found: Sequence[Parted]) -> bool:
    """Whether most kernels differ at the first step of both, and not by a little: two seeds."""
    logged = scan.logged
    kernels = [one for one in found if one.is_kernel]
    count = len(scan.pair.kernels)
    if not logged or step > logged[0] or not kernels or 2 * len(kernels) <= count:
        return False
    cosines = [one.cosine for one in kernels if not math.isnan(one.cosine)]
    if cosines:
        return sum(cosine < _UNRELATED for cosine in cosines) * 2 > len(cosines)
    return count > 1 and step <= 1


def is_multiple(one: Parted) -> bool:
    """Whether a kernel that was not yet trained is that of the other run times a factor."""
    a, b = one.number.a, one.number.b
    return one.cosine > _SCALED and one.entries != 1 and math.isnan(one.updates) and abs(a - b) > _RESCALED * max(abs(a), abs(b))


def _of_weights(scan: Scan, step: int, variables: list[Parted], outputs: list[Parted]) -> Cause:
    staying = [one for one in variables if one.stays]
    if staying and len(staying) < len(variables):
        return Cause(WEIGHTS, staying[0], "stays")
    if _layers(variables) < 2:
        return Cause(WEIGHTS, variables[0], "stays" if variables[0].stays else "alone")
    kernels = [one for one in variables if one.is_kernel]
    outstanding = _outstanding(variables) or _outstanding(kernels)
    if outstanding is not None:
        return Cause(WEIGHTS, outstanding, "outstanding")
    unexplained = _unexplained(scan, variables, outputs)
    if unexplained is not None:
        return Cause(OUTPUT, unexplained, "unexplained")
    if len(kernels) > 1 and len(kernels) >= _AT_ONCE * scan.moving_kernels(step):
        return Cause(WEIGHTS, kernels[0], "scaled" if all(is_multiple(one) for one in kernels) else "at once")
    known = _by_updates(kernels or variables)
    return Cause(WEIGHTS, known[0] if known else variables[0])


def _outstanding(variables: Sequence[Parted]) -> Parted | None:
    """The variable that differs by far more updates than those of all other layers: something was done to it, and the rest followed."""
    known = _by_updates(variables)
    others = [one.updates for one in known if one.site and known[0].site and one.site.layer != known[0].site.layer]
    return known[0] if others and known[0].updates > _OUTSTANDING * max(others) else None


def _by_updates(variables: Sequence[Parted]) -> list[Parted]:
    """What is trained, by how many updates it differs, the most first; empty where that is not known of each kernel.

    What is done to a layer before an update changes the gradients of all layers, those before it in the network included: then the order
    of the network says nothing.
    """
    if any(math.isnan(one.updates) for one in variables if one.is_kernel):
        return []
    known = [one for one in variables if not math.isnan(one.updates) and one.site is not None and not one.site.is_state]
    return sorted(known, key=lambda one: -one.updates)


def _unexplained(scan: Scan, variables: Sequence[Parted], outputs: Sequence[Parted]) -> Parted | None:
    """The first output that differs by far more than all before it, weights included: its layer computes something else."""
    largest = 0.0
    for one in sorted([*variables, *outputs], key=lambda one: scan.pair.rank(one.site.table, one.site.row) if one.site else 0):
        if one.what == OUTPUT and one.relative > max(_CLEARLY, _UNEXPLAINED * largest):
            return one
        largest = max(largest, one.relative if one.what == OUTPUT else one.body)
    return None


def _ordered(scan: Scan, found: list[Parted]) -> list[Parted]:
    return sorted(found, key=lambda one: scan.pair.rank(one.site.table, one.site.row) if one.site else 0)


def _layers(found: Sequence[Parted]) -> int:
    return len({one.site.layer for one in found if one.site is not None})
