"""Values of Keras variables in the midst of `fit`, read without disturbing it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from tb_featuremap_plugin.arrays.tensors import snapshot, to_numpy


def reader() -> Callable[[Any], Any]:
    """A function from a Keras variable to an array or tensor of its value, which later steps of training do not change."""
    if keras.backend.backend() != "tensorflow":
        return lambda variable: variable
    tf = importlib.import_module("tensorflow")
    plain = type(tf.Variable(0.0))

    def read(variable: Any) -> Any:
        value = getattr(variable, "value", variable)
        if type(value) is not plain:  # variables of several replicas
            return variable
        return tf.raw_ops.ReadVariableOp(resource=value.handle, dtype=value.dtype)

    return read


class Readings:
    """Reads variables of a model while it is trained.

    On JAX, a training step keeps all values to itself, and asking the model for them costs a copy of its whole state; here they are
    read where they are.

    Args:
        model: that is trained.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._read = reader()
        self._state: Sequence[Sequence[Any]] | None = None
        self._places: Mapping[int, tuple[int, int]] | None = None

    def use(self, state: Any) -> None:
        """Takes note of the state that a training step on JAX was given or returned."""
        self._state = state

    def number(self, variable: Any) -> float:
        """The value of a variable of one entry, or of a plain number."""
        return float(to_numpy(self._current(variable), "variable"))

    def copy(self, variable: Any) -> Any:
        """A variable's value, in memory that training does not write to: on TensorFlow a tensor, else an array."""
        current = self._current(variable)
        return current if keras.backend.backend() == "tensorflow" else snapshot(current, "variable")

    def _current(self, variable: Any) -> Any:
        if not isinstance(variable, keras.Variable):
            return variable
        kept = self._kept(variable)
        return self._read(variable) if kept is None else kept

    def _kept(self, variable: Any) -> Any:
        """On JAX in the midst of an epoch, the value that the model itself does not have; else None."""
        if self._state is None or getattr(self._model, "_jax_state_synced", True):
            return None
        if self._places is None:
            self._places = _places(self._model)
        place = self._places.get(id(variable))
        return None if place is None else self._state[place[0]][place[1]]


def _places(model: Any) -> dict[int, tuple[int, int]]:
    """Where in the state of a training step on JAX each variable stands."""
    optimizer = getattr(model, "optimizer", None)
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        optimizer.variables if optimizer is not None else (),
        model.metrics_variables,
    )
    return {id(variable): (group, index) for group, variables in enumerate(groups) for index, variable in enumerate(variables)}
