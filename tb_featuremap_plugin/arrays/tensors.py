"""Any framework's tensor as a NumPy array, by duck typing: this module imports no framework.

Everything downstream sees NumPy arrays of bool, whole or floating numbers in native byte order; what a framework keeps in another form
is made dense in `dense`.
"""

from __future__ import annotations

import sys
from array import array as packed_array
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.arrays.dense import dense_form, from_torch, of_objects

Array = npt.NDArray[Any]

_KINDS = "biufc"
_PLAIN = (int, float, complex, list, tuple, np.generic)


def to_numpy(tensor: object, name: str) -> Array:
    """A tensor's values, without a copy where its framework allows that.

    Args:
        tensor: a NumPy array, a TensorFlow, torch or JAX tensor, a variable, a number or a nested list of numbers.
        name: of the argument, for the error message.

    Returns:
        The values, real and dense. bfloat16 and the 8-bit floats become float32, the extended ones float64, complex numbers their
        magnitude; what is masked, or only pads ragged rows, is NaN. The array may share memory with the tensor.

    Raises:
        TypeError: it is none of these, or has no values yet (a symbolic tensor), or its values are not numbers.
    """
    return _real(_taken(tensor, name)[0])


def snapshot(tensor: object, name: str) -> Array:
    """As `to_numpy`, of memory that nobody will write to: copies what the training loop may change in place.

    Raises:
        TypeError: as `to_numpy`.
    """
    array, owned = to_own(tensor, name)
    return array if owned else array.copy(order="K")


def to_own(tensor: object, name: str) -> tuple[Array, bool]:
    """As `to_numpy`, and whether nobody else will ever write to that memory.

    Raises:
        TypeError: as `to_numpy`.
    """
    array, owned = _taken(tensor, name)
    real = _real(array)
    return real, owned or real is not array


def whole_snapshot(tensor: object, name: str) -> Array:
    """As `snapshot`, but complex numbers stay complex, and masks stay masks (`numpy.ma`).

    Raises:
        TypeError: as `to_numpy`.
    """
    array, owned = _taken(tensor, name)
    return array if owned else array.copy(order="K")


def whole_array(tensor: object, name: str) -> tuple[Array, bool]:
    """As `whole_snapshot` without a copy, and whether nobody else will ever write to that memory.

    Raises:
        TypeError: as `to_numpy`.
    """
    return _taken(tensor, name)


def real_magnitude(array: Array) -> Array:
    """Complex numbers as their magnitude; other arrays as they are."""
    return np.abs(array) if array.dtype.kind == "c" else array


def float32_bytes(numbers: Iterable[float]) -> bytes:
    """Numbers as float32, little-endian: of a few, NumPy would take several times as long."""
    packed = packed_array("f", numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def dtype_name(tensor: object) -> str:
    """Name of the dtype in which a tensor is kept, such as "bfloat16", whatever `to_numpy` makes of it."""
    dtype = getattr(tensor, "dtype", None)
    if dtype is None:
        return str(np.asarray(tensor).dtype)
    name = str(getattr(dtype, "name", dtype))
    return name.removeprefix("torch.")


def has(tensor: object, attribute: str) -> bool:
    """Whether a tensor has an attribute: its class is asked first, because TensorFlow's tensors make much of what they do not have."""
    kind = type(tensor)
    return hasattr(kind, attribute) or (kind.__module__.partition(".")[0] != "tensorflow" and hasattr(tensor, attribute))


def _taken(tensor: object, name: str) -> tuple[Array, bool]:
    """A tensor's values as numbers that NumPy computes with, and whether they lie in memory that nobody will write to."""
    try:
        array, owned = _convert(tensor)
    except Exception as error:  # each framework raises its own
        raise TypeError(f"{name} is a {_type_name(tensor)} whose values cannot be read: {error}") from error
    plain = _plain(array, name, tensor)
    return plain, owned or plain is not array


def _convert(tensor: Any) -> tuple[Array, bool]:
    if isinstance(tensor, np.ndarray):
        return _of_numpy(tensor)
    if has(tensor, "detach") and has(tensor, "cpu"):
        return from_torch(tensor)
    dense = dense_form(tensor)
    if dense is not None:
        return dense, True
    if has(tensor, "assign") and callable(getattr(tensor, "numpy", None)):
        return np.asarray(tensor.numpy()), False
    return np.asarray(tensor), isinstance(tensor, _PLAIN) or _is_immutable(tensor)


def _of_numpy(array: Array) -> tuple[Array, bool]:
    if array.dtype.kind == "O":
        filled = of_objects(array)
        return filled, filled is not array
    return (array if _is_masked_array(array) else np.asarray(array)), False


def _is_immutable(tensor: object) -> bool:
    """Whether a tensor's memory can never change: true of JAX arrays and of TensorFlow's eager tensors."""
    module = type(tensor).__module__.partition(".")[0]
    return module in ("jax", "jaxlib") or (module == "tensorflow" and not has(tensor, "assign"))


def _plain(array: Array, name: str, tensor: object) -> Array:
    dtype = array.dtype
    if dtype.kind == "V" and dtype.names is None and hasattr(dtype.type, "dtype"):
        return array.astype(np.float32)
    if dtype.kind not in _KINDS:
        raise TypeError(f"{name} is a {_type_name(tensor)} of {dtype}; allowed are numbers and bool")
    if dtype.itemsize > (16 if dtype.kind == "c" else 8):
        return array.astype(np.complex128 if dtype.kind == "c" else np.float64)
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def _real(array: Array) -> Array:
    real = real_magnitude(array)
    if not _is_masked_array(real):
        return real
    if not np.ma.is_masked(real):
        return np.ma.getdata(real)
    filled: Array = np.ma.filled(real.astype(np.result_type(real.dtype, np.float32)), np.nan)
    return filled


def _is_masked_array(array: Array) -> bool:
    """NumPy loads `numpy.ma` when it is first named; a signal handler may come within that, so plain arrays do not name it."""
    return type(array) is not np.ndarray and isinstance(array, np.ma.MaskedArray)


def _type_name(tensor: object) -> str:
    kind = type(tensor)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
