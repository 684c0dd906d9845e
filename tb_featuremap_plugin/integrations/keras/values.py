"""Values of Keras variables, read with as little ceremony as the backend allows."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import keras


def reader() -> Callable[[Any], Any]:
    """A function from a Keras variable to an array or tensor of its value, which later steps of training do not change."""
    if keras.backend.backend() != "tensorflow":
        return lambda variable: variable
    tf = importlib.import_module("tensorflow")
    plain = type(tf.Variable(0.0))

    def read(variable: Any) -> Any:
        value = variable.value
        if type(value) is not plain:  # variables of several replicas
            return variable
        return tf.raw_ops.ReadVariableOp(resource=value.handle, dtype=value.dtype)

    return read
