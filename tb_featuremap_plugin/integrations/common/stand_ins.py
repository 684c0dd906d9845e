"""What a pass uses in place of things that cannot be put back where they were: copies of iterators, and caches of its own."""

from __future__ import annotations

import functools
import itertools
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from tb_featuremap_plugin.integrations.common.code_reach import is_foreign, is_library

_EMPTY: tuple[Any, ...] = ([], (), range(0), range(1 << 70), "", b"", bytearray(), set(), {}, {}.values(), {}.items())
_BUILT_IN: tuple[type, ...] = (*(type(iter(one)) for one in _EMPTY), type(reversed([])), enumerate, zip, map, filter, reversed)
_OF_ITERTOOLS: tuple[type, ...] = (
    *(itertools.cycle, itertools.repeat, itertools.chain, itertools.islice, itertools.accumulate, itertools.compress),
    *(itertools.dropwhile, itertools.takewhile, itertools.filterfalse, itertools.starmap, itertools.zip_longest),
    *(itertools.product, itertools.permutations, itertools.combinations, itertools.combinations_with_replacement),
)

ITERATORS: tuple[type, ...] = (*_BUILT_IN, *_OF_ITERTOOLS, itertools.count)
"""Iterators that are not written in Python, most of which can be copied where they stand."""

CACHED = functools._lru_cache_wrapper
"""What `functools.lru_cache` and `functools.cache` make of a function."""


def stand_in(thing: Any) -> Any:
    """A copy of an iterator that goes on where it stands, or a function with an empty cache of its own; None where there is no such thing.

    What the iterators go over is not copied. Functions of libraries keep their caches: what those hold follows from the arguments.
    """
    if isinstance(thing, CACHED):
        return _uncached(thing)
    try:
        return _copied(thing) if type(thing) in ITERATORS else None
    except (TypeError, ValueError):  # a part that cannot be copied, such as a generator; from Python 3.14 on all of itertools
        return None


def parts_of(thing: Any) -> tuple[Any, ...]:
    """What an iterator or a cached function holds."""
    if isinstance(thing, CACHED):
        return (thing.__wrapped__,)
    try:
        _, content, *state = _reduced(thing)
    except (TypeError, ValueError):  # as above
        return ()
    return (*content, *state)


def _uncached(function: Any) -> Any:
    module = getattr(function, "__module__", None)
    if is_foreign(module) or is_library(module):
        return None
    again: Callable[..., Any] = functools.lru_cache(**function.cache_parameters())(function.__wrapped__)
    return again


def _copied(iterator: Any) -> Any:
    if type(iterator) is itertools.count:
        return itertools.count(*map(_number, repr(iterator)[len("count(") : -1].split(", ")))
    kind, content, *state = _reduced(iterator)
    copy = kind(*(_part(one) for one in content))
    if state and state[0] is not None:
        copy.__setstate__(_part(state[0]))
    return copy


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _part(thing: Any) -> Any:
    """A part of an iterator's state: iterators in it are copied as well, and the list in which `cycle` keeps what it has seen."""
    if isinstance(thing, tuple):
        return tuple(list(one) if type(one) is list else _part(one) for one in thing)
    if isinstance(thing, Iterator):
        if type(thing) not in ITERATORS:
            raise TypeError(f"{type(thing).__name__} cannot be copied")
        return _copied(thing)
    return thing


def _reduced(iterator: Any) -> tuple[Any, ...]:
    if type(iterator) in _BUILT_IN or sys.version_info < (3, 12):
        return tuple(iterator.__reduce__())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12 and 3.13
        return tuple(iterator.__reduce__())
