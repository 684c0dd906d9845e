"""Watches one pass through a torch module: which sub-modules are called, in which order, on whose outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True)
class ModuleCall:
    """One call of a module.

    Attributes:
        name: the module's; a second call of a shared module is "<module>:2".
        module: the module itself.
        inputs: names of the calls whose outputs it was given, through whatever functions were called between.
        axes: of its output; 0 if that is no tensor.
    """

    name: str
    module: torch.nn.Module
    inputs: tuple[str, ...]
    axes: int


@dataclass
class Trace:
    """The calls of one pass, and the names of those that the outputs came from."""

    calls: list[ModuleCall] = field(default_factory=list)
    outputs: tuple[tuple[str, ...], ...] = ()


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
        found.calls.append(ModuleCall(name, part, flow.before(outputs, arguments), outputs[0].ndim if outputs else 0))
        flow.set(outputs, (name,))

    with flow, hooked(units(module), note):
        output = run()
    found.outputs = tuple(flow.sources(tensor) for tensor in tensors(output))
    return found


class _Flow(TorchFunctionMode):  # type: ignore[misc]  # its module has no types
    """Knows of every tensor from which modules it came, through all functions of torch."""

    def __init__(self) -> None:
        super().__init__()
        self._producers: dict[int, tuple[str, ...]] = {}
        self._alive: list[torch.Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        names = self.sources((args, kwargs))
        output = func(*args, **(kwargs or {}))
        if names:
            self.set(tensors(output), names)
        return output

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
