"""What is read of a model at a logged step; it follows the model as that changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from tb_featuremap_plugin.integrations.keras import training
from tb_featuremap_plugin.integrations.keras.building import build, is_built
from tb_featuremap_plugin.integrations.keras.call_trace import LayerCall, Trace
from tb_featuremap_plugin.integrations.keras.gradients import probe_gradients
from tb_featuremap_plugin.integrations.keras.guarded_pass import Guard
from tb_featuremap_plugin.integrations.keras.layer_axes import layouts_of
from tb_featuremap_plugin.integrations.keras.layer_info import CallFacts, describe
from tb_featuremap_plugin.integrations.keras.layer_selection import ChoiceError, Choices, choices_in, choose, chosen_names
from tb_featuremap_plugin.integrations.keras.leaf_layers import attribute_paths, blocks, named_layers
from tb_featuremap_plugin.integrations.keras.probe_pass import ProbePass
from tb_featuremap_plugin.integrations.keras.probes import Part, Probe, as_tensors, parts_of
from tb_featuremap_plugin.integrations.keras.readings import Readings, reader
from tb_featuremap_plugin.integrations.keras.variable_names import VariableNames
from tb_featuremap_plugin.monitor import Monitor


class ObservedModel:
    """A model, its variables by name, and passes of the probe through it.

    Args:
        model: as it is at the beginning of `fit`.
        probe: of the callback.
        choices: whose outputs are logged.
        wants_gradients: whether gradients on the probe are computed.
        monitor: is told of the layers, and of what fails.
    """

    def __init__(self, model: Any, probe: Probe, choices: Choices, wants_gradients: bool, monitor: Monitor) -> None:
        self.model = model
        self._probe, self._choices, self._wants_gradients = probe, choices, wants_gradients
        self._monitor = monitor
        self._guard = Guard(model)
        self._read = reader()
        self._signature: object = None
        self._names = VariableNames(())
        self._passes: list[ProbePass] = []
        self._gradients: Callable[[], list[Any]] | None = None

    def begin(self) -> None:
        """Builds what is not built and finds out what the model is made of.

        Raises:
            ChoiceError: a choice fits no layer.
        """
        self._monitor.guard(self._build)
        self.follow()
        for choice in choices_in(self._choices) if self._choices is not None and self._passes else ():
            calls = [call for one in self._passes for call in one.trace.calls]
            if not chosen_names(calls, choice, attribute_paths(self.model)):
                raise ChoiceError(f"layers holds {choice!r}, which fits none of {[call.name for call in calls]}")

    def follow(self) -> None:
        """Looks at the model again if layers were added, removed, replaced, frozen or given adapters since."""
        signature = _signature(self.model)
        if signature != self._signature:
            self._signature = signature
            self._names = VariableNames(self.model.weights, named_layers(self.model).values())
            self._passes, self._gradients = [], None
            self._monitor.guard(self._make_passes)
            self._monitor.guard(self._make_gradients)
        self.describe()

    def describe(self) -> None:
        """Tells what is known of the layers, the loss and the optimizer."""
        self._monitor.guard(self._describe)

    def weights(self) -> dict[str, Any]:
        """The values of all variables by path; of one with an adapter, the weight in use by its path, and the base beside it."""
        self.follow()
        return self._names.values(self._read)

    def stored(self) -> dict[str, Any]:
        """The values of all variables by name, without those that are made of others."""
        return self._names.stored(self._read)

    def copies(self, readings: Readings) -> dict[str, Any]:
        """The values of all variables as they are now, in memory of their own."""
        return self._names.stored(readings.copy)

    def activations(self) -> dict[str, Any]:
        """What the chosen layers put out, by name."""
        found: dict[str, Any] = {}
        known = [bool(one.ranges) for one in self._passes]
        for one in self._passes:
            self._monitor.guard(lambda one=one: found.update({**one(), **found}))  # type: ignore[misc]  # a default of a lambda has no type
        if known != [bool(one.ranges) for one in self._passes]:
            self.describe()
        return found

    def gradients(self) -> dict[str, Any]:
        """Gradients on the probe by path of the variable."""
        if self._gradients is None:
            return {}
        found = zip(self.model.trainable_variables, self._gradients(), strict=True)
        named = ((self._names.name(variable), gradient) for variable, gradient in found)
        return {name: gradient for name, gradient in named if name is not None and gradient is not None}

    def _build(self) -> None:
        for part in parts_of(self.model, self._probe.inputs):
            if not is_built(part.network):
                build(part.network, part.inputs)

    def _make_passes(self) -> None:
        if not self.model.weights and not is_built(self.model):
            return
        layers, groups, paths = named_layers(self.model), blocks(self.model), attribute_paths(self.model)

        def select(trace: Trace) -> list[LayerCall]:
            return choose(trace, self._choices, paths, must_fit=False)

        for part in parts_of(self.model, self._probe.inputs):
            self._monitor.guard(lambda part=part: self._passes.append(self._pass_of(part, layers, groups, select)))  # type: ignore[misc]  # as above

    def _pass_of(self, part: Part, layers: Mapping[str, Any], groups: Mapping[str, Any], select: Any) -> ProbePass:
        others = {name: layer for name, layer in groups.items() if layer is not part.network}
        return ProbePass(part.network, part.inputs, layers, others, select, self._guard)

    def _make_gradients(self) -> None:
        if self._wants_gradients and [part.name for part in parts_of(self.model, self._probe.inputs)] == [""]:
            self._gradients = probe_gradients(self.model, as_tensors(self._probe.inputs), as_tensors(self._probe.targets), self._guard)

    def _describe(self) -> None:
        model = self.model
        logged = {name for one in self._passes for name in one.names}
        outputs = self._passes[0].trace.outputs if len(self._passes) == 1 else None
        self._monitor.describe(
            layers=describe([one.trace for one in self._passes], model, self._names, logged, self._facts(), training.loss_weights(model)),
            loss=training.loss_name(model),
            from_logits=training.from_logits(model),
            loss_facts=training.loss_facts(model, self._probe.targets, outputs),
            optimizer=training.optimizer_name(model),
            weight_decay=training.weight_decay(model),
        )

    def _facts(self) -> CallFacts:
        ranges = {name: span for one in self._passes for name, span in one.ranges.items()}
        functions = {name: operation for one in self._passes for name, operation in one.trace.functions.items()}
        layouts = {name: layout for one in self._passes for name, layout in layouts_of(one.trace.calls, one.samples).items()}
        return CallFacts(ranges, functions, layouts)


def _signature(model: Any) -> object:
    """What tells whether a model is still made of the same layers and variables."""
    layers = model._flatten_layers()
    return (
        tuple((id(layer), layer.trainable, getattr(layer, "lora_enabled", False), layer.built) for layer in layers),
        tuple((id(variable), variable.trainable) for variable in model.weights),
        keras.config.dtype_policy().name,
    )
