"""A probe of a sane size: all of it passes through the model at every logged step."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Any

from tb_featuremap_plugin.schema.log_sizes import KEPT_PROBE_SAMPLES, MAX_PROBE_SAMPLES


def bounded_probe(inputs: Any, targets: Any = None, *, stacklevel: int = 3) -> tuple[Any, Any]:
    """A probe and its targets, of which only the first `KEPT_PROBE_SAMPLES` samples are kept where there are more than `MAX_PROBE_SAMPLES`.

    To be called once for each probe, where it is given: the one warning comes from here. What cannot be cut (a dataset, a tensor that
    cannot be sliced) is returned as it was given.

    Args:
        inputs: an array [samples, ...] of any framework, a list of samples, or mappings, lists and tuples of arrays.
        targets: likewise, of the same samples; None where there are none.
        stacklevel: as of `warnings.warn`, so that the warning points at the line of the user.
    """
    samples = samples_of(inputs)
    if samples is None or samples <= MAX_PROBE_SAMPLES:
        return inputs, targets
    try:
        cut = _cut(inputs, samples), _cut(targets, samples)
    except Exception:  # each framework refuses slices in its own way; the whole probe is slow, half a probe would be wrong
        return inputs, targets
    warnings.warn(
        f"the probe has {samples:,} samples, and all of them would pass through the model at every logged step: the first "
        f"{KEPT_PROBE_SAMPLES} are used. Give a probe of at most {MAX_PROBE_SAMPLES} samples, such as images[:64]",
        RuntimeWarning,
        stacklevel=stacklevel,
    )
    return cut


def samples_of(probe: Any) -> int | None:
    """How many samples a probe has: the length of the first array's first axis, or of a list of samples; None where that is not known."""
    if _is_list(probe) and len(probe) > MAX_PROBE_SAMPLES:  # no model takes as many arguments
        return len(probe)
    for branch in _branches(probe):
        samples = samples_of(branch)
        if samples is not None:
            return samples
    return _length(probe)


def _cut(probe: Any, samples: int) -> Any:
    if _length(probe) == samples or (_is_list(probe) and len(probe) == samples):
        return _first_of(probe)
    if isinstance(probe, Mapping):
        return _like(probe, {key: _cut(value, samples) for key, value in probe.items()})
    if not _is_list(probe):
        return probe
    parts = [_cut(value, samples) for value in probe]
    return type(probe)(*parts) if hasattr(probe, "_fields") else type(probe)(parts)


def _first_of(array: Any) -> Any:
    if type(array).__name__ == "SparseTensor":  # TensorFlow's cannot be sliced; this is what tf.sparse.slice does
        return _first_of_sparse(array)
    return array[:KEPT_PROBE_SAMPLES]


def _first_of_sparse(array: Any) -> Any:
    indices = array.indices.numpy()
    kept = indices[:, 0] < KEPT_PROBE_SAMPLES
    shape = [KEPT_PROBE_SAMPLES, *map(int, array.shape[1:])]
    return type(array)(indices[kept], array.values.numpy()[kept], shape)


def _like(given: Mapping[Any, Any], values: dict[Any, Any]) -> Any:
    """A mapping of the same class, as a tokenizer's output has methods that a model may call."""
    if type(given) is dict:
        return values
    like: Any = copy.copy(given)
    for key, value in values.items():
        like[key] = value
    return like


def _branches(probe: Any) -> list[Any]:
    if isinstance(probe, Mapping):
        return list(probe.values())
    return list(probe) if _is_list(probe) else []


def _is_list(probe: Any) -> bool:
    """Whether this is a list or a tuple of things; torch's packed sequences are tuples too, and cannot be cut."""
    return isinstance(probe, (list, tuple)) and not hasattr(probe, "batch_sizes")


def _length(array: Any) -> int | None:
    shape = getattr(array, "shape", None)
    try:
        return int(shape[0]) if shape is not None and len(shape) else None
    except (TypeError, ValueError):  # an axis of a length that is not known, or a shape that is something else
        return None
