"""All that one record is made of: arrays that are nobody else's, so that it can be made behind the loop."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.measures.activations.accumulator import ActivationAccumulator
from tb_featuremap_plugin.monitor.network import Network
from tb_featuremap_plugin.monitor.progress import Progress
from tb_featuremap_plugin.monitor.sharded_weights import JoinedVariable
from tb_featuremap_plugin.monitor.weight_reader import WeightsOfStep
from tb_featuremap_plugin.schema.network import Probe, RunRecord

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class StepData:
    """One logged step.

    Attributes:
        step: finished updates.
        about: the run as known at this step, without notes.
        network: layers as known at this step.
        progress: without what is known only when the record is made.
        inputs, targets, activations: by name; empty where not given.
        probe_changed: whether the inputs are to be written as pictures.
        weights: now and before, with gradients; empty where not given.
        joined: statistics over all workers, by row; empty for a single process.
        sharded: variables of which each worker holds a part, by name.
        own_share: whether rows that are not in `joined` are measured from the arrays that this process has.
        ordinals, variable_ordinals: how often each row of layers and of variables has been logged, this time included.
        losses: float32 [n, 2] of `LOSS_COLUMNS`; None if there are none.
    """

    step: int
    about: RunRecord
    network: Network
    progress: Progress
    inputs: Arrays = field(default_factory=dict)
    targets: Arrays = field(default_factory=dict)
    activations: Arrays = field(default_factory=dict)
    probe_changed: bool = False
    weights: WeightsOfStep = field(default_factory=WeightsOfStep)
    joined: Mapping[str, ActivationAccumulator] = field(default_factory=dict)
    own_share: bool = True
    sharded: Mapping[str, JoinedVariable] = field(default_factory=dict)
    ordinals: Mapping[str, int] = field(default_factory=dict)
    variable_ordinals: Mapping[str, int] = field(default_factory=dict)
    losses: npt.NDArray[np.float32] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes that wait until the record is made; earlier weights are shared with the next records."""
        groups = (self.inputs, self.targets, self.activations, self.weights.gradients)
        waiting = sum(array.nbytes for group in groups for array in group.values())
        kernels = sum(one.kernel.nbytes for one in self.sharded.values() if one.kernel is not None)
        return waiting + kernels + sum(known.now.value.nbytes for known in self.weights.variables.values())


MOST_PROBES = 100
"""Changes of the probe that the run record lists; a loop that logs another batch each time would fill it."""

_DIGEST_BYTES = 8


def digest_of(arrays: Arrays) -> str:
    """A hash of names, shapes, dtypes and values."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for name, array in arrays.items():
        digest.update(f"{name}:{array.dtype}:{array.shape};".encode(errors="replace"))
        digest.update(_bytes_of(np.ma.getdata(array)))
        if isinstance(array, np.ma.MaskedArray):
            digest.update(_bytes_of(np.ma.getmaskarray(array)))
    return digest.hexdigest()


def _bytes_of(array: npt.NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


class ProbeLog:
    """Remembers every change of the probe."""

    def __init__(self) -> None:
        self.entries: tuple[Probe, ...] = ()
        self.changes = 0
        self._digest: str | None = None

    def changed(self, step: int, arrays: Arrays) -> bool:
        """Whether these inputs differ from the last ones; the first ones do."""
        digest = digest_of(arrays)
        if digest == self._digest:
            return False
        self.changes += self._digest is not None
        self._digest = digest
        if len(self.entries) < MOST_PROBES:
            self.entries += (Probe(step, digest, {name: array.shape for name, array in arrays.items()}),)
        return True
