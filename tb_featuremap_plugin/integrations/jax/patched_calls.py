"""Notes the calls of modules whose library has no interceptor, by their classes' `__call__` while a pass is traced."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from tb_featuremap_plugin.integrations.jax.module_calls import Calls

_LOCK = threading.RLock()
_CALL = "__call__"


@contextmanager
def noted_calls(
    names: Mapping[int, str], modules: Iterable[Any], calls: Calls, is_state: Callable[[Any], bool] = lambda _: False
) -> Iterator[None]:
    """Within the block, each call of a module is noted; the classes are as before at the end.

    Args:
        names: of modules, by identity; one that is not among them, such as a copy that a transform made, is noted without a name.
        modules: whose classes are watched.
        calls: where to note.
        is_state: as of `Calls.call`.
    """
    calls.known.update(names.values())
    with _LOCK, ExitStack() as stack:
        for kind in dict.fromkeys(type(module) for module in modules):
            if callable(getattr(kind, _CALL, None)):
                stack.enter_context(_patched(kind, names, calls, is_state))
        yield


@contextmanager
def _patched(kind: type[Any], names: Mapping[int, str], calls: Calls, is_state: Callable[[Any], bool]) -> Iterator[None]:
    own = kind.__dict__.get(_CALL)
    inherited = getattr(kind, _CALL)

    @functools.wraps(inherited)
    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        if type(self) is not kind:
            return inherited(self, *args, **kwargs)
        return calls.call(names.get(id(self)), self, lambda: inherited(self, *args, **kwargs), is_state)

    type.__setattr__(kind, _CALL, noted)
    try:
        yield
    finally:
        if own is None:
            type.__delattr__(kind, _CALL)
        else:
            type.__setattr__(kind, _CALL, own)
