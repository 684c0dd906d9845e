"""What Python objects hold, and how to put it back: attributes, containers, arrays, generators, closures, globals, class attributes."""

from __future__ import annotations

import collections
import functools
import itertools
import operator
import random
import types
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tb_featuremap_plugin.integrations.common.code_reach import globals_of, is_foreign, is_library

MOST_OBJECTS = 50_000
"""Objects that are followed; a module that holds its trainer reaches the whole program."""

LARGEST_CONTAINER = 4_096
"""Entries that are followed into; longer containers are put back, but not what they hold: such lists are data sets."""

LARGEST_ARRAY = 64 << 20
"""Bytes of a NumPy array that are copied."""

Claim = Callable[[Any], Iterable[Any] | None]
"""Takes objects of a framework: what to follow in place of an object, or None where it is not of that framework."""

_ATOMS = frozenset(
    {
        *(int, float, bool, str, bytes, complex, type(None), type(...), range, slice),
        *(type, types.ModuleType, types.BuiltinFunctionType),
    }
)
_BUSY = ("_thread", "threading", "queue", "_queue", "socket", "_io", "multiprocessing", "concurrent", "asyncio", "subprocess")
_PLAIN_STANDARD = (collections.UserDict, collections.UserList, collections.ChainMap, types.SimpleNamespace)
_CONTAINERS = frozenset({dict, list, set, collections.OrderedDict, collections.deque, collections.Counter, collections.defaultdict})
_MISSING = object()
_ITERATORS: tuple[type, ...] = (type(iter([])), type(iter(())), type(iter(range(0))))


