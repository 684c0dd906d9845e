"""Arrays of a step, taken while the loop waits: what cannot be read costs itself alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy.typing as npt

from tb_featuremap_plugin.arrays.tensors import real_magnitude
from tb_featuremap_plugin.monitor.left_out import LeftOut
from tb_featuremap_plugin.monitor.step_arguments import SINGLE_NAMES, StepArguments, Tree, flat, own_array

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Batch:
    """The probe and what the layers made of it, in arrays that are nobody else's.

    Attributes:
        inputs, targets, activations: by name.
        problem: why one of them is not there at all, though it was given; empty where all are.
    """

    inputs: Mapping[str, Array]
    targets: Mapping[str, Array]
    activations: Mapping[str, Array]
    problem: str = ""


class Taker:
    """Reads the arguments of a call.

    Args:
        left_out: takes what cannot be read.
    """

    def __init__(self, left_out: LeftOut) -> None:
        self._left_out = left_out

    def tensors(self, tree: Tree, what: str, *, may_be_empty: bool = False) -> dict[str, Any] | None:
        """The arrays of an argument as their framework keeps them; None if it cannot be read.

        Args:
            tree: as given to `Monitor.log`.
            what: the argument's name.
            may_be_empty: as of `flat`.
        """
        single = SINGLE_NAMES.get(what, what)
        read = partial(flat, tree, what, single, may_be_empty=may_be_empty, renamed=partial(self._warn_of_name, what))
        return self._left_out.attempt(what, read)

    def batch(self, call: StepArguments) -> Batch:
        """Copies of the arrays of a call that are of the probe, without those that cannot be read."""
        trees = {"inputs": call.inputs, "targets": call.targets, "activations": call.activations}
        found = {what: self.tensors(tree, what) for what, tree in trees.items()}
        missing = [what for what, tensors in found.items() if tensors is None]
        problem = f"{missing[0]} cannot be read: {self._left_out.reasons.get(missing[0])}" if missing else ""
        return Batch(**{what: self._copies(tensors or {}, what) for what, tensors in found.items()}, problem=problem)

    def _copies(self, tensors: Mapping[str, Any], what: str) -> dict[str, Array]:
        arrays = {}
        for name, tensor in tensors.items():
            array = self._left_out.attempt(f"{what}/{name}", partial(own_array, tensor, f"{what}[{name!r}]"))
            if array is not None:
                arrays[name] = real_magnitude(array)
        return arrays

    def _warn_of_name(self, what: str, name: str, new: str) -> None:
        self._left_out.warn(f"two arrays of {what} are called {name!r}: the second is logged as {new!r}; give each a name of its own")
