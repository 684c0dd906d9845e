"""Watches one pass through a torch module: what is called, in which order, on whose outputs, and what the axes of its outputs are."""

from __future__ import annotations

import functools
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from tb_featuremap_plugin.integrations.common.arrangement import Arrangement, arrangement
from tb_featuremap_plugin.integrations.common.axis_labels import Labels
from tb_featuremap_plugin.integrations.torch.data_flow import KERNEL_OF_CONVOLUTION, KERNEL_OF_DENSE, Flow
from tb_featuremap_plugin.integrations.torch.following_modes import followed
from tb_featuremap_plugin.integrations.torch.function_names import plain_function_name
from tb_featuremap_plugin.integrations.torch.last_functions import LastFunctions
from tb_featuremap_plugin.integrations.torch.module_kinds import has_weights_of_its_own
from tb_featuremap_plugin.integrations.torch.nests import tensors

__all__ = ["ModuleCall", "Trace", "hooked", "tensors", "trace", "units"]

FIRST_CALLS = 3
"""Of a module that is called many times so many calls are kept, and the last one: a cell in a loop over time is one layer, not 999."""

_ONLY_MAKES_PARAMETERS = frozenset({"parametrizations", "_packed_params", "_all_weight_values"})

Note = Callable[[str, torch.nn.Module, Any, Any], None]


@dataclass(frozen=True)
class ModuleCall:
    """One call of a module, or of a function within one.

    Attributes:
        name: the module's; a second call of a shared module is "<module>:2". That of a function is "<module>:relu".
        module: the module itself; that of a function is the one in whose `forward` it was called.
        inputs: names of the calls whose outputs it was given, through whatever functions were called between.
        axes: of its output; 0 if that is no tensor.
        arrangement: how its output gets a layout; None where its axes are not known.
        function: name of the function; "" for a call of the module itself.
        order: place among all calls of the pass, by when they ended.
        calls: how often it was called in the pass.
        receives: lowest and highest number that it got; None if those are no finite floating-point numbers.
    """

    name: str
    module: torch.nn.Module
    inputs: tuple[str, ...]
    axes: int
    arrangement: Arrangement | None = None
    function: str = ""
    order: int = 0
    calls: int = 1
    receives: tuple[float, float] | None = None


@dataclass
class Trace:
    """What was seen of one pass.

    Attributes:
        calls: of modules that do the work, in order.
        others: calls that are logged only where they are named: of modules that are made of others, and of functions.
        outputs: of each tensor that the model put out, the names of the calls that it came from.
        uses: what each parameter does, as of `Flow`.
        used_at: how many calls had ended before a parameter was first used.
        inputs: how what the model was called with gets a layout; None where its axes are not known.
        inputs_first: parameters that are matrices [inputs, outputs].
        functions: of the calls that the outputs came from, the activation that is no module and was applied last, by its name, and the
            axis over which it normalises.
        shape: of the output, if there is one.
    """

    calls: list[ModuleCall] = field(default_factory=list)
    others: list[ModuleCall] = field(default_factory=list)
    outputs: tuple[tuple[str, ...], ...] = ()
    uses: Mapping[str, set[str]] = field(default_factory=dict)
    used_at: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[Arrangement | None, ...] = ()
    inputs_first: frozenset[str] = frozenset()
    functions: Mapping[str, tuple[str, int | None]] = field(default_factory=dict)
    shape: tuple[int, ...] = ()


def parts_of(module: torch.nn.Module) -> list[torch.nn.Module]:
    """Modules within a module that its `forward` may call: not those that only make a parameter out of others."""
    return [part for name, part in module.named_children() if name not in _ONLY_MAKES_PARAMETERS]


