"""The run record's bytes: `RunRecord` to a blob, and back from a blob that anyone may have written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import is_dataclass
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.schema import limits
from tb_featuremap_plugin.schema.errors import FormatError
from tb_featuremap_plugin.schema.network import RunRecord

KIND = "run"
_LATER_FIELDS = frozenset(
    {
        *("frozen", "layout", "calls", "rate", "kernels", "receives"),
        *("output_function", "output_axis", "loss_facts", "loop_facts", "not_optimized", "unregistered", "left_out", "changes"),
    }
)
"""Fields of layers and records that came after 0.1.0: left out where they are empty, so that a record without them stays as it was."""

_SECTION = "run"

T = TypeVar("T")
_Check = Callable[[str, object], Any]


def encode(run_record: RunRecord) -> bytes:
    """Writes a run record: the same record always gives the same bytes.

    Raises:
        ValueError: the record holds NaN or Inf, which JSON cannot.
    """
    known = _without_empty(cast("Mapping[str, Any]", run_record.to_dict()))
    values = {**known, "layers": [_without_empty(layer) for layer in known["layers"]]}
    text = json.dumps(values, allow_nan=False, separators=(",", ":"), sort_keys=True)
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
    return _build(RunRecord, "run record", values)


def _without_empty(layer: Mapping[str, Any]) -> dict[str, Any]:
    empty = {name: () if name != "kernels" else None for name in _LATER_FIELDS}
    return {name: value for name, value in layer.items() if name not in empty or not (value is None or value in (empty[name], {}))}


def _parse_json(text: bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the run record is not JSON: {error}") from None


def _build(cls: type[T], where: str, values: object) -> T:
    """A dataclass from an object, each field by its type; fields that it does not have are left out."""
    if not isinstance(values, dict):
        raise FormatError(f"{where} is a {type(values).__name__}, not an object")
    known = {name: check(f"{where}, field {name!r}", values[name]) for name, check in _checks(cls).items() if name in values}  # type: ignore[arg-type]  # a class is hashable
    try:
        return cls(**known)
    except (TypeError, ValueError) as error:
        raise FormatError(f"{where}: {error}") from None


@cache
def _checks(cls: Hashable) -> dict[str, _Check]:
    """What checks each field of a dataclass, from the types that it is declared with."""
    return {name: _check_for(hint) for name, hint in get_type_hints(cls).items()}


def _check_for(hint: Any) -> _Check:
    """What checks a value of a type, and makes of JSON's lists the tuples that it asks for."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return partial(_one_of, {_json_type(argument): _check_for(argument) for argument in arguments})
    if origin is tuple:
        return partial(_list_of, _check_for(arguments[0]))
    if origin is Mapping:
        return partial(_map_of, _check_for(arguments[1]))
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda where, value: _build(hint, f"{where}, {hint.__name__.lower()}", value)
    return _SCALARS[hint]


def _json_type(hint: Any) -> type:
    """The type that JSON's parser gives a value of this type."""
    return list if get_origin(hint) is tuple else hint


def _one_of(checks: Mapping[type, _Check], where: str, value: object) -> Any:
    """Of several types the one that the value has; of a number the one there is."""
    check = checks.get(type(value)) or next(check for kind, check in checks.items() if kind is not NoneType)
    return check(where, value)


def _list_of(check: _Check, where: str, value: object) -> tuple[Any, ...]:
    return tuple(check(where, item) for item in _of_type(list, where, value))


def _map_of(check: _Check, where: str, value: object) -> dict[str, Any]:
    return {key: check(where, item) for key, item in _of_type(dict, where, value).items()}


def _whole(where: str, value: object) -> int:
    number = _of_type(int, where, value)
    if abs(number) > limits.MAX_STEP:
        raise FormatError(f"{where} is beyond {limits.MAX_STEP}")
    return number


def _number(where: str, value: object) -> float:
    number = float(_whole(where, value)) if type(value) is int else _of_type(float, where, value)
    if not math.isfinite(number):
        raise FormatError(f"{where} is {number}, not finite")
    return number


def _of_type(kind: type[T], where: str, value: object) -> T:
    if type(value) is not kind:
        raise FormatError(f"{where} is a {type(value).__name__}, not a {kind.__name__}")
    return value


_SCALARS: dict[Any, _Check] = {
    str: partial(_of_type, str),
    bool: partial(_of_type, bool),
    int: _whole,
    float: _number,
    NoneType: partial(_of_type, NoneType),
}
