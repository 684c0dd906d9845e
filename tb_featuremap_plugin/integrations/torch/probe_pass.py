"""Passes of a probe through a torch module that leave no trace: not in weights, buffers, attributes, random numbers or hooks."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.data.dataloader import _BaseDataLoaderIter

from tb_featuremap_plugin.integrations.common.process_state import process_as_before
from tb_featuremap_plugin.integrations.common.python_state import PythonState
from tb_featuremap_plugin.integrations.common.random_state import random_numbers_as_before
from tb_featuremap_plugin.integrations.torch.modes import evaluation_flags, overrides_modes
from tb_featuremap_plugin.integrations.torch.pass_check import PassCheck
from tb_featuremap_plugin.integrations.torch.tensor_state import TensorState, WriteGuard
from tb_featuremap_plugin.integrations.torch.together import PassError
from tb_featuremap_plugin.integrations.torch.user_hooks import hook_tables, onlookers_silent, saving_as_usual

T = TypeVar("T")

_OPTIMIZERS = (torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler)
_SHARDING = frozenset({"FullyShardedDataParallel", "FSDPModule"})


@dataclass(frozen=True)
class Way:
    """How a pass is made.

    Attributes:
        gradients: with autograd switched on, for a forward that differentiates.
        all_hooks: hooks that only look on run too; what they leave behind is undone.
        own_modes: modules with a `train()` or `eval()` of their own stay in the mode that they are in.
    """

    gradients: bool = False
    all_hooks: bool = False
    own_modes: bool = False


class ProbePass:
    """Makes passes through a module, each of them without a trace.

    The first pass is checked: what writes into tensors behind torch's back is found, and looked after in the passes that follow.

    Args:
        model: the user's own module.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._way = Way()
        self._check = PassCheck(model)

    def run(self, action: Callable[[], T]) -> T:
        """What an action returns that runs the probe.

        A model that does not work without gradients, without all its hooks, or in evaluation mode set by flags alone is run again with
        them; the way that worked is taken from then on.

        Raises:
            Exception: what the first way raised, if none works.
        """
        first: Exception | None = None
        for way in self._ways():
            try:
                result = contextvars.copy_context().run(self._once, action, way)
            except (torch.cuda.OutOfMemoryError, PassError):
                raise
            except Exception as error:  # whatever a model raises that does not work this way
                first = first or error
            else:
                self._way = way
                return result
        assert first is not None
        raise first

    def first_forward(self, action: Callable[[], object]) -> None:
        """A pass that leaves what a first pass of the user's would leave: parameters of lazy modules, and random numbers used up."""
        modules = list(self._model.modules())
        with onlookers_silent(modules), evaluation_flags(modules, keep_own=False), torch.no_grad():
            action()

    def _once(self, action: Callable[[], T], way: Way) -> T:
        with undisturbed(self._model, way, check=self._check):
            return action()

    def _ways(self) -> list[Way]:
        ways = [self._way, Way(gradients=True), Way(gradients=True, all_hooks=True)]
        if any(map(overrides_modes, self._model.modules())):
            ways.append(Way(gradients=True, all_hooks=True, own_modes=True))
        return list(dict.fromkeys(ways))


@contextmanager
def undisturbed(model: nn.Module, way: Way = Way(), *, check: PassCheck | None = None) -> Iterator[None]:
    """Evaluation mode, eager and without gradients; at the end all is as it was, also if the block raises.

    Args:
        model: the user's own module.
        way: what is different.
        check: looks for what the pass writes that is not seen, and knows what earlier passes wrote so.
    """
    with random_numbers_as_before(), process_as_before(), _flags_as_before(), ExitStack() as stack:
        state = _ModuleState(model, check.unseen if check is not None else ())
        stack.callback(lambda: _put_back(state, check))
        if check is not None:
            stack.enter_context(check.over(state.tensors, state.python, state.guard))
        if not way.all_hooks:
            stack.enter_context(onlookers_silent(model.modules()))
        stack.enter_context(evaluation_flags(model.modules(), keep_own=way.own_modes))
        stack.enter_context(_outside_of_the_loop(way.gradients))
        stack.enter_context(state.guard)
        yield


@contextmanager
def _flags_as_before() -> Iterator[None]:
    """Torch's own switches, which a forward may set for good."""
    dtype, precision = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    deterministic, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        yield
    finally:
        if torch.get_default_dtype() != dtype:
            torch.set_default_dtype(dtype)
        if torch.get_float32_matmul_precision() != precision:
            torch.set_float32_matmul_precision(precision)
        if (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()) != (deterministic, warns):
            torch.use_deterministic_algorithms(deterministic, warn_only=warns)


@contextmanager
def _outside_of_the_loop(gradients: bool) -> Iterator[None]:
    """What surrounds the call of `step` neither reaches into the pass nor keeps anything of it."""
    cached = torch.is_autocast_cache_enabled()
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(gradients))
        stack.enter_context(saving_as_usual())
        if hasattr(torch.compiler, "set_stance"):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.callback(torch.set_autocast_cache_enabled, cached)
        torch.set_autocast_cache_enabled(False)
        yield


def _put_back(state: _ModuleState, check: PassCheck | None) -> None:
    problems = state.put_back()
    if check is not None:
        check.tell(problems)


class _ModuleState:
    """All that a pass through a module may change.

    Parameters of a sharded module come and go in the pass, and those who shard know where they are: of those modules the buffers' values
    are put back, and the rest is theirs.
    """

    def __init__(self, model: nn.Module, watched: Iterable[torch.Tensor]) -> None:
        sharded = is_sharded(model)
        self.guard = WriteGuard(model.buffers() if sharded else None)
        self.tensors = TensorState()
        self._generators: list[tuple[torch.Generator, torch.Tensor]] = []
        self._kinds: list[tuple[nn.Module, type]] = []
        self._moving: list[Any] = []
        roots = [] if sharded else [model, *hook_tables(model.modules())]
        self.python = PythonState(roots, self._claim)
        self.python.unguarded += self._moving
        for tensor in watched:
            self.guard.keep(tensor)

    def put_back(self) -> list[Exception]:
        for module, kind in self._kinds:
            if type(module) is not kind:  # a lazy module that became what it was to be
                module.__class__ = kind
        problems = [*self.python.put_back(), *self.guard.put_back(), *self.tensors.put_back()]
        for generator, state in self._generators:
            generator.set_state(state)
        return problems

    def _claim(self, thing: Any) -> Iterable[Any] | None:
        if isinstance(thing, torch.Tensor):
            self.tensors.add(thing)
            return (vars(thing),) if getattr(thing, "__dict__", None) else ()
        if isinstance(thing, torch.Generator):
            self._generators.append((thing, thing.get_state()))
            return ()
        if isinstance(thing, _BaseDataLoaderIter):
            self._moving.append(thing)
            return ()
        if isinstance(thing, _OPTIMIZERS):  # that a forward uses, as layers do that learn while they are used
            return (vars(thing),)
        if not isinstance(thing, nn.Module):
            return None
        self._kinds.append((thing, type(thing)))
        return (vars(thing),)


def is_sharded(model: nn.Module) -> bool:
    """Whether parts of the parameters lie elsewhere, with FSDP or DeepSpeed."""
    kinds = {base.__name__ for part in model.modules() for base in type(part).__mro__}
    return not _SHARDING.isdisjoint(kinds) or any(hasattr(parameter, "ds_id") for parameter in model.parameters())
