"""What Python objects hold, and how to put it back: attributes, containers, arrays, generators, closures, globals, class attributes."""

from __future__ import annotations

import collections
import functools
import gc
import io
import operator
import queue
import tempfile
import threading
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tb_featuremap_plugin.integrations.common.code_reach import globals_of, globals_set_by, is_foreign, is_library
from tb_featuremap_plugin.integrations.common.other_threads import others_run_users_code
from tb_featuremap_plugin.integrations.common.stand_ins import CACHED, ITERATORS, parts_of, stand_in
from tb_featuremap_plugin.integrations.common.value_state import VALUES, restoring

MOST_OBJECTS = 50_000
"""Objects that are followed; a module that holds its trainer reaches the whole program."""

LARGEST_CONTAINER = 4_096
"""Entries that are followed into; longer containers are put back, but not what they hold: such lists are data sets."""

Claim = Callable[[Any], Iterable[Any] | None]
"""Takes objects of a framework: what to follow in place of an object, or None where it is not of that framework."""

_ATOMS = frozenset(
    {
        *(int, float, bool, str, bytes, complex, type(None), type(...), range, slice),
        types.ModuleType,
    }
)
_BUSY = ("_thread", "threading", "queue", "_queue", "socket", "_io", "multiprocessing", "concurrent", "asyncio", "subprocess")
_PLAIN_STANDARD = (
    *(collections.UserDict, collections.UserList, collections.ChainMap, types.SimpleNamespace, threading.local),
    *(queue.Queue, queue.LifoQueue, queue.PriorityQueue, tempfile._TemporaryFileWrapper),
)
_CONTAINERS = frozenset({dict, list, set, collections.OrderedDict, collections.deque, collections.Counter, collections.defaultdict})
_MISSING = object()
_SET_BACK: tuple[type, ...] = (type(iter([])), type(iter(())), type(iter(range(0))))
"""Iterators that can be put back where they were, unless they have come to their end."""

_REPLACED = frozenset({*ITERATORS, CACHED})


