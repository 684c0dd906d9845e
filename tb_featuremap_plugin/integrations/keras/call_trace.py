"""Watches one pass through a model: which layers are called, in which order, on whose outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import keras

FIRST_CALLS = 3
"""Calls of one layer that are followed from its first on; of later ones only the last is."""


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer.

    Attributes:
        name: the layer's; a second call of a shared layer is "<layer>:2".
        layer: the layer itself.
        inputs: names of the calls whose outputs it was given; those of the model's inputs and of unknown tensors are missing.
        tensor, given: the first tensors that it put out and was given; None if there were none, or when the pass is over.
        shape, input_shape: of these.
        calls: how often the layer was called.
        block: whether it is made of layers that are followed too.
        direct: whether it was given what layers put out, with no other operation between.
        inner: of a block, the call inside it that made the very tensor that it put out; None if its own code made that.
    """

    name: str
    layer: Any
    inputs: tuple[str, ...]
    tensor: Any = None
    given: Any = None
    shape: tuple[int | None, ...] | None = None
    input_shape: tuple[int | None, ...] | None = None
    calls: int = 1
    block: bool = False
    direct: bool = False
    inner: str | None = None


@dataclass
class Trace:
    """The calls of one pass, and which of them the outputs of the whole came from.

    Attributes:
        calls: in their order; of a layer that is called often, the first three and the last.
        outputs: for each output of the pass, the names of the calls that it came from.
        functions: operations, no layers, that were applied last to what the pass returned, by the call whose output they were given.
    """

    calls: list[LayerCall] = field(default_factory=list)
    outputs: list[tuple[str, ...]] = field(default_factory=list)
    functions: dict[str, Any] = field(default_factory=dict)
    _producers: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _applied: dict[int, tuple[str, Any]] = field(default_factory=dict)
    _alive: list[Any] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _makers: dict[int, str] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)

    def add(self, name: str, layer: Any, block: bool, inputs: Any, output: Any) -> None:
        """Takes note of a layer's call."""
        self._counts[name] += 1
        self._names[id(layer)] = name
        number = self._counts[name]
        call_name = name if number == 1 else f"{name}:{number}"
        if number > FIRST_CALLS + 1:
            before = f"{name}:{number - 1}"
            self.calls = [call for call in self.calls if call.name != before]
        given, tensor = _first_tensor(inputs), _first_tensor(output)
        call = LayerCall(call_name, layer, self.sources(inputs), tensor, given, _shape(tensor), _shape(given), block=block)
        direct = all(id(one) in self._makers for one in keras.tree.flatten(inputs) if hasattr(one, "shape"))
        self.calls.append(replace(call, direct=direct, inner=self._makers.get(id(tensor)) if block else None))
        self._makers.setdefault(id(tensor), call_name)
        self._remember(output, (call_name,), new_only=block)

    def pass_through(self, operation: Any, inputs: Any, output: Any) -> None:
        """Takes note of an operation that is no layer: what it puts out comes from where its inputs came from."""
        names = self.sources(inputs)
        self._remember(output, names)
        given = [id(tensor) for tensor in keras.tree.flatten(inputs)]
        direct = [call.name for call in self.calls if call.name in names and id(call.tensor) in given]
        self._applied.update((id(tensor), (name, operation)) for tensor in keras.tree.flatten(output) for name in direct)

    def finish(self, outputs: Any) -> None:
        """Takes note of what the pass returned."""
        tensors = keras.tree.flatten(outputs)
        self.outputs = [self.sources(output) for output in tensors]
        self.functions = dict(self._applied[id(tensor)] for tensor in tensors if id(tensor) in self._applied)
        self.calls = [replace(call, calls=self._counts[self._names[id(call.layer)]]) for call in self.calls]

    def sources(self, tensors: Any) -> tuple[str, ...]:
        """Names of the calls that these tensors came from."""
        names = [name for tensor in keras.tree.flatten(tensors) for name in self._producers.get(id(tensor), ())]
        return tuple(dict.fromkeys(names))

    def forget_tensors(self) -> None:
        """Lets go of all tensors."""
        self.calls = [replace(call, tensor=None, given=None) for call in self.calls]
        self._producers, self._applied, self._alive = {}, {}, []

    def _remember(self, output: Any, names: tuple[str, ...], *, new_only: bool = False) -> None:
        tensors = keras.tree.flatten(output)
        self._alive += tensors
        self._producers.update((id(tensor), names) for tensor in tensors if not (new_only and id(tensor) in self._producers))


def _first_tensor(values: Any) -> Any:
    return next((value for value in keras.tree.flatten(values) if hasattr(value, "shape") and hasattr(value, "dtype")), None)


def _shape(tensor: Any) -> tuple[int | None, ...] | None:
    try:
        return None if tensor is None else tuple(None if size is None else int(size) for size in tensor.shape)
    except (TypeError, ValueError):  # of a rank that is not known
        return None


@contextmanager
def watching(layers: Mapping[str, Any], blocks: Mapping[str, Any], operations: Sequence[Any]) -> Iterator[Trace]:
    """Takes note of every call of these layers until the end of the block; the layers are then as they were.

    Args:
        layers: by name.
        blocks: what is made of them, by name.
        operations: steps that are no layers.
    """
    trace = Trace()
    with ExitStack() as stack:
        for block, named in ((False, layers), (True, blocks)):
            for name, layer in named.items():
                stack.enter_context(_wrapped(layer, partial(trace.add, name, layer, block)))
        for operation in operations:
            stack.enter_context(_wrapped(operation, partial(trace.pass_through, operation)))
        yield trace


@contextmanager
def _wrapped(operation: Any, note: Callable[[Any, Any], None]) -> Iterator[None]:
    """Puts an instance's own `call` in front of its class's, past any bookkeeping of attributes; that of a quantised layer too."""
    attributes = operation.__dict__
    policy = getattr(operation, "dtype_policy", None)
    names = ("call", "quantized_call") if getattr(policy, "quantization_mode", None) is not None else ("call",)
    before = {name: attributes[name] for name in names if name in attributes}
    attributes.update({name: _noting(getattr(operation, name), note) for name in names})
    try:
        yield
    finally:
        for name in names:
            del attributes[name]
        attributes.update(before)


def _noting(call: Callable[..., Any], note: Callable[[Any, Any], None]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        output = call(*args, **kwargs)
        note((args, kwargs), output)
        return output

    return wrapper
