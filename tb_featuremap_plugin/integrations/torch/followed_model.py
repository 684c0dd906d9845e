"""A torch model whose layers may be added, replaced, removed or called later while it is watched."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from tb_featuremap_plugin.arrays.dense import OURS_ALONE
from tb_featuremap_plugin.integrations.torch.call_trace import Trace, trace
from tb_featuremap_plugin.integrations.torch.capture import capturing
from tb_featuremap_plugin.integrations.torch.layer_info import describe
from tb_featuremap_plugin.integrations.torch.layer_selection import Choices, choose
from tb_featuremap_plugin.integrations.torch.module_variables import weights_in_use
from tb_featuremap_plugin.integrations.torch.probe_forms import Reading, first_that_works, placed
from tb_featuremap_plugin.integrations.torch.probe_pass import ProbePass
from tb_featuremap_plugin.integrations.torch.tensor_state import plain
from tb_featuremap_plugin.integrations.torch.together import PassError, Passes
from tb_featuremap_plugin.monitor.step_arguments import SINGLE_NAMES, flatten
from tb_featuremap_plugin.schema.columns import INPUTS_ROW
from tb_featuremap_plugin.schema.network import Layer

LossFunction = Callable[[Any, Any], torch.Tensor]


class FollowedModel:
    """Runs the probe through a model, and looks anew at what it is made of whenever that has changed.

    Args:
        model: the user's own module.
        probe: as the user gave it.
        choices: whose outputs are logged.
        as_given: names of calls whose axes the user has said the layout of.
        together: how passes are made where other ranks log the model too, or hold parts of it.

    Attributes:
        model: the module.
        reading: how the probe is understood.
        trace: of the latest pass that looked at connections.
        names: of the calls whose outputs are logged.

    Raises:
        TypeError, ValueError: the model does not work with the probe, or a choice fits nothing.
    """

    def __init__(self, model: nn.Module, probe: Any, choices: Choices, as_given: Collection[str], together: Passes) -> None:
        self.model = model
        self._choices = choices
        self._as_given = as_given
        self._together = together
        self._pass = ProbePass(model)
        self.reading, self.trace = first_that_works(probe, self._first_trace)
        self.names = choose(self.trace, choices, model) if self.trace.calls else []
        self._parts = self._made_of()
        self._known: dict[str, weakref.ref[torch.Tensor]] = {}

    @property
    def is_sharded(self) -> bool:
        """Whether other ranks hold parts of its parameters."""
        return self._together.sharded

    @property
    def is_lazy(self) -> bool:
        """Whether some of its parameters wait for the user's own first pass."""
        return any(nn.parameter.is_lazy(tensor) for tensor in (*self.model.parameters(), *self.model.buffers()))

    def parameters(self) -> dict[str, nn.Parameter]:
        """Its parameters by name."""
        return dict(self.model.named_parameters())

    def replaced(self) -> list[str]:
        """Names of the parameters that are other ones than at the last call; of a sharded model it is not known."""
        before, self._known = self._known, {name: weakref.ref(parameter) for name, parameter in self.parameters().items()}
        if self.is_sharded:
            return []
        return [name for name, one in self._known.items() if name in before and before[name]() is not one()]

    def weights(self) -> dict[str, torch.Tensor]:
        """Parameters, floating-point buffers and the weights that are computed from them, by name, as far as they have values."""
        buffers = {name: buffer for name, buffer in self.model.named_buffers() if buffer.is_floating_point()}
        stored = {name: plain(tensor) for name, tensor in {**self.parameters(), **buffers}.items() if not nn.parameter.is_lazy(tensor)}
        used = weights_in_use(self.model)
        return {**stored, **self._pass.run(lambda: {name: compute() for name, compute in used.items()})} if used else stored

    def kernel_layouts(self) -> dict[str, str]:
        """Layouts of the kernels that are stored otherwise than torch's own layers store theirs."""
        return dict.fromkeys(sorted(self.trace.inputs_first), "IO")

    def input_layouts(self) -> dict[str, str]:
        """Layouts of the probe's inputs that follow from what the model does with them, by the names of their rows."""
        names = list(flatten(self.reading.inputs, SINGLE_NAMES["inputs"]))
        if len(names) != len(self.trace.inputs):
            return {}
        known = {name: one.layout for name, one in zip(names, self.trace.inputs, strict=True) if one is not None and not one.order}
        rows = {f"{INPUTS_ROW}/{name}": layout for name, layout in known.items()}
        return {**rows, INPUTS_ROW: known[names[0]]} if names and names[0] in known else rows

    def activations(self) -> dict[str, torch.Tensor]:
        """What the chosen calls put out, by name.

        Raises:
            Exception: whatever the model raises.
        """
        if self._together.impossible or isinstance(self.model, torch.jit.RecursiveScriptModule):
            return {}
        if self._made_of() != self._parts or not self.trace.calls:
            self._look_again()
        captured, changed = self._pass.run(self._capture)
        if changed or len(captured) < len(self.names):
            self._look_again()
            captured, _ = self._pass.run(self._capture)
        return captured

    def probe_gradients(self, loss_fn: LossFunction) -> dict[str, torch.Tensor]:
        """Gradients of the loss on the probe, by name of the parameter.

        Raises:
            Exception: whatever the model or the loss raises.
        """
        return self._pass.run(lambda: self._gradients(loss_fn))

    def layers(self, trained: Collection[str] = ()) -> list[Layer]:
        """The layers as they are now.

        Args:
            trained: names of parameters that an optimizer has just updated: they train, also if they are frozen at this moment.
        """
        return [_as_trained(layer, trained) for layer in describe(self.trace, self.model, self.names)]

    def initialise(self) -> None:
        """Gives lazy modules their parameters as the user's first pass would: the random numbers are used up."""
        self._pass.first_forward(lambda: self.reading.call(self.model))

    def _first_trace(self, reading: Reading) -> Trace:
        try:
            return self._traced(reading)
        except PassError as error:
            self._together.say(error, stacklevel=7)
            return Trace()

    def _traced(self, reading: Reading) -> Trace:
        return self._pass.run(lambda: self._trace_once(reading))

    def _trace_once(self, reading: Reading) -> Trace:
        """Lazy modules are what they will be only after a pass, which is undone with this one."""
        if self.is_lazy:
            self._called(reading)
        return trace(self.model, lambda: self._called(reading))

    def _called(self, reading: Reading) -> Any:
        with self._together.together():
            return reading.call(self.model)

    def _look_again(self) -> None:
        self.trace = self._traced(self.reading)
        self.names = _still_there(self._choices, lambda choices: choose(self.trace, choices, self.model))
        self._parts = self._made_of()

    def _made_of(self) -> tuple[Any, ...]:
        """Differs as soon as a module or parameter is another one."""
        modules = [(name, id(part), type(part)) for name, part in self.model.named_modules()]
        return (*modules, *((name, id(parameter)) for name, parameter in self.model.named_parameters()))

    def _capture(self) -> tuple[dict[str, torch.Tensor], bool]:
        captured: dict[str, torch.Tensor] = {}

        def take(name: str, tensor: torch.Tensor) -> None:
            captured[name] = copy = plain(tensor).detach().clone()
            setattr(copy, OURS_ALONE, True)

        with capturing(self.model, self.trace, self.names, take, self._as_given) as changed:
            self._called(self.reading)
        return {name: captured[name] for name in self.names if name in captured}, bool(changed)

    def _gradients(self, loss_fn: LossFunction) -> dict[str, torch.Tensor]:
        trained = {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}
        with torch.enable_grad():
            loss = loss_fn(self._called(self.reading), placed(self.reading.targets, self.model))
            gradients = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
        return {name: gradient for name, gradient in zip(trained, gradients, strict=True) if gradient is not None}


def _still_there(choices: Choices, chosen: Callable[[Choices], list[str]]) -> list[str]:
    """The names that choices fit, where some may fit nothing any more."""
    if choices is None:
        return chosen(None)
    several = choices if isinstance(choices, (list, tuple, set, frozenset)) else [choices]
    fitting = []
    for choice in several:
        try:
            chosen([choice])
        except ValueError:  # its layers have gone
            continue
        fitting.append(choice)
    return chosen(fitting) if fitting else []


def _as_trained(layer: Layer, trained: Collection[str]) -> Layer:
    moving = [name for name in (*layer.weights, *layer.state) if name in trained]
    still = layer.frozen if layer.trainable else layer.weights
    if not moving or not any(name in still or name in layer.state for name in moving):
        return layer
    return replace(
        layer,
        weights=tuple(dict.fromkeys([*layer.weights, *moving])),
        state=tuple(name for name in layer.state if name not in moving),
        trainable=True,
        frozen=tuple(name for name in still if name not in moving),
    )
