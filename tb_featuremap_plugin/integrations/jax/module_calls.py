"""Marks that a traced pass leaves in its jaxpr: which module's output a value is, and inside which module an operation stands.

Marks survive `jit`, `scan`, `remat` and `vmap` inside a model, where Python's own values would leak out of their trace.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import jax
from jax.ad_checkpoint import checkpoint_name

_MARK = "tb_featuremap:"
_BESIDE = "+"
_SCOPE = re.compile(r"tb_featuremap_(\d+)_")


_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class Module:
    """What is known of a module; the module itself may hold values of a trace, which must not outlive it.

    Attributes:
        kind: its class in words: "batch_norm" of BatchNorm.
        class_name: of it.
        kernel_size, strides, groups: of a convolution.
    """

    kind: str
    class_name: str
    kernel_size: tuple[int, ...] | None
    strides: tuple[int, ...] | None
    groups: int | None

    @staticmethod
    def of(module: Any) -> Module:
        """What a module's attributes say."""
        kind = _WORD_START.sub("_", type(module).__name__).lower().lstrip("_")
        kernel_size, strides = _sizes(module, "kernel_size", "kernel_shape"), _sizes(module, "strides", "stride")
        return Module(kind, type(module).__name__, kernel_size, strides, _groups(module))


def _sizes(module: Any, *attributes: str) -> tuple[int, ...] | None:
    for attribute in attributes:
        value = getattr(module, attribute, None)
        if isinstance(value, int) and not isinstance(value, bool):
            return (value,)
        if isinstance(value, Sequence) and value and all(isinstance(number, int) for number in value):
            return tuple(value)
    return None


def _groups(module: Any) -> int | None:
    value = getattr(module, "feature_group_count", getattr(module, "groups", None))
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


@dataclass
class Call:
    """One call of a module, while Python runs the model.

    Attributes:
        name: the module's; "" for the whole model, None of a copy that a transform of the library made.
        module: what is known of it.
        parent: number of the call inside which it happened; None for the outermost.
        has_parts: whether other modules were called inside.
    """

    name: str | None
    module: Module
    parent: int | None
    has_parts: bool = False


@dataclass
class Calls:
    """The calls of a pass in the order in which they began.

    Attributes:
        all: calls.
        known: names of the model's modules.
    """

    all: list[Call] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    _open: list[int] = field(default_factory=list)

    @contextmanager
    def during(self, name: str | None, module: Any) -> Iterator[int]:
        """Notes a call that lasts as long as the block; gives its number."""
        number = len(self.all)
        parent = self._open[-1] if self._open else None
        self.all.append(Call(name, Module.of(module), parent))
        if parent is not None:
            self.all[parent].has_parts = True
        self._open.append(number)
        try:
            with jax.named_scope(f"tb_featuremap_{number}_"):
                yield number
        finally:
            self._open.pop()

    def call(self, name: str | None, module: Any, function: Callable[[], Any], is_state: Callable[[Any], bool] = lambda _: False) -> Any:
        """Runs a module's call and marks what it puts out: as its output the first array of the most axes, and what lies beside it.

        Args:
            name: of the module.
            module: that is called.
            function: calls it.
            is_state: whether a part of what it puts out is its state.
        """
        with self.during(name, module) as number:
            output = function()
        leaves, tree = jax.tree.flatten(output, is_leaf=is_state)
        arrays = [index for index, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)]
        main = max(arrays, key=lambda index: leaves[index].ndim, default=None)
        for index in arrays:
            leaves[index] = checkpoint_name(leaves[index], f"{_MARK}{number}{'' if index == main else _BESIDE}")
        return jax.tree.unflatten(tree, leaves)


def marked_call(name: str) -> tuple[int, bool] | None:
    """The number of the call whose output an equation with this name marks, and whether it is what is logged of that call.

    None for users' own names.
    """
    number = name.removeprefix(_MARK)
    return (int(number.removesuffix(_BESIDE)), not number.endswith(_BESIDE)) if name.startswith(_MARK) else None


def innermost_call(name_stack: str) -> int | None:
    """The number of the innermost call that an operation stands in, by its name stack."""
    found = _SCOPE.findall(name_stack)
    return int(found[-1]) if found else None


def name_by_parameters(calls: Calls, used: Mapping[int, Iterable[str]]) -> None:
    """Names the calls of modules that a transform made copies of, by the parameters that were used in them.

    A module without parameters bears the name of what it was called in, and its class.

    Args:
        calls: of a pass.
        used: names of parameters, by the number of the call.
    """
    found = {number: set(used.get(number, ())) for number in range(len(calls.all))}
    for number in reversed(range(len(calls.all))):
        parent = calls.all[number].parent
        if parent is not None:
            found[parent] |= found[number]
    for number, call in enumerate(calls.all):
        if call.name is None:
            above = calls.all[call.parent].name if call.parent is not None else ""
            call.name = _common(found[number], calls.known) or "/".join(filter(None, (above, call.module.class_name.lower())))


def _common(names: Iterable[str], known: Set[str]) -> str:
    """The innermost module of those known that holds all these parameters; "" if none does."""
    ways = [name.split("/")[:-1] for name in names]
    way = [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, zip(*ways, strict=False))]
    return next((name for end in range(len(way), 0, -1) if (name := "/".join(way[:end])) in known), "")
