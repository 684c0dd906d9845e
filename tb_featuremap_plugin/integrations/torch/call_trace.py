"""Watches one pass through a torch module: which sub-modules are called, in which order, on whose outputs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from tb_featuremap_plugin.schema import activations


@dataclass(frozen=True)
class ModuleCall:
    """One call of a module.

    Attributes:
        name: the module's; a second call of a shared module is "<module>:2".
        module: the module itself.
        inputs: names of the calls whose outputs it was given, through whatever functions were called between.
        axes: of its output; 0 if that is no tensor.
        receives: lowest and highest number that it got; None if those are no finite floating-point numbers.
    """

    name: str
    module: torch.nn.Module
    inputs: tuple[str, ...]
    axes: int
    receives: tuple[float, float] | None = None


@dataclass
class Trace:
    """The calls of one pass, the names of those that the outputs came from, and the functions that the model applied last to them.

    A function is an activation that is no module, by its name, and the axis over which it normalises. `shape` is that of the output, if
    there is one.
    """

    calls: list[ModuleCall] = field(default_factory=list)
    outputs: tuple[tuple[str, ...], ...] = ()
    functions: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    shape: tuple[int, ...] = ()


def units(module: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """The modules that do the work, by name: those without parts, and attention, whose parts are not called."""
    found: dict[str, torch.nn.Module] = {}
    inside: list[str] = []
    for name, part in module.named_modules():
        if any(name.startswith(f"{outer}.") for outer in inside):
            continue
        if isinstance(part, torch.nn.MultiheadAttention):
            inside.append(name)
        if isinstance(part, torch.nn.MultiheadAttention) or not any(True for _ in part.children()):
            found[name or type(part).__name__.lower()] = part
    return found


@contextmanager
def hooked(modules: Mapping[str, torch.nn.Module], note: Callable[[str, torch.nn.Module, Any, Any], None]) -> Iterator[None]:
    """Calls `note` with call name, module, arguments and output after each call of a module, until the end of the block."""
    counts: Counter[str] = Counter()

    def hook(name: str) -> Callable[..., None]:
        def after(module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            counts[name] += 1
            note(name if counts[name] == 1 else f"{name}:{counts[name]}", module, (args, kwargs), output)

        return after

    handles = [module.register_forward_hook(hook(name), with_kwargs=True) for name, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def tensors(value: Any) -> list[torch.Tensor]:
    """The tensors of whatever a module takes or returns."""
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def trace(module: torch.nn.Module, run: Callable[[], Any]) -> Trace:
    """Runs a pass and tells how its modules are connected.

    Args:
        module: whose parts are watched.
        run: the pass.
    """
    found, flow = Trace(), _Flow()

    def note(name: str, part: torch.nn.Module, arguments: Any, output: Any) -> None:
        outputs = tensors(output)
        found.calls.append(ModuleCall(name, part, flow.before(outputs, arguments), outputs[0].ndim if outputs else 0, _range(arguments)))
        flow.set(outputs, (name,))
        flow.of_module(outputs, name)

    with flow, hooked(units(module), note):
        output = run()
    found.outputs = tuple(flow.sources(tensor) for tensor in tensors(output))
    shapes = [tuple(tensor.shape) for tensor in tensors(output)]
    found.shape = shapes[0] if len(shapes) == 1 else ()
    found.functions = dict(filter(None, map(flow.function_of, tensors(output))))
    return found


def _range(arguments: Any) -> tuple[float, float] | None:
    """Lowest and highest number of the first tensor."""
    first = next(iter(tensors(arguments)), None)
    if first is None or not first.is_floating_point() or first.numel() == 0:
        return None
    low, high = float(first.min()), float(first.max())
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


_RESHAPING = frozenset({"view", "reshape", "flatten", "squeeze", "unsqueeze", "contiguous", "float", "to", "double"})
"""Functions after which a tensor still is what its module put out."""


class _Flow(TorchFunctionMode):  # type: ignore[misc]  # its module has no types
    """Knows of every tensor from which modules it came, through all functions of torch."""

    def __init__(self) -> None:
        super().__init__()
        self._producers: dict[int, tuple[str, ...]] = {}
        self._alive: list[torch.Tensor] = []
        self._modules: dict[int, str] = {}
        self._functions: dict[int, tuple[str, tuple[str, int | None]]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        names = self.sources((args, kwargs))
        output = func(*args, **(kwargs or {}))
        if names:
            self.set(tensors(output), names)
            self._follow(func, args, kwargs or {}, output)
        return output

    def of_module(self, outputs: list[torch.Tensor], name: str) -> None:
        """Says that tensors are what a module put out, with nothing applied to them."""
        self._modules.update((id(tensor), name) for tensor in outputs)

    def function_of(self, tensor: torch.Tensor) -> tuple[str, tuple[str, int | None]] | None:
        """The module and the function whose value a tensor is; None if it is something else."""
        return self._functions.get(id(tensor))

    def _follow(self, func: Any, args: Any, kwargs: Any, output: Any) -> None:
        given = args[0] if args else kwargs.get("input")
        if not isinstance(given, torch.Tensor) or not isinstance(output, torch.Tensor):
            return
        name = getattr(func, "__name__", "")
        module, known = self._modules.get(id(given)), activations.find(name)
        if name in _RESHAPING:
            self._modules |= {id(output): module} if module is not None else {}
            self._functions |= {id(output): self._functions[id(given)]} if id(given) in self._functions else {}
        elif module is not None and known is not None:
            dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
            axis = dim % given.ndim if isinstance(dim, int) and not isinstance(dim, bool) and given.ndim else None
            self._functions[id(output)] = (module, (known.name, axis))

    def sources(self, value: Any) -> tuple[str, ...]:
        """Names of the calls that the tensors in `value` came from."""
        return tuple(dict.fromkeys(name for tensor in tensors(value) for name in self._producers.get(id(tensor), ())))

    def before(self, outputs: list[torch.Tensor], arguments: Any) -> tuple[str, ...]:
        """As `sources` of a module's arguments; of its outputs where it worked in place."""
        return self.sources(arguments) or self.sources(outputs)

    def set(self, outputs: list[torch.Tensor], names: tuple[str, ...]) -> None:
        """Says where tensors came from."""
        self._alive += outputs
        self._producers.update((id(tensor), names) for tensor in outputs)
