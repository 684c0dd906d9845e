"""Tensors that a framework keeps in another form than one block of numbers (sparse, ragged, quantised, masked) as dense arrays.

What has no value somewhere (the padding of ragged rows, what is masked) is a masked entry: statistics leave it out.
No framework is imported.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def dense_form(tensor: Any) -> Array | None:
    """A sparse or ragged tensor of TensorFlow, JAX or SciPy as an array of its own memory; None for anything else.

    Raises:
        TypeError: its dense shape is not known.
    """
    kind = type(tensor)
    package = kind.__module__.partition(".")[0]
    make = _FORMS.get((package, kind.__name__))
    if make is not None:
        return make(tensor)
    if package == "scipy" and hasattr(tensor, "toarray"):
        return np.asarray(tensor.toarray())
    return np.asarray(tensor.todense()) if hasattr(kind, "todense") else None


OURS_ALONE = "_featuremaps_ours_alone"
"""Attribute of a torch tensor that was copied for the record, and that nobody else has: it need not be copied again."""


def from_torch(tensor: Any) -> tuple[Array, bool]:
    """A torch tensor's values, and whether they lie in memory of their own.

    Raises:
        Exception: torch's own, where the values cannot be read.
    """
    plain = tensor.detach()
    if hasattr(plain, "to_local") and hasattr(plain, "placements"):
        plain = _whole(plain)
    if getattr(plain, "is_nested", False):
        return padded([from_torch(part)[0] for part in plain.unbind()]), True
    if hasattr(plain, "get_mask") and hasattr(plain, "get_data"):
        values, mask = from_torch(plain.get_data())[0], from_torch(plain.get_mask())[0]
        return _masked(values.copy(), ~mask), True
    host = plain.cpu()
    dense = _dense_torch(host)
    if dense is host and plain.device.type == "cpu" and not getattr(tensor, OURS_ALONE, False):
        dense = dense.clone()  # a tensor that NumPy has looked into can never change its size again, as sharding does
    try:
        return np.asarray(dense.numpy()), True
    except TypeError:  # a dtype that NumPy does not have
        return np.asarray(_widened(dense).numpy()), True
    except RuntimeError:  # a subclass that keeps its values in a form of its own
        return np.asarray(dense.dequantize().numpy()), True


def padded(parts: Sequence[Array]) -> Array:
    """Arrays of unequal sizes as one, [parts, largest sizes]; what is only there to fill up is masked.

    Raises:
        ValueError: they differ in how many axes they have.
    """
    shapes = [part.shape for part in parts]
    if len({len(shape) for shape in shapes}) > 1:
        raise ValueError(f"it holds arrays of shapes {shapes[:3]}, which have different numbers of axes")
    sizes = [max(axis) for axis in zip(*shapes, strict=True)]
    dtype = np.result_type(*parts) if parts else np.dtype(np.float32)
    values, masked = np.zeros((len(parts), *sizes), dtype), np.ones((len(parts), *sizes), np.bool_)
    for index, part in enumerate(parts):
        where: tuple[Any, ...] = (index, *(slice(size) for size in part.shape))
        values[where], masked[where] = part, False
    return _masked(values, masked)


def _masked(values: Array, mask: Array) -> Array:
    array: Array = np.ma.masked_array(values, mask)
    return array


def of_objects(array: Array) -> Array:
    """An array of arrays of unequal sizes, as NumPy keeps a ragged batch, padded; any other array of objects as it is."""
    parts = [item for item in array.flat if isinstance(item, np.ndarray) and item.dtype.kind in "biufc"]
    return padded(parts) if parts and len(parts) == array.size and array.ndim == 1 else array


def _dense_torch(plain: Any) -> Any:
    if getattr(plain, "is_quantized", False):
        return plain.dequantize()
    if str(getattr(plain, "layout", "torch.strided")) != "torch.strided":
        return plain.to_dense()
    return plain.resolve_conj().resolve_neg()


def _widened(plain: Any) -> Any:
    """In a dtype that NumPy has: complex numbers of half precision, the small floats, bfloat16."""
    return plain.to(sys.modules["torch"].complex64) if plain.is_complex() else plain.float()


def _whole(tensor: Any) -> Any:
    """What this process holds of a tensor that several share, if that is all of it.

    Raises:
        TypeError: each holds a part; to fetch the others takes all processes at once.
    """
    mesh = tensor.device_mesh.size()
    if mesh > 1 and not all(placement.is_replicate() for placement in tensor.placements):
        raise TypeError(f"it is sharded over {mesh} processes; give tensor.full_tensor(), which all of them must call")
    return tensor.to_local()


def _of_slices(slices: Any) -> Array:
    """TensorFlow's gradient of an embedding: rows that are named by `indices`, those named twice added up."""
    if slices.dense_shape is None:
        raise TypeError("its dense_shape is not known; give tf.convert_to_tensor(gradient)")
    values = np.asarray(slices.values)
    wide = values if values.dtype.kind in "fc" and values.dtype.itemsize > 2 else values.astype(np.float32)
    dense = np.zeros(tuple(map(int, np.asarray(slices.dense_shape))), wide.dtype)
    np.add.at(dense, np.asarray(slices.indices), wide)
    return dense


def _of_sparse(sparse: Any) -> Array:
    values = np.asarray(sparse.values)
    if values.dtype.kind not in "biufcV":
        raise TypeError(f"it holds {values.dtype}")
    shape = tuple(map(int, np.asarray(sparse.dense_shape)))
    dense = np.zeros(shape, values.dtype)
    dense[tuple(np.asarray(sparse.indices).T)] = values
    return dense


def _of_ragged(ragged: Any) -> Array:
    tensorflow = sys.modules["tensorflow"]
    known = ragged.with_flat_values(tensorflow.ones_like(ragged.flat_values, tensorflow.bool)).to_tensor(False)
    return _masked(np.array(ragged.to_tensor()), ~np.asarray(known))


_FORMS: dict[tuple[str, str], Callable[[Any], Array]] = {
    ("tensorflow", "IndexedSlices"): _of_slices,
    ("tensorflow", "SparseTensor"): _of_sparse,
    ("tensorflow", "RaggedTensor"): _of_ragged,
}


def real_entries(array: Array, channel_axis: int | None) -> Array:
    """The entries of a masked array that are no padding, [1, channels, entries]: which sample each is of is not known any more.

    Args:
        array: a masked array.
        channel_axis: whose channels are kept apart, if each position is masked in all of them or in none; None takes all as one channel.
    """
    known = ~np.ma.getmaskarray(array)
    values = np.ma.getdata(array)
    if channel_axis is None or not array.ndim or not array.size:
        return values[known].reshape(1, 1, -1)
    values, known = np.moveaxis(values, channel_axis, -1), np.moveaxis(known, channel_axis, -1)
    if not (known.all(axis=-1) | ~known.any(axis=-1)).all():
        return values[known].reshape(1, 1, -1)
    channels = values.shape[-1]
    positions: Array = values.reshape(math.prod(values.shape[:-1]), channels)[known[..., 0].reshape(-1)]
    real: Array = positions.T[None]
    return real