class PythonState:
    """The state of all that can be reached from some objects, until it is put back.

    Followed are containers, attributes of objects, closures, defaults, and the globals and class attributes that the user's own code
    names, in modules that it imports too. Objects of the standard library and of frameworks are left alone: they belong to somebody who
    may be using them now; so do objects that hold a lock, a thread or a file, as long as another thread runs the user's code. Iterators
    and cached functions have a stand-in until all is put back.

    Args:
        roots: where to begin.
        claim: asked first about every object that is more than a number or a text.

    Attributes:
        unguarded: what was met and is not put back: arrays that are too large to be copied, generators, files, what other threads use.
    """

    def __init__(self, roots: Iterable[Any], claim: Claim) -> None:
        self.unguarded: list[Any] = []
        self._claim = claim
        self._saved: list[Callable[[], object]] = []
        self._empty: list[Any] = []
        self._seen: dict[int, Any] = {}
        self._classes: set[type] = set()
        self._bound: set[tuple[int, str]] = set()
        self._stand_ins: dict[int, Any] = {}
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
        for restore in reversed(self._saved):
            try:
                restore()
            except Exception as error:  # of a class of the user's; the others are put back all the same
                problems.append(error)
        return problems

    def _visit(self, thing: Any) -> None:
        kind = type(thing)
        if kind in _ATOMS or id(thing) in self._seen or issubclass(kind, types.ModuleType):
            return
        self._seen[id(thing)] = thing
        if issubclass(kind, type):
            self._class_of(thing)
            return
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
                break
        if not is_foreign(kind.__module__) or kind in _PLAIN_STANDARD:
            self._object(thing)
        elif kind.__module__ == "_csv":  # holds the file that it writes to
            self._waiting.extend(gc.get_referents(thing))

    def _follow(self, things: Iterable[Any], size: int) -> None:
        if size <= LARGEST_CONTAINER:
            self._waiting.extend(thing for thing in things if type(thing) not in _ATOMS)

    def _mapping(self, mapping: dict[Any, Any]) -> None:
        base: Any = collections.OrderedDict if isinstance(mapping, collections.OrderedDict) else dict
        keys, values = list(base.keys(mapping)), list(base.values(mapping))
        self._follow(values, len(values))
        for key, copy in self._replaced(keys, values):
            base.__setitem__(mapping, key, copy)

        def put_back() -> None:
            if len(mapping) != len(keys) or not all(map(operator.is_, base.keys(mapping), keys)):
                base.clear(mapping)
                base.update(mapping, zip(keys, values, strict=True))
            elif not all(map(operator.is_, base.values(mapping), values)):
                for key, value in zip(keys, values, strict=True):
                    base.__setitem__(mapping, key, value)

        self._saved.append(put_back)

    def _replaced(self, places: Iterable[Any], things: Sequence[Any]) -> Sequence[tuple[Any, Any]]:
        """The places in which a stand-in is to be put, with the stand-ins."""
        if _REPLACED.isdisjoint(map(type, things)):
            return ()
        several = [(place, self._stand_in(thing)) for place, thing in zip(places, things, strict=True) if type(thing) in _REPLACED]
        return [(place, copy) for place, copy in several if copy is not None]

    def _stand_in(self, thing: Any) -> Any:
        if id(thing) not in self._stand_ins:
            self._stand_ins[id(thing)] = stand_in(thing)
            self._waiting.append(thing)
        return self._stand_ins[id(thing)]

    def _sequence(self, sequence: list[Any] | collections.deque[Any]) -> None:
        base: Any = list if isinstance(sequence, list) else collections.deque
        entries = list(base.__iter__(sequence))
        self._follow(entries, len(entries))
        for index, copy in self._replaced(range(len(entries)), entries):
            sequence[index] = copy

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

    def _value(self, thing: Any) -> None:
        """Of bytes, numbers and random states."""
        if isinstance(thing, np.ndarray) and thing.dtype == object:
            self._follow(thing.flat, thing.size)
        restore = restoring(thing)
        if restore is None:
            self.unguarded.append(thing)
        else:
            self._saved.append(restore)

    def _iterator(self, iterator: Any) -> None:
        """Of a list, a tuple or a range: it is set back to its place, unless it came to its end. Of others: what it is made of."""
        parts = parts_of(iterator)
        self._follow(parts, len(parts))
        if type(iterator) in _SET_BACK and isinstance(parts[-1], int):
            self._saved.append(lambda: iterator.__setstate__(parts[-1]))
        elif self._stand_ins.get(id(iterator)) is None:
            self.unguarded.append(iterator)

    def _cell(self, cell: types.CellType) -> None:
        try:
            content = cell.cell_contents
        except ValueError:  # nothing is in it yet
            return
        self._follow([content], 1)
        for _, copy in self._replaced([0], [content]):
            cell.cell_contents = copy
        self._saved.append(lambda: None if _content(cell) is content else setattr(cell, "cell_contents", content))

    def _method(self, method: types.MethodType) -> None:
        self._follow([method.__self__, method.__func__], 2)

    def _built_in(self, method: types.BuiltinMethodType) -> None:
        self._follow([method.__self__], 1)

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
        for scope, name, value in globals_of(function):
            self._binding(scope, name, value)
        self._unset(function.__globals__, globals_set_by(function.__code__))

    def _unset(self, names: dict[str, Any], stored: Iterable[str]) -> None:
        """Globals that do not exist yet."""
        missing = [name for name in stored if name not in names]

        def put_back() -> None:
            for name in missing:
                names.pop(name, None)

        if missing:
            self._saved.append(put_back)

    def _binding(self, names: dict[str, Any], name: str, value: Any) -> None:
        if (id(names), name) in self._bound:
            return
        self._bound.add((id(names), name))
        self._follow([value], 1)
        for _, copy in self._replaced([name], [value]):
            names[name] = copy
        self._saved.append(lambda: None if names.get(name, _MISSING) is value else operator.setitem(names, name, value))

    def _object(self, thing: Any) -> None:
        """An object of a class of the user's, with its attributes, its slots and what its class holds."""
        kind = type(thing)
        attributes = getattr(thing, "__dict__", None)
        if isinstance(attributes, dict):
            shared = any(type(value).__module__.partition(".")[0] in _BUSY for value in list(attributes.values()))
            if shared and self._others_run:
                self.unguarded.append(thing)
                return
            self._waiting.append(attributes)
        self._slots(thing)
        self._class_of(kind)

    @functools.cached_property
    def _others_run(self) -> bool:
        return others_run_users_code()

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
        for _, copy in self._replaced([0], [value]):
            descriptor.__set__(thing, copy)

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
            self._class_of(type(owner))
            self._new_attributes(owner)
            for name, value in list(vars(owner).items()):
                inner = getattr(value, "__func__", value) if isinstance(value, (staticmethod, classmethod)) else value
                if isinstance(inner, CACHED):
                    self._cached_method(owner, name, value, inner)
                elif isinstance(inner, types.FunctionType):
                    self._waiting.append(inner)
                elif not name.startswith("__") and not hasattr(type(value), "__get__"):
                    self._class_attribute(owner, name, value)

    def _new_attributes(self, owner: type) -> None:
        """Attributes that a class is given meanwhile, such as a cache at its first use, are taken away."""
        known = frozenset(vars(owner))

        def put_back() -> None:
            if vars(owner).keys() != known:
                for name in [name for name in vars(owner) if name not in known and not name.startswith("__")]:
                    type.__delattr__(owner, name)

        self._saved.append(put_back)

    def _cached_method(self, owner: type, name: str, value: Any, inner: Any) -> None:
        for _, copy in self._replaced([name], [inner]):
            type.__setattr__(owner, name, copy if value is inner else type(value)(copy))
            self._saved.append(lambda: type.__setattr__(owner, name, value))

    def _class_attribute(self, owner: type, name: str, value: Any) -> None:
        self._follow([value], 1)
        for _, copy in self._replaced([name], [value]):
            type.__setattr__(owner, name, copy)
        self._saved.append(lambda: None if vars(owner).get(name, _MISSING) is value else type.__setattr__(owner, name, value))


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # emptied by a `del`
        return _MISSING


_TAKERS: tuple[tuple[Any, Callable[[PythonState, Any], None]], ...] = (
    (dict, PythonState._mapping),
    ((list, collections.deque), PythonState._sequence),
    (set, PythonState._set),
    ((tuple, frozenset), PythonState._fixed),
    (VALUES, PythonState._value),
    (types.CellType, PythonState._cell),
    (types.MethodType, PythonState._method),
    (types.BuiltinMethodType, PythonState._built_in),
    (types.FunctionType, PythonState._function),
    (functools.partial, PythonState._partial),
    ((*ITERATORS, CACHED), PythonState._iterator),
    ((types.GeneratorType, io.IOBase, queue.SimpleQueue), lambda state, thing: state.unguarded.append(thing)),
)