def units(module: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """The modules that do the work, by name: those without parts, and attention, whose parts are not called.

    Scripted modules are left out: they are compiled as a whole, and what is within them cannot be watched.
    """
    return {name: part for name, part in watchable(module).items() if _is_unit(part)}


def _is_unit(part: torch.nn.Module) -> bool:
    return _is_closed(part) or has_weights_of_its_own(part)


def _is_closed(part: torch.nn.Module) -> bool:
    """Whether a module has nothing within it that is called."""
    return isinstance(part, torch.nn.MultiheadAttention) or not parts_of(part)


def watchable(module: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """All modules that can be watched, by name: not scripted ones, and not the insides of units."""
    found: dict[str, torch.nn.Module] = {}
    closed: list[str] = []
    for name, part in module.named_modules():
        if any(name.startswith(f"{outer}.") for outer in closed):
            continue
        if _is_closed(part) or isinstance(part, torch.jit.ScriptModule):
            closed.append(name)
            if not name and isinstance(part, torch.jit.ScriptModule):
                return {}
        if not isinstance(part, torch.jit.ScriptModule):
            found[name or (type(part).__name__.lower() if _is_unit(part) else "")] = part
    return found


class CallNames:
    """Names of calls, the first of which is the module's: "conv", "conv:2"; another where a module has that name.

    Args:
        taken: names of modules.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = frozenset(taken)
        self.counts: Counter[str] = Counter()

    def next(self, name: str) -> str:
        """The name of the next call."""
        self.counts[name] += 1
        return self.numbered(name, self.counts[name])

    def numbered(self, name: str, number: int) -> str:
        """The name of the call of this number, from 1."""
        if number == 1:
            return name
        separator = ":"
        while f"{name}{separator}{number}" in self._taken:
            separator += ":"
        return f"{name}{separator}{number}"


@contextmanager
def hooked(modules: Mapping[str, torch.nn.Module], note: Note) -> Iterator[None]:
    """Calls `note` with call name, module, arguments and output after each call of a module, until the end of the block."""
    names = CallNames(modules)

    def hook(name: str) -> Callable[..., None]:
        def after(module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            note(names.next(name), module, (args, kwargs), output)

        return after

    handles = [module.register_forward_hook(hook(name), with_kwargs=True) for name, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def trace(module: torch.nn.Module, run: Callable[[], Any]) -> Trace:
    """Runs a pass and tells how its modules are connected, and what the axes of what they put out mean.

    Args:
        module: whose parts are watched.
        run: the pass.
    """
    _warn_of_scripts(module)
    watch = _Watch(module)
    try:
        with watch.everything(operators=True):
            output = run()
    except Exception:  # what the model does may not go with a mode that sees operators; if it fails by itself, it does so again
        watch = _Watch(module)
        with watch.everything(operators=False):
            output = run()
    return watch.trace(output)


def _warn_of_scripts(module: torch.nn.Module) -> None:
    scripted = [name or "the model" for name, part in module.named_modules() if isinstance(part, torch.jit.ScriptModule)]
    outermost = [name for name in scripted if not any(name.startswith(f"{other}.") for other in scripted)]
    if outermost:
        named = ", ".join(outermost[:4]) + (", ..." if len(outermost) > 4 else "")
        warnings.warn(
            f"scripted modules have no feature maps, because TorchScript runs them as a whole: {named}; "
            "watch the model before torch.jit.script or torch.jit.trace",
            RuntimeWarning,
            stacklevel=4,
        )


@dataclass(frozen=True)
class _Seen:
    """A call as it was seen; its axes may be learnt of later."""

    call: ModuleCall
    base: str
    number: int
    labels: Labels | None


@dataclass(frozen=True)
class _Entered:
    """What a call was given."""

    sources: tuple[str, ...] = ()
    range: tuple[float, float] | None = None


def _range(arguments: Any) -> tuple[float, float] | None:
    """Lowest and highest number of the first tensor."""
    first = next(iter(tensors(arguments)), None)
    if first is None or not first.is_floating_point() or first.numel() == 0:
        return None
    low, high = float(first.detach().min()), float(first.detach().max())
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _unseen(method: Callable[..., None]) -> Callable[..., None]:
    """A hook that keeps what it raises: our own bookkeeping must not stop the user's model."""

    @functools.wraps(method)
    def hook(self: _Watch, *arguments: Any) -> None:
        try:
            method(self, *arguments)
        except Exception as error:  # whatever a tensor of a kind that nobody thought of raises when it is asked for its shape
            self.flow.problem = self.flow.problem or error

    return hook


class _Watch:
    """Takes note of the calls of one pass."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._root = module
        self._modules = watchable(module)
        self._paths = {id(part): name for name, part in self._modules.items()}
        self._names = CallNames(name for name, _ in module.named_modules())
        self.flow = Flow()
        self._last = LastFunctions()
        self._stack: list[torch.nn.Module] = []
        self._entered: list[_Entered] = []
        self._seen: list[_Seen] = []

    @contextmanager
    def everything(self, *, operators: bool) -> Iterator[None]:
        """Watches modules and functions, and operators too or nobody knows of any axes."""
        scripted = isinstance(self._root, torch.jit.RecursiveScriptModule)  # takes no hooks
        handles = [] if scripted else [self._root.register_forward_pre_hook(self._begin, with_kwargs=True)]
        for part in self._modules.values():
            handles.append(part.register_forward_pre_hook(self._enter, with_kwargs=True))
            handles.append(part.register_forward_hook(self._leave, with_kwargs=True))
        try:
            with followed(self.flow, self._function, operators=operators):
                yield
        finally:
            for handle in handles:
                handle.remove()

    def trace(self, output: Any) -> Trace:
        """What was seen, when the pass is over."""
        names = _Kept(self._names.counts, self._names)
        kept = [self._finished(seen, names) for seen in self._seen if names.is_kept(seen.base, seen.number)]
        sources = tuple(names.kept(self.flow.sources(tensor)) for tensor in tensors(output))
        plain = [call for call in kept if not call.function and self._does_the_work(call.module)]
        others = [call for call in kept if call.function or not self._does_the_work(call.module)]
        shapes = [tuple(tensor.shape) for tensor in tensors(output)]
        return Trace(
            plain,
            others,
            sources,
            uses=self.flow.uses,
            used_at=self.flow.used_at,
            inputs=tuple(arrangement(labels, self.flow.origins) for labels in self.flow.inputs),
            inputs_first=frozenset(self.flow.inputs_first),
            functions=self._last.functions(tensors(output)),
            shape=shapes[0] if len(shapes) == 1 else (),
        )

    @_unseen
    def _begin(self, module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        if not self._seen and not self._stack:
            self.flow.begin(module, (args, kwargs))

    @_unseen
    def _enter(self, module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        self._stack.append(module)
        early = _is_unit(module) and self._names.counts[self._paths[id(module)]] < FIRST_CALLS
        self._entered.append(_Entered(self.flow.sources((args, kwargs)), _range((args, kwargs)) if early else None))

    @_unseen
    def _leave(self, module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        while self._stack and self._stack.pop() is not module:  # left by an exception that the model caught
            self._entered.pop()
        entered = self._entered.pop() if self._entered else _Entered()
        outputs, base = tensors(output), self._paths[id(module)]
        if self._does_the_work(module):
            self._note(base, "", module, entered if entered.sources else replace(entered, sources=self.flow.sources(outputs)), outputs)
            name = self._names.numbered(base, self._names.counts[base])
            self.flow.came_from(outputs, name)
            self._last.of_module(outputs, name)
        elif base:
            self._note(base, "", module, entered, outputs)

    def _does_the_work(self, module: torch.nn.Module) -> bool:
        """Whether a module is a unit, or multiplies by parameters of its own; the model is none, if it has parts."""
        if _is_unit(module):
            return True
        base = self._paths[id(module)]
        own = [f"{base}.{name}" for name, _ in module.named_parameters(recurse=False)] if base else []
        return any(self.flow.uses.get(name, set()) & {KERNEL_OF_CONVOLUTION, KERNEL_OF_DENSE} for name in own)

    def _function(self, name: str, outputs: list[torch.Tensor], arguments: Any) -> None:
        self._last.follow(name, arguments, outputs)
        name = plain_function_name(name)
        if name and self._stack and outputs[0].ndim > 1:
            module = self._stack[-1]
            self._note(f"{self._paths[id(module)]}:{name}", name, module, _Entered(self.flow.sources(arguments)), outputs)

    def _note(self, base: str, function: str, module: torch.nn.Module, entered: _Entered, outputs: list[torch.Tensor]) -> None:
        axes, labels = (outputs[0].ndim, self.flow.labels(outputs[0])) if outputs else (0, None)
        order = self.flow.ended = len(self._seen)
        name = self._names.next(base)
        call = ModuleCall(name, module, entered.sources, axes, function=function, order=order, receives=entered.range)
        self._seen.append(_Seen(call, base, self._names.counts[base], labels))

    def _finished(self, seen: _Seen, names: _Kept) -> ModuleCall:
        """A call with all that was learnt in the pass."""
        call, count = seen.call, self._names.counts[seen.base]
        arranged = arrangement(seen.labels, self.flow.origins) if seen.labels is not None else None
        return replace(call, inputs=names.kept(call.inputs), arrangement=arranged, calls=count)


class _Kept:
    """Which calls of a module that was called many times are kept: the first ones and the last."""

    def __init__(self, counts: Counter[str], names: CallNames) -> None:
        self._counts = counts
        self._instead = {
            names.numbered(base, number): names.numbered(base, FIRST_CALLS)
            for base, count in counts.items()
            for number in range(FIRST_CALLS + 1, count)
        }

    def is_kept(self, base: str, number: int) -> bool:
        """Whether the call of this number is kept."""
        return number <= FIRST_CALLS or number == self._counts[base]

    def kept(self, names: Iterable[str]) -> tuple[str, ...]:
        """Names of calls, those of left-out ones as the last one that was kept before them."""
        return tuple(dict.fromkeys(self._instead.get(name, name) for name in names))
