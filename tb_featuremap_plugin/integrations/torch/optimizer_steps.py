"""What optimizers do between two calls of `step`: seen by torch's own hooks around `Optimizer.step`."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from tb_featuremap_plugin.integrations.torch.loop_habits import LoopHabits

MOST_COPIED_BYTES = 256 << 20
"""Of gradients that are copied before an update; of larger ones only references are kept, which whoever zeroes them in place empties."""

_WRAPPED = ("optimizer", "_optimizer", "optim")
"""Where libraries that wrap optimizers keep the one that they wrap."""


@dataclass
class Interval:
    """What happened since the last call.

    Attributes:
        updates: finished steps of optimizers that hold parameters of the model.
        learning_rate: that the first of them used last; None if none was seen.
        gradients: as they were right before the updates, by name; only where they were wanted.
        trained: names of the parameters that were updated by a gradient; only where gradients were wanted.
    """

    updates: int = 0
    learning_rate: Any = None
    gradients: dict[str, torch.Tensor] = field(default_factory=dict)
    trained: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Gradient:
    tensor: torch.Tensor
    version: int

    def value(self) -> torch.Tensor | None:
        """The gradient, unless somebody has zeroed it in place since."""
        return self.tensor if self.tensor._version == self.version else None


class OptimizerSteps:
    """Watches all optimizers that hold parameters of a model, whoever made them and whenever.

    Args:
        given: the optimizers that the user named.
        parameters: returns the parameters of the model by name.
        wants_gradients: whether the coming call of `step` records gradients.
        before_first: called right before the first update of all.
        guard: runs what must not end a training.
    """

    def __init__(
        self,
        given: Sequence[torch.optim.Optimizer],
        parameters: Callable[[], Mapping[str, nn.Parameter]],
        wants_gradients: Callable[[], bool],
        before_first: Callable[[], object],
        guard: Callable[[Callable[[], object]], None],
        habits: LoopHabits,
    ) -> None:
        self.habits = habits
        self.ever = 0
        self._given = list(given)
        self._parameters = parameters
        self._wants_gradients = wants_gradients
        self._guard = guard
        self._before_first: Callable[[], object] | None = before_first
        self._seen: dict[int, tuple[weakref.ref[torch.optim.Optimizer], int, bool]] = {}
        self._interval = Interval()
        self._gradients: dict[str, _Gradient] = {}
        self._rates: dict[int, Any] = {}
        before, after = _hooks(weakref.ref(self))
        self._handles = [register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)]
        for handle in self._handles:
            weakref.finalize(self, handle.remove)

    def close(self) -> None:
        """Watches no longer."""
        for handle in self._handles:
            handle.remove()

    @property
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Those that were given, then those that were seen."""
        alive = [reference() for reference, _, ours in self._seen.values() if ours]
        return [*self._given, *(one for one in alive if one is not None and not any(one is other for other in self._given))]

    def take(self) -> Interval:
        """What happened since the last call."""
        interval, self._interval = self._interval, Interval()
        values = {name: gradient.value() for name, gradient in self._gradients.items()}
        interval.gradients = {name: value for name, value in values.items() if value is not None}
        interval.trained = frozenset(self._gradients)
        interval.learning_rate = next((self._rates[id(one)] for one in self.optimizers if id(one) in self._rates), None)
        self._gradients = {}
        return interval

    def before(self, optimizer: torch.optim.Optimizer) -> None:
        """Notes what an update is made with."""
        self._guard(lambda: self._before(optimizer))

    def after(self, optimizer: torch.optim.Optimizer) -> None:
        """Counts an update."""
        self._guard(lambda: self._after(optimizer))

    def _before(self, optimizer: torch.optim.Optimizer) -> None:
        if not self._is_ours(optimizer):
            return
        if self._before_first is not None:
            start, self._before_first = self._before_first, None
            start()
        self._rates[id(optimizer)] = _rate(optimizer)
        self.habits.before(optimizer)
        if self._wants_gradients():
            self._keep_gradients(optimizer)

    def _after(self, optimizer: torch.optim.Optimizer) -> None:
        if not self._is_ours(optimizer):
            return
        if self._wants_gradients():
            self._keep_gradients(optimizer, only_new=True)
            skipped = getattr(optimizer, "found_inf", None)
            if isinstance(skipped, torch.Tensor) and bool(skipped.any()):
                return
        self.habits.after(optimizer)
        self.ever += 1
        self._interval.updates += 1

    def _is_ours(self, optimizer: torch.optim.Optimizer) -> bool:
        count = sum(len(group["params"]) for group in optimizer.param_groups)
        known = self._seen.get(id(optimizer))
        if known is not None and known[0]() is optimizer and known[1] == count:
            return known[2]
        mine = {id(parameter) for parameter in self._parameters().values()}
        ours = any(id(parameter) in mine for group in optimizer.param_groups for parameter in group["params"])
        ours = ours or any(optimizer is one for one in self._given)
        self._seen[id(optimizer)] = (weakref.ref(optimizer), count, ours)
        return ours

    def forget_strangers(self) -> None:
        """Parameters have come or gone: looks again at the optimizers that had none of them."""
        self._seen = {key: known for key, known in self._seen.items() if known[2]}

    def _keep_gradients(self, optimizer: torch.optim.Optimizer, *, only_new: bool = False) -> None:
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        mine = {name: one for name, one in self._parameters().items() if id(one) in held and one.requires_grad}
        new = {name: one.grad for name, one in mine.items() if not (only_new and name in self._gradients)}
        found = {name: gradient for name, gradient in new.items() if gradient is not None}
        self._gradients.update(_kept(found, getattr(optimizer, "grad_scale", None)))


