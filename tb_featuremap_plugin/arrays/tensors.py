"""Any framework's tensor as a NumPy array, by duck typing: this module imports no framework.

Everything downstream sees NumPy arrays of bool, whole or floating numbers in native byte order.
"""

from __future__ import annotations

import sys
from array import array as packed_array
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_KINDS = "biuf"


def to_numpy(tensor: object, name: str) -> Array:
    """A tensor's values, without a copy where its framework allows that.

    Args:
        tensor: a NumPy array, a TensorFlow, torch or JAX tensor, a variable, a number or a nested list of numbers.
        name: of the argument, for the error message.

    Returns:
        The values. bfloat16 and the 8-bit floats become float32, the extended ones float64; the array may share memory with the tensor.

    Raises:
        TypeError: it is none of these, or has no values yet (a symbolic tensor), or its values are no real numbers.
    """
    try:
        array = tensor if isinstance(tensor, np.ndarray) else _convert(tensor)
    except Exception as error:  # each framework raises its own
        raise TypeError(f"{name} is a {_type_name(tensor)} whose values cannot be read: {error}") from error
    return _plain(array, name, tensor)


def snapshot(tensor: object, name: str) -> Array:
    """As `to_numpy`, of memory that nobody will write to: copies what the training loop may change in place.

    Raises:
        TypeError: as `to_numpy`.
    """
    array = to_numpy(tensor, name)
    return array.copy(order="K") if is_shared(array, tensor) else array


def is_shared(array: Array, tensor: object) -> bool:
    """Whether an array that was made of a tensor lies in memory that may still change with it."""
    return array is tensor or not (array.flags.owndata or _is_immutable(tensor))


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


def _is_immutable(tensor: object) -> bool:
    """Whether a tensor's memory can never change: true of JAX arrays and of TensorFlow's eager tensors."""
    module = type(tensor).__module__.partition(".")[0]
    return module in ("jax", "jaxlib") or (module == "tensorflow" and not has(tensor, "assign"))


def has(tensor: object, attribute: str) -> bool:
    """Whether a tensor has an attribute: its class is asked first, because TensorFlow's tensors make much of what they do not have."""
    kind = type(tensor)
    return hasattr(kind, attribute) or (kind.__module__.partition(".")[0] != "tensorflow" and hasattr(tensor, attribute))


def _convert(tensor: Any) -> Array:
    if has(tensor, "detach") and has(tensor, "cpu"):
        return _from_torch(tensor)
    if has(tensor, "assign") and callable(getattr(tensor, "numpy", None)):
        return np.asarray(tensor.numpy())
    return np.asarray(tensor)


def _from_torch(tensor: Any) -> Array:
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    if getattr(plain, "layout", None) is not None and str(plain.layout) != "torch.strided":
        plain = plain.to_dense()
    try:
        return np.asarray(plain.numpy())
    except TypeError:
        return np.asarray(plain.float().numpy())


def _plain(array: Array, name: str, tensor: object) -> Array:
    dtype = array.dtype
    if dtype.kind == "V" and dtype.names is None and hasattr(dtype.type, "dtype"):
        return array.astype(np.float32)
    if dtype.kind not in _KINDS:
        raise TypeError(f"{name} is a {_type_name(tensor)} of {dtype}; allowed are real numbers and bool")
    if dtype.itemsize > 8:
        return array.astype(np.float64)
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def _type_name(tensor: object) -> str:
    kind = type(tensor)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
