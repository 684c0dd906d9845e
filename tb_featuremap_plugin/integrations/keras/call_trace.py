"""Watches one pass through a model: which layers are called, in which order, on whose outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer.

    Attributes:
        name: the layer's; a second call of a shared layer is "<layer>:2".
        layer: the layer itself.
        inputs: names of the calls whose outputs it was given; those of the model's inputs and of unknown tensors are missing.
        output: what it put out.
        given: what it was given: positional and keyword arguments.
    """

    name: str
    layer: Any
    inputs: tuple[str, ...]
    output: Any
    given: Any = None


@dataclass
class Trace:
    """The calls of one pass, what the pass as a whole returned, and the operations, no layers, that were applied last to it.

    Such an operation is known by the name of the call whose output it was given.
    """

    calls: list[LayerCall] = field(default_factory=list)
    outputs: Any = None
    functions: dict[str, Any] = field(default_factory=dict)
    _producers: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _applied: dict[int, tuple[str, Any]] = field(default_factory=dict)
    _alive: list[Any] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, layer: Any, inputs: Any, output: Any) -> None:
        """Takes note of a layer's call."""
        self._counts[name] += 1
        number = self._counts[name]
        call_name = name if number == 1 else f"{name}:{number}"
        self.calls.append(LayerCall(call_name, layer, self.sources(inputs), output, inputs))
        self._remember(output, (call_name,))

    def pass_through(self, operation: Any, inputs: Any, output: Any) -> None:
        """Takes note of an operation that is no layer: what it puts out comes from where its inputs came from."""
        names = self.sources(inputs)
        self._remember(output, names)
        direct = [
            call.name for call in self.calls if call.name in names and any(call.output is given for given in keras.tree.flatten(inputs))
        ]
        self._applied.update((id(tensor), (name, operation)) for tensor in keras.tree.flatten(output) for name in direct)

    def finish(self, outputs: Any) -> None:
        """Takes note of what the pass returned."""
        self.outputs = outputs
        self.functions = dict(self._applied[id(tensor)] for tensor in keras.tree.flatten(outputs) if id(tensor) in self._applied)

    def sources(self, tensors: Any) -> tuple[str, ...]:
        """Names of the calls that these tensors came from."""
        names = [name for tensor in keras.tree.flatten(tensors) for name in self._producers.get(id(tensor), ())]
        return tuple(dict.fromkeys(names))

    def _remember(self, output: Any, names: tuple[str, ...]) -> None:
        tensors = keras.tree.flatten(output)
        self._alive += tensors
        self._producers.update((id(tensor), names) for tensor in tensors)


@contextmanager
def watching(layers: Mapping[str, Any], operations: Sequence[Any]) -> Iterator[Trace]:
    """Takes note of every call of these layers until the end of the block; the layers are then as they were.

    Args:
        layers: by name.
        operations: steps that are no layers.
    """
    trace = Trace()
    with ExitStack() as stack:
        for name, layer in layers.items():
            stack.enter_context(_wrapped(layer, partial(trace.add, name, layer)))
        for operation in operations:
            stack.enter_context(_wrapped(operation, partial(trace.pass_through, operation)))
        yield trace


@contextmanager
def _wrapped(operation: Any, note: Callable[[Any, Any], None]) -> Iterator[None]:
    """Puts an instance's own `call` in front of its class's, past any bookkeeping of attributes."""
    attributes = operation.__dict__
    before = attributes.get("call")
    call = operation.call

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        output = call(*args, **kwargs)
        note((args, kwargs), output)
        return output

    attributes["call"] = wrapper
    try:
        yield
    finally:
        if before is None:
            del attributes["call"]
        else:
            attributes["call"] = before
