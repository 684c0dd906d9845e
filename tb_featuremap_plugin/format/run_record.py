"""The run record's bytes: `RunRecord` to a blob, and back from a blob that anyone may have written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.schema import limits
from tb_featuremap_plugin.schema.errors import FormatError
from tb_featuremap_plugin.schema.network import Layer, Probe, RunRecord

KIND = "run"
_SECTION = "run"

T = TypeVar("T")
_Check = Callable[[str, object], Any]


def encode(run_record: RunRecord) -> bytes:
    """Writes a run record: the same record always gives the same bytes.

    Raises:
        ValueError: the record holds NaN or Inf, which JSON cannot.
    """
    text = json.dumps(run_record.to_dict(), allow_nan=False, separators=(",", ":"), sort_keys=True)
    return record.encode({"kind": KIND}, {_SECTION: np.frombuffer(text.encode("ascii"), np.uint8)})


def decode(blob: bytes) -> RunRecord:
    """Reads a run record; fields that it does not know are left out.

    Raises:
        NewerVersionError: it is of a later format version.
        FormatError: it is no run record, or a field has the wrong type.
    """
    parsed = record.decode(blob)
    if parsed.header.get("kind") != KIND:
        raise FormatError(f"the record is of kind {parsed.header.get('kind')!r:.100}, not {KIND!r}")
    section = parsed.sections.get(_SECTION)
    if section is None or section.dtype != "uint8" or section.nbytes > limits.MAX_RUN_RECORD_BYTES:
        raise FormatError(f"the run record must be a uint8 section {_SECTION!r} of at most {limits.MAX_RUN_RECORD_BYTES} bytes")
    return from_dict(_parse_json(parsed.array(_SECTION).tobytes()))


def from_dict(values: object) -> RunRecord:
    """A run record from plain JSON values, each field checked.

    Raises:
        FormatError: a field has the wrong type.
    """
    return _build(RunRecord, _RUN_FIELDS, "run record", values)


def _parse_json(text: bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the run record is not JSON: {error}") from None


def _build(cls: Callable[..., T], checks: Mapping[str, _Check], where: str, values: object) -> T:
    if not isinstance(values, dict):
        raise FormatError(f"{where} is a {type(values).__name__}, not an object")
    known = {name: check(f"{where}, field {name!r}", values[name]) for name, check in checks.items() if name in values}
    try:
        return cls(**known)
    except (TypeError, ValueError) as error:
        raise FormatError(f"{where}: {error}") from None


def _text(where: str, value: object) -> str:
    return _of_type(where, value, str)


def _flag(where: str, value: object) -> bool:
    return _of_type(where, value, bool)


def _whole(where: str, value: object) -> int:
    number = _of_type(where, value, int)
    if abs(number) > limits.MAX_STEP:
        raise FormatError(f"{where} is beyond {limits.MAX_STEP}")
    return number


def _number(where: str, value: object) -> float:
    number = float(_whole(where, value)) if type(value) is int else _of_type(where, value, float)
    if not math.isfinite(number):
        raise FormatError(f"{where} is {number}, not finite")
    return number


def _of_type(where: str, value: object, kind: type[T]) -> T:
    if type(value) is not kind:
        raise FormatError(f"{where} is a {type(value).__name__}, not a {kind.__name__}")
    return value


def _optional(check: _Check) -> _Check:
    return lambda where, value: None if value is None else check(where, value)


def _list_of(check: _Check) -> _Check:
    return lambda where, value: tuple(check(where, item) for item in _of_type(where, value, list))


def _map_of(check: _Check) -> _Check:
    return lambda where, value: {key: check(where, item) for key, item in _of_type(where, value, dict).items()}


def _padding(where: str, value: object) -> str | tuple[int, ...]:
    padding: str | tuple[int, ...] = value if isinstance(value, str) else _sizes(where, value)
    return padding


def _layer(where: str, value: object) -> Layer:
    return _build(Layer, _LAYER_FIELDS, f"{where}, layer", {"name": None, **value} if isinstance(value, dict) else value)


def _probe(where: str, value: object) -> Probe:
    return _build(Probe, _PROBE_FIELDS, f"{where}, probe", value)


_sizes, _texts = _list_of(_whole), _list_of(_text)

_LAYER_FIELDS: dict[str, _Check] = {
    "name": _text,
    "kind": _optional(_text),
    "activation": _optional(_text),
    "weights": _texts,
    "state": _texts,
    "trainable": _flag,
    "role": _text,
    "inputs": _texts,
    "kernel_size": _optional(_sizes),
    "strides": _optional(_sizes),
    "padding": _optional(_padding),
    "dilation": _optional(_sizes),
    "groups": _optional(_whole),
}

_PROBE_FIELDS: dict[str, _Check] = {"step": _whole, "digest": _text, "shapes": _map_of(_sizes)}

_RUN_FIELDS: dict[str, _Check] = {
    "layers": _list_of(_layer),
    "layer_rows": _texts,
    "layer_columns": _texts,
    "variable_rows": _texts,
    "variable_columns": _texts,
    "progress_columns": _texts,
    "variable_shapes": _map_of(_sizes),
    "variable_dtypes": _map_of(_text),
    "loss": _optional(_text),
    "from_logits": _optional(_flag),
    "optimizer": _optional(_text),
    "weight_decay": _optional(_number),
    "probes": _list_of(_probe),
    "inputs_private": _flag,
    "every": _optional(_text),
    "versions": _map_of(_text),
    "notes": _texts,
}
