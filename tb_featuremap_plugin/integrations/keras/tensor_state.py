"""Tensors that a pass may write to in place: torch's, and variables of TensorFlow that are not Keras'."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

Undo = Callable[[], object]
"""Gives one tensor the value that it had."""

WRITES = (
    *("Assign", "ResourceScatter", "ResourceApply", "ResourceSparseApply", "ResourceStridedSliceAssign"),
    *("RngReadAndSkip", "RngSkip", "StatefulUniform", "StatefulStandardNormal", "StatefulTruncatedNormal", "NonDeterministicInts"),
    "StatefulRandomBinomial",
)
"""How the names of operations begin that write to variables."""

LASTING = (
    *("LookupTableInsert", "LookupTableImport", "LookupTableRemove", "QueueEnqueue", "QueueDequeue", "StackPush", "StackPop"),
    *("IteratorGetNext", "WriteFile", "Save", "Write", "TensorArrayWriteToResource", "SummaryWriter"),
)
"""How the names of operations begin whose effects cannot be put back."""

CALLS_PYTHON = ("PyFunc", "EagerPyFunc", "PyFuncStateless")


class TensorState:
    """Tensors that are put back after a pass whose Python code runs.

    Args:
        model: whose variables Keras itself protects, so that copies of them are only needed to check that.
        everything: copy those too.
    """

    def __init__(self, model: Any, *, everything: bool) -> None:
        self._backend = keras.backend.backend()
        protected = self._backend == "torch" and not everything
        self._protected = {id(variable.value) for variable in model.variables} if protected else set()
        self._undo: list[Undo] = []

    def take(self, thing: Any) -> bool:
        """Takes note of a tensor; False for what is not one."""
        if self._backend == "torch":
            undo = _undo_torch(thing, self._protected)
        else:
            undo = _undo_tensorflow(thing) if self._backend == "tensorflow" else None
        if undo is not None:
            self._undo.append(undo)
        return undo is not None

    def put_back(self) -> None:
        """Gives all tensors the values that they had."""
        for undo in self._undo:
            undo()


def _undo_torch(value: Any, protected: set[int]) -> Undo | None:
    torch = importlib.import_module("torch")
    if not isinstance(value, (torch.Tensor, torch.Generator)):
        return None
    if id(value) in protected or (isinstance(value, torch.Tensor) and value.device.type == "meta"):
        return lambda: None
    if isinstance(value, torch.Generator):
        state = value.get_state()
        return lambda: value.set_state(state)
    before = value.detach().clone()

    def undo() -> None:
        if value.shape == before.shape and torch.equal(value.detach(), before):
            return
        with torch.no_grad():
            value.data = before if value.shape != before.shape else value.data.copy_(before)

    return undo


def _undo_tensorflow(value: Any) -> Undo | None:
    tf = importlib.import_module("tensorflow")
    if isinstance(value, tf.random.Generator):
        value = value.state
    if not isinstance(value, tf.Variable):
        return None
    before = tf.identity(value)
    return lambda: value.assign(before)


def operations_of(graph: Any) -> Iterator[tuple[str, str]]:
    """Kind and name of each operation of a function's graph, those of the functions that it calls included."""
    definition = graph.as_graph_def()
    for node in definition.node:
        yield node.op, node.name
    for function in definition.library.function:
        for node in function.node_def:
            yield node.op, node.name


def lasting_operations(graph: Any) -> list[str]:
    """Names of the operations of a graph whose effects cannot be put back."""
    return [name for kind, name in operations_of(graph) if kind.startswith(LASTING)]


def written_variables(graph: Any) -> list[Any]:
    """Variables that the graph of a function may write to: all that it knows if it writes to any, else none."""
    writes = any(kind.startswith(WRITES) for kind, _ in operations_of(graph))
    return list(graph.variables) if writes else []


@contextmanager
def kept(variables: list[Any]) -> Iterator[None]:
    """Puts variables of TensorFlow back at the end."""
    undo = [_undo_tensorflow(variable) for variable in variables]
    try:
        yield
    finally:
        for put_back in undo:
            if put_back is not None:
                put_back()


def calls_python(graph: Any) -> bool:
    """Whether a graph calls back into Python at every run."""
    return any(kind in CALLS_PYTHON for kind, _ in operations_of(graph))