def unwrapped_optimizers(given: Any) -> list[torch.optim.Optimizer]:
    """The optimizers themselves, of one, of several in a list or mapping, and without what libraries wrap around them.

    Raises:
        TypeError: there is something else among them.
    """
    if given is None or isinstance(given, str):
        return []
    several = given.values() if isinstance(given, Mapping) else given if isinstance(given, (list, tuple)) else [given]
    return [_unwrapped(one) for one in several]


def _unwrapped(given: Any) -> torch.optim.Optimizer:
    optimizer = given
    for _ in range(len(_WRAPPED)):
        inner = [getattr(optimizer, name, None) for name in _WRAPPED]
        optimizer = next((one for one in inner if isinstance(one, torch.optim.Optimizer)), optimizer)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(
            f"optimizer is {given!r:.100}; allowed are a torch.optim.Optimizer, a list of several, the optimizer's name, and None"
        )
    return optimizer


def _kept(gradients: Mapping[str, torch.Tensor], scale: Any) -> dict[str, _Gradient]:
    size = sum(gradient.nbytes for gradient in gradients.values() if gradient.layout == torch.strided)
    with torch.no_grad():
        if isinstance(scale, torch.Tensor):
            gradients = {name: gradient / scale.to(gradient.device) for name, gradient in gradients.items()}
        elif size <= MOST_COPIED_BYTES:
            gradients = {name: gradient.clone() for name, gradient in gradients.items()}
    return {name: _Gradient(gradient.detach(), gradient._version) for name, gradient in gradients.items()}


def _rate(optimizer: torch.optim.Optimizer) -> Any:
    """The learning rate of the first group, as it is now: a tensor may be changed in place."""
    rate = optimizer.param_groups[0].get("lr") if optimizer.param_groups else None
    return rate.detach().clone() if isinstance(rate, torch.Tensor) else rate


def _hooks(steps: weakref.ref[OptimizerSteps]) -> Iterable[Callable[..., None]]:
    """Functions that keep nothing alive, and that a compiled `Optimizer.step` leaves out."""

    def before(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if not torch.compiler.is_compiling():
            _call(steps, "before", optimizer)

    def after(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if not torch.compiler.is_compiling():
            _call(steps, "after", optimizer)

    return before, after


def _call(steps: weakref.ref[OptimizerSteps], what: str, optimizer: torch.optim.Optimizer) -> None:
    watched = steps()
    if watched is not None:
        getattr(watched, what)(optimizer)
