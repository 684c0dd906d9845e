"""Takes what the chosen calls of a pass put out, one after the other, with its axes in an order that has a layout."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from tb_featuremap_plugin.integrations.common.arrangement import Arrangement
from tb_featuremap_plugin.integrations.torch.call_trace import CallNames, Trace, units, watchable
from tb_featuremap_plugin.integrations.torch.function_names import plain_function_name
from tb_featuremap_plugin.integrations.torch.nests import tensors
from tb_featuremap_plugin.integrations.torch.tensor_parallel import OutputParts, shows_parts, whole

Take = Callable[[str, torch.Tensor], None]


def laid_out(tensor: torch.Tensor, arranged: Arrangement | None) -> torch.Tensor | None:
    """A tensor with merged axes taken apart, a view where that can be; None where it is not of the shape that this was made for."""
    if arranged is None:
        return tensor
    if not arranged.order:
        return tensor if tensor.ndim == len(arranged.shape) else None
    if tuple(tensor.shape) != arranged.shape:
        return None
    return tensor.reshape(arranged.split).permute(arranged.order).reshape(arranged.joined)


@contextmanager
def capturing(
    module: torch.nn.Module, trace: Trace, names: Collection[str], take: Take, as_given: Collection[str] = ()
) -> Iterator[set[str]]:
    """Hands over the outputs of calls as they come, until the end of the block.

    Args:
        module: the model.
        trace: of an earlier pass.
        names: of calls.
        take: called with name and tensor, which the model may change as soon as it returns.
        as_given: names of calls whose axes the user has said the layout of.

    Of a module whose parameters are split over ranks all parts are fetched: every rank must capture the same calls then.

    Yields:
        Names of what does not fit the trace, filled while the model runs: modules that are called for the first time or more often, and
        outputs of another shape. The trace is then to be made anew.
    """
    watch = _Capture(module, trace, frozenset(names), take, frozenset(as_given))
    with ExitStack() as stack:
        watch.enter(stack)
        yield watch.changed


class _Capture:
    def __init__(self, module: torch.nn.Module, trace: Trace, names: frozenset[str], take: Take, as_given: frozenset[str]) -> None:
        self.changed: set[str] = set()
        self._names = names
        self._take = take
        self._arranged = {call.name: call.arrangement for call in (*trace.calls, *trace.others) if call.name not in as_given}
        self._modules = watchable(module)
        self._calls = CallNames(name for name, _ in module.named_modules())
        self._paths = {id(part): name for name, part in self._modules.items()}
        self._units = units(module)
        self._counts = {self._paths[id(call.module)]: call.calls for call in trace.calls if id(call.module) in self._paths}
        self._with_functions = any(call.function for call in trace.others if call.name in names)
        self._stack: list[torch.nn.Module] = []
        self._parts = OutputParts() if any(map(shows_parts, self._modules.values())) else None

    def enter(self, stack: ExitStack) -> None:
        """Hooks that are gone when the stack is closed."""
        for name, part in self._modules.items():
            if self._with_functions:
                stack.callback(part.register_forward_pre_hook(self._before).remove)
            stack.callback(part.register_forward_hook(self._hook(name), prepend=shows_parts(part)).remove)
        if self._with_functions:
            stack.enter_context(_Functions(self._function))

    def _before(self, module: torch.nn.Module, arguments: Any) -> None:
        self._stack.append(module)

    def _hook(self, name: str) -> Callable[..., None]:
        def after(module: torch.nn.Module, arguments: Any, output: Any) -> None:
            while self._stack and self._stack.pop() is not module:
                pass
            if not name:
                return
            self._note(name, self._labelled(tensors(output), arguments, pure=next(module.parameters(), None) is None))
            if name in self._units and self._calls.counts[name] > self._counts.get(name, 0):
                self.changed.add(name)

        return after

    def _function(self, name: str, output: Any, arguments: Any) -> None:
        name = plain_function_name(name)
        outputs = self._labelled(tensors(output), arguments, pure=True) if name and self._stack else []
        if outputs and outputs[0].ndim > 1:
            self._note(f"{self._paths[id(self._stack[-1])]}:{name}", outputs)

    def _labelled(self, outputs: list[torch.Tensor], arguments: Any, *, pure: bool) -> list[torch.Tensor]:
        if self._parts is None or not outputs:
            return outputs
        return [self._parts.labelled(outputs[0], tensors(arguments) if pure else []), *outputs[1:]]

    def _note(self, base: str, outputs: list[torch.Tensor]) -> None:
        name = self._calls.next(base)
        if name not in self._names or not outputs:
            return
        tensor = laid_out(whole(outputs[0]), self._arranged.get(name))
        if tensor is None:
            self.changed.add(name)
        else:
            self._take(name, tensor)


class _Functions(TorchFunctionMode):  # type: ignore[misc]  # its module has no types
    def __init__(self, note: Callable[[str, Any, Any], None]) -> None:
        super().__init__()
        self._note = note

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        self._note(getattr(func, "__name__", ""), output, args)
        return output
