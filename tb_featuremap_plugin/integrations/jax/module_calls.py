"""Marks that a traced pass leaves in its jaxpr: which module's output a value is, and inside which module an operation stands.

Marks survive `jit`, `scan`, `remat` and `vmap` inside a model, where Python's own values would leak out of their trace.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jax
from jax.ad_checkpoint import checkpoint_name

_MARK = "tb_featuremap:"
_SCOPE = re.compile(r"tb_featuremap_(\d+)_")


@dataclass
class Call:
    """One call of a module, while Python runs the model.

    Attributes:
        name: the module's; "" for the whole model.
        module: the module.
        parent: number of the call inside which it happened; None for the outermost.
        has_parts: whether other modules were called inside.
    """

    name: str
    module: Any
    parent: int | None
    has_parts: bool = False


@dataclass
class Calls:
    """The calls of a pass in the order in which they began."""

    all: list[Call] = field(default_factory=list)
    _open: list[int] = field(default_factory=list)

    @contextmanager
    def during(self, name: str, module: Any) -> Iterator[int]:
        """Notes a call that lasts as long as the block; gives its number."""
        number = len(self.all)
        parent = self._open[-1] if self._open else None
        self.all.append(Call(name, module, parent))
        if parent is not None:
            self.all[parent].has_parts = True
        self._open.append(number)
        try:
            with jax.named_scope(f"tb_featuremap_{number}_"):
                yield number
        finally:
            self._open.pop()

    def call(self, name: str, module: Any, function: Callable[[], Any]) -> Any:
        """Runs a module's call and marks what it puts out."""
        with self.during(name, module) as number:
            output = function()
        return jax.tree.map(lambda leaf: _marked(leaf, number), output)


def _marked(leaf: Any, number: int) -> Any:
    return checkpoint_name(leaf, f"{_MARK}{number}") if isinstance(leaf, jax.Array) else leaf


def marked_call(name: str) -> int | None:
    """The number of the call whose output an equation with this name marks; None for users' own names."""
    return int(name[len(_MARK) :]) if name.startswith(_MARK) else None


def innermost_call(name_stack: str) -> int | None:
    """The number of the innermost call that an operation stands in, by its name stack."""
    found = _SCOPE.findall(name_stack)
    return int(found[-1]) if found else None