class PythonState:
    """The state of all that can be reached from some objects, until it is put back.

    Followed are containers, attributes of objects, closures, defaults, and the globals and class attributes that the user's own code
    names. Objects of the standard library and of frameworks, and objects that hold a lock, a thread or a file, are left alone: they
    belong to somebody who may be using them now.

    Args:
        roots: where to begin.
        claim: asked first about every object that is more than a number or a text.

    Attributes:
        unguarded: what was met and is not put back: arrays that are too large to be copied, and iterators.
    """

    def __init__(self, roots: Iterable[Any], claim: Claim) -> None:
        self.unguarded: list[Any] = []
        self._claim = claim
        self._saved: list[Callable[[], None]] = []
        self._empty: list[Any] = []
        self._seen: dict[int, Any] = {}
        self._classes: set[type] = set()
        self._waiting: list[Any] = list(roots)
        while self._waiting and len(self._seen) < MOST_OBJECTS:
            self._visit(self._waiting.pop())

    def put_back(self) -> list[Exception]:
        """Gives every object the contents that it had; objects that still have them are not touched.

        Returns:
            What was raised by objects that do not let themselves be put back.
        """
        problems: list[Exception] = []
        for container in self._empty:
            if container:
                container.clear()
        for restore in self._saved:
            try:
                restore()
            except Exception as error:  # of a class of the user's; the others are put back all the same
                problems.append(error)
        return problems

    def _visit(self, thing: Any) -> None:
        kind = type(thing)
        if kind in _ATOMS or id(thing) in self._seen or issubclass(kind, (type, types.ModuleType)):
            return
        self._seen[id(thing)] = thing
        if kind in _CONTAINERS and not thing:  # most of what a module holds: no hooks, no parts, no buffers
            self._empty.append(thing)
            return
        claimed = self._claim(thing)
        if claimed is not None:
            self._waiting.extend(claimed)
            self._class_of(kind)
            return
        for known, take in _TAKERS:
            if issubclass(kind, known):
                take(self, thing)
                return
        self._object(thing)

    def _follow(self, things: Iterable[Any], size: int) -> None:
        if size <= LARGEST_CONTAINER:
            self._waiting.extend(thing for thing in things if type(thing) not in _ATOMS)

    def _mapping(self, mapping: dict[Any, Any]) -> None:
        base: Any = collections.OrderedDict if isinstance(mapping, collections.OrderedDict) else dict
        keys, values = list(base.keys(mapping)), list(base.values(mapping))
        self._follow(values, len(values))

        def put_back() -> None:
            same = len(mapping) == len(keys) and all(map(operator.is_, base.values(mapping), values))
            if not (same and all(map(operator.is_, base.keys(mapping), keys))):
                base.clear(mapping)
                base.update(mapping, zip(keys, values, strict=True))

        self._saved.append(put_back)

    def _sequence(self, sequence: list[Any] | collections.deque[Any]) -> None:
        base: Any = list if isinstance(sequence, list) else collections.deque
        entries = list(base.__iter__(sequence))
        self._follow(entries, len(entries))

        def put_back() -> None:
            if len(sequence) != len(entries) or not all(map(operator.is_, base.__iter__(sequence), entries)):
                base.clear(sequence)
                base.extend(sequence, entries)

        self._saved.append(put_back)

    def _set(self, members: set[Any]) -> None:
        entries = set.copy(members)

        def put_back() -> None:
            if not set.__eq__(members, entries):
                set.clear(members)
                set.update(members, entries)

        self._saved.append(put_back)

    def _fixed(self, parts: tuple[Any, ...] | frozenset[Any]) -> None:
        self._follow(parts, len(parts))

    def _bytes(self, text: bytearray) -> None:
        content = bytes(text)
        self._saved.append(lambda: None if text == content else operator.setitem(text, slice(None), content))

    def _array(self, array: np.ndarray[Any, Any]) -> None:
        if not array.flags.writeable:
            return
        if array.nbytes > LARGEST_ARRAY:
            self.unguarded.append(array)
            return
        if array.dtype == object:
            self._follow(array.flat, array.size)
        content = array.copy()

        def put_back() -> None:
            if array.shape != content.shape or array.tobytes() != content.tobytes():
                array.resize(content.shape, refcheck=False) if array.shape != content.shape else None
                array[...] = content

        self._saved.append(put_back)

    def _generator(self, generator: Any) -> None:
        if isinstance(generator, np.random.Generator):
            generator = generator.bit_generator
        if isinstance(generator, np.random.BitGenerator):
            state = generator.state
            self._saved.append(lambda: setattr(generator, "state", state))
            return
        read, write = ("getstate", "setstate") if isinstance(generator, random.Random) else ("get_state", "set_state")
        if not isinstance(generator, random.SystemRandom):
            saved = getattr(generator, read)()
            self._saved.append(lambda: getattr(generator, write)(saved))

    def _iterator(self, iterator: Any) -> None:
        """Of a list, a tuple or a range: it is set back to its place, unless it came to its end."""
        _, content, *place = iterator.__reduce__()
        self._follow(content[:1], 1)
        if place and isinstance(place[0], int):
            self._saved.append(lambda: iterator.__setstate__(place[0]))

    def _cell(self, cell: types.CellType) -> None:
        try:
            content = cell.cell_contents
        except ValueError:  # nothing is in it yet
            return
        self._follow([content], 1)
        self._saved.append(lambda: None if cell.cell_contents is content else setattr(cell, "cell_contents", content))

    def _method(self, method: types.MethodType) -> None:
        self._follow([method.__self__, method.__func__], 2)

    def _partial(self, partial: functools.partial[Any]) -> None:
        self._follow([partial.func, partial.args, partial.keywords], 3)

    def _function(self, function: types.FunctionType) -> None:
        """What its code can change: closure, attributes, defaults, and the globals that it names."""
        if is_foreign(function.__module__):
            return
        self._waiting.extend(function.__closure__ or ())
        self._follow([function.__dict__, function.__defaults__, function.__kwdefaults__], 3)
        if is_library(function.__module__):
            return
        for name, value in globals_of(function):
            if isinstance(value, type):
                self._class_of(value)
            else:
                self._binding(function.__globals__, name, value)

    def _binding(self, names: dict[str, Any], name: str, value: Any) -> None:
        self._follow([value], 1)
        self._saved.append(lambda: None if names.get(name, _MISSING) is value else operator.setitem(names, name, value))

    def _object(self, thing: Any) -> None:
        """An object of a class of the user's, with its attributes, its slots and what its class holds."""
        kind = type(thing)
        if is_foreign(kind.__module__) and kind not in _PLAIN_STANDARD:
            return
        attributes = getattr(thing, "__dict__", None)
        if isinstance(attributes, dict):
            if any(type(value).__module__.partition(".")[0] in _BUSY for value in list(attributes.values())):
                return
            self._waiting.append(attributes)
        self._slots(thing)
        self._class_of(kind)

    def _slots(self, thing: Any) -> None:
        for owner in type(thing).__mro__:
            slots = owner.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                descriptor = owner.__dict__.get(name)
                if isinstance(descriptor, types.MemberDescriptorType):
                    self._slot(thing, descriptor)

    def _slot(self, thing: Any, descriptor: types.MemberDescriptorType) -> None:
        value = descriptor.__get__(thing) if hasattr(thing, descriptor.__name__) else _MISSING
        if value is _MISSING:
            return
        self._follow([value], 1)

        def put_back() -> None:
            if getattr(thing, descriptor.__name__, _MISSING) is not value:
                descriptor.__set__(thing, value)

        self._saved.append(put_back)

    def _class_of(self, kind: type) -> None:
        """What classes of the user's own hold: counters and caches that all objects share, and what their methods can change."""
        for owner in () if kind in self._classes else kind.__mro__:
            if owner in self._classes:
                continue
            self._classes.add(owner)
            if is_foreign(owner.__module__) or is_library(owner.__module__):
                continue
            for name, value in list(vars(owner).items()):
                if isinstance(value, (types.FunctionType, staticmethod, classmethod)):
                    self._waiting.append(getattr(value, "__func__", value))
                elif not name.startswith("__") and not hasattr(type(value), "__get__"):
                    self._class_attribute(owner, name, value)

    def _class_attribute(self, owner: type, name: str, value: Any) -> None:
        self._follow([value], 1)
        self._saved.append(lambda: None if vars(owner).get(name, _MISSING) is value else type.__setattr__(owner, name, value))


_TAKERS: tuple[tuple[Any, Callable[[PythonState, Any], None]], ...] = (
    (dict, PythonState._mapping),
    ((list, collections.deque), PythonState._sequence),
    (set, PythonState._set),
    ((tuple, frozenset), PythonState._fixed),
    (bytearray, PythonState._bytes),
    (np.ndarray, PythonState._array),
    ((random.Random, np.random.Generator, np.random.BitGenerator, np.random.RandomState), PythonState._generator),
    (types.CellType, PythonState._cell),
    (types.MethodType, PythonState._method),
    (types.FunctionType, PythonState._function),
    (functools.partial, PythonState._partial),
    (_ITERATORS, PythonState._iterator),
    ((types.GeneratorType, itertools.count, itertools.cycle), lambda state, iterator: state.unguarded.append(iterator)),
)
