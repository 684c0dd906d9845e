"""Reads the weights at logged steps and at the two before, and measures large ones at once, so that at most three copies are ever held."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.tensors import dtype_name
from tb_featuremap_plugin.monitor.left_out import LeftOut
from tb_featuremap_plugin.monitor.network import Network
from tb_featuremap_plugin.monitor.snapshots import Known, Snapshots
from tb_featuremap_plugin.monitor.step_arguments import borrowed_array, own_array
from tb_featuremap_plugin.monitor.variable_table import Subject, VariableTable

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Tensors = Mapping[str, Any]

LARGE_BYTES = 4 << 20
"""Weights of more bytes are measured while the loop waits, out of its own memory. Less is copied, with gradients, and measured behind it:
that holds the loop for a shorter time, and however fast steps follow the copies stay small."""

_AT_ONCE_BYTES = 4 << 20
"""Copies from a device's memory that are measured together."""

_ENTRY_BYTES = 4


@dataclass(frozen=True)
class WeightsOfStep:
    """The weights of a logged step.

    Attributes:
        variables: by name, in memory that nobody changes before the next read.
        gradients: by name; empty where they were measured already.
        rows: of the variables' table by name, where they were measured already; None where they are to be.
    """

    variables: Mapping[str, Known] = field(default_factory=dict)
    gradients: Mapping[str, Array] = field(default_factory=dict)
    rows: Mapping[str, Float32] | None = None


class WeightReader:
    """Keeps the snapshots of a training's weights.

    Args:
        keep_first: whether the first value is kept.
        table: measures large variables.
        left_out: takes what cannot be read.
        wait: returns when the record before this one is made; False if that does not happen. Only then may memory be used again.

    Attributes:
        shapes, dtypes: by name, as of the run record.
    """

    def __init__(self, *, keep_first: bool, table: VariableTable, left_out: LeftOut, wait: Callable[[], bool]) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, str] = {}
        self._snapshots = Snapshots(keep_first=keep_first)
        self._table = table
        self._left_out = left_out
        self._wait = wait

    def read(self, step: int, tensors: Tensors) -> None:
        """Keeps the weights of a step that is not logged itself."""
        large = self._begin(step, tensors)
        for name, tensor in tensors.items():
            self._left_out.attempt(f"weights/{name}", partial(self._keep, step, name, tensor, large))

    def take(self, step: int, tensors: Tensors, gradients: Tensors, network: Network) -> WeightsOfStep:
        """Reads the weights of a logged step with their gradients.

        Args:
            step: of the record.
            tensors, gradients: by name.
            network: whose variables they are.
        """
        if self._begin(step, tensors):
            return self._measure(step, tensors, gradients, network)
        variables = {}
        for name, tensor in tensors.items():
            known = self._left_out.attempt(f"weights/{name}", partial(self._copy, step, name, tensor))
            if known is not None:
                variables[name] = known
        copies = {name: self._gradient(name, tensor, own_array) for name, tensor in gradients.items() if name in variables}
        return WeightsOfStep(variables, {name: copy for name, copy in copies.items() if copy is not None})

    def _begin(self, step: int, tensors: Tensors) -> bool:
        """Whether these weights are large; if so, nobody looks at the older ones any more.

        Raises:
            TimeoutError: somebody still does.
        """
        large = sum(map(_size_of, tensors.values())) > LARGE_BYTES
        if large and not self._wait():
            raise TimeoutError("the record before this one is still being written: the storage does not answer")
        if tensors:
            self._snapshots.forget_all_but(tensors, step)
        return large

    def _describe(self, name: str, tensor: Any, array: Array) -> None:
        self.shapes[name] = array.shape
        if name not in self.dtypes:
            self.dtypes[name] = dtype_name(tensor)

    def _keep(self, step: int, name: str, tensor: Any, large: bool) -> None:
        array, owned = borrowed_array(tensor, f"weights[{name!r}]")
        self._describe(name, tensor, array)
        self._snapshots.keep(step, name, array, owned=owned, reuse=large)

    def _copy(self, step: int, name: str, tensor: Any) -> Known:
        array = own_array(tensor, f"weights[{name!r}]")
        self._describe(name, tensor, array)
        known = self._snapshots.known(step, name, array)
        self._snapshots.keep(step, name, array, owned=True)
        return known

    def _gradient(self, name: str, tensor: Any, read: Callable[[Any, str], Any]) -> Any:
        return self._left_out.attempt(f"gradients/{name}", lambda: read(tensor, f"gradients[{name!r}]"))

    def _measure(self, step: int, tensors: Tensors, gradients: Tensors, network: Network) -> WeightsOfStep:
        """Measures out of the loop's own memory, and only then copies each variable over the older of the two kept values."""
        rows: dict[str, Float32] = {}
        kept: dict[str, Known] = {}
        waiting: dict[str, tuple[Subject, bool]] = {}
        copied = 0

        def settle() -> None:
            rows.update(self._table.rows({name: subject for name, (subject, _) in waiting.items()}, network))
            for name, (subject, owned) in waiting.items():
                self._left_out.attempt(f"weights/{name}", partial(self._settle, kept, step, name, subject.known, owned))
            waiting.clear()

        for name, tensor in tensors.items():
            subject = self._left_out.attempt(f"weights/{name}", partial(self._borrow, step, name, tensor, gradients.get(name)))
            if subject is not None:
                waiting[name] = subject[:2]
                copied += subject[2]
            if copied > _AT_ONCE_BYTES:
                settle()
                copied = 0
        settle()
        return WeightsOfStep(kept, {}, rows)

    def _borrow(self, step: int, name: str, tensor: Any, gradient: Any) -> tuple[Subject, bool, int]:
        """A variable to be measured, whether its memory is its own, and how many bytes were copied to read it."""
        array, owned = borrowed_array(tensor, f"weights[{name!r}]")
        self._describe(name, tensor, array)
        found = None if gradient is None else self._gradient(name, gradient, borrowed_array)
        slope, slope_owned = found if found is not None else (None, False)
        copied = (array.nbytes if owned else 0) + (slope.nbytes if slope is not None and slope_owned else 0)
        subject = Subject(self._snapshots.known(step, name, array), slope, self.dtypes[name])
        return subject, owned, copied

    def _settle(self, kept: dict[str, Known], step: int, name: str, known: Known, owned: bool) -> None:
        now = self._snapshots.keep(step, name, known.now.value, owned=owned, reuse=True)
        kept[name] = Known(now, known.before[-1:], known.first)


def _size_of(tensor: Any) -> int:
    """About how many bytes a tensor takes: what has no shape that can be asked for counts nothing."""
    try:
        return math.prod(map(int, tensor.shape)) * _ENTRY_BYTES
    except Exception:  # of tensors that have no whole shape, such as nested ones
        return 0
