"""`watch`: one line before the training loop and one in it log everything that a JAX model does."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from tb_featuremap_plugin.integrations.common.random_state import random_numbers_as_before
from tb_featuremap_plugin.integrations.jax.adapters import adapted
from tb_featuremap_plugin.integrations.jax.layer_selection import Choices, choose
from tb_featuremap_plugin.integrations.jax.models import Model, Parts, is_array
from tb_featuremap_plugin.integrations.jax.module_calls import Calls
from tb_featuremap_plugin.integrations.jax.processes import is_copy, local
from tb_featuremap_plugin.integrations.jax.tracing import Traced, trace
from tb_featuremap_plugin.integrations.jax.training import gradients_of, loss_facts
from tb_featuremap_plugin.monitor import Monitor
from tb_featuremap_plugin.monitor.layer_layouts import OTHERS
from tb_featuremap_plugin.monitor.options import LoopKeywords, MonitorOptions
from tb_featuremap_plugin.monitor.probe_size import bounded_probe
from tb_featuremap_plugin.recording.keywords import takes
from tb_featuremap_plugin.schema.one_line import counted, described

if TYPE_CHECKING:
    from typing_extensions import Unpack


@takes(MonitorOptions)
def watch(
    apply: Any,
    logdir: str | os.PathLike[str],
    *,
    probe: Any,
    parameters: Any = None,
    layers: Choices = None,
    loss_fn: Callable[..., Any] | None = None,
    optimizer: str | None = None,
    first_step: int = 0,
    **monitor_options: Unpack[LoopKeywords],
) -> Watcher:
    """Begins to log a JAX model; call the watcher's `step` after each update.

    The probe is run through a trace of the model in evaluation mode, which is compiled once: random numbers, state and the model itself
    stay as they are. Layers bear the names of the modules, and variables those of the way to them: "encoder/conv/kernel".

    Args:
        apply: a Flax linen module, an nnx module, an Equinox module (which takes one sample), a Haiku transform, or a function of
            parameters and inputs.
        logdir: a folder or a URL; records go into its sub-folder `run_name`.
        probe: inputs, always the same few: an array, a list of positional or a dictionary of keyword arguments; or a 2-tuple
            (inputs, targets). Their first axis is that of the samples.
        parameters: the untouched start, for models that do not hold their parameters (linen, Haiku, functions); logged as step 0.
        layers: whose outputs are logged: names, modules that hold them, or regular expressions, one or several. By default
            convolutions, dense layers, attention, normalisations, activations and the outputs.
        loss_fn: of outputs and targets, as of optax. It names the loss, and gives gradients on the probe.
        optimizer: its name, such as "adam".
        first_step: updates that were done before, in a resumed training.
        **monitor_options: `every` and the others, as of `Monitor`.

    Raises:
        TypeError, ValueError: an argument is wrong.
        Exception: whatever the model raises for this probe.
    """
    return Watcher(adapted(apply), os.fspath(logdir), probe, parameters, layers, loss_fn, optimizer, first_step, monitor_options, apply)


@dataclass(frozen=True)
class _Pass:
    """A trace, the arrays' shapes that it fits, and what it computes."""

    key: Any
    traced: Traced
    outputs: Callable[[Any], dict[str, Any]]
    gradients: Callable[[Any], list[Any]]


class Watcher:
    """Logs a JAX model; made by `watch`. A context manager, which closes at the end."""

    def __init__(
        self,
        model: Model,
        logdir: str,
        probe: Any,
        parameters: Any,
        layers: Choices,
        loss_fn: Callable[..., Any] | None,
        optimizer: str | None,
        first_step: int,
        monitor_options: LoopKeywords,
        apply: Any,
    ) -> None:
        self._model = model
        inputs, targets = probe if isinstance(probe, tuple) and len(probe) == 2 else (probe, None)
        self._inputs, self._targets = bounded_probe(local(inputs), local(targets))
        self._is_copy: bool | None = None
        self._choices, self._loss_fn, self._step = layers, loss_fn, first_step
        self._passes: _Pass | None = None
        self._described: _Pass | None = None
        self._layouts = {OTHERS: model.data_format}
        facts = {"layers": (), "optimizer": optimizer, "layouts": self._layouts, **loss_facts(loss_fn)}
        start = parameters if parameters is not None else apply if model.holds_parameters else None
        if start is not None:
            self._pass_for(_Taken(model, start).parts)
        self.monitor = Monitor(logdir, **{**facts, **monitor_options})
        if start is not None:
            self._log(start, None)

    def step(self, model_or_parameters: Any, loss: Any = None) -> None:
        """Takes note of a finished update, and records it if it is due.

        Args:
            model_or_parameters: as they are now: the module of nnx or Equinox; the variables of linen, Haiku or a function.
            loss: of this step, an array or a number; read only when a record is due.
        """
        self._step += 1
        self._log(model_or_parameters, loss)

    def validate(self, loss: Any) -> None:
        """Takes note of a loss on data that are not trained on, of the model as it is now; goes into the next record.

        Args:
            loss: the mean over the validation data, an array or a number.
        """
        self.monitor.validate(loss)

    def close(self) -> None:
        """Records the last step, if it was not due, and closes the files."""
        self.monitor.close()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        layers = counted(len(self._passes.traced.sites), "layer") if self._passes is not None else "no pass yet"
        return described("Watcher", f"of {type(self._model).__name__}", layers, f"at step {self._step}", repr(self.monitor))

    def _log(self, given: Any, loss: Any) -> None:
        taken = _Taken(self._model, given)
        if self._is_copy is None:
            self._is_copy = taken.is_copy()
        if self._is_copy:
            return
        self.monitor.log(
            self._step,
            inputs=self._inputs,
            targets=self._targets,
            activations=lambda: self._activations(taken.parts),
            weights=lambda: taken.parts.variables(),
            gradients=lambda: self._gradients(taken.parts),
            loss=loss,
        )

    def _pass_for(self, parts: Parts) -> _Pass:
        """The trace that fits these arrays; a new one where the model was changed."""
        key = _key(parts)
        if self._passes is None or self._passes.key != key:
            with random_numbers_as_before():  # Python runs the model once, to trace it
                traced = trace(self._model, parts, self._inputs)
            outputs, gradients = traced.outputs_of(choose(traced, self._choices)), jax.jit(self._gradients_with(parts.structure))
            self._passes = _Pass(key, traced, outputs, gradients)
        return self._passes

    def _activations(self, parts: Parts) -> dict[str, Any]:
        found = self._pass_for(parts)
        if found is not self._described:
            self._described = found
            self._layouts.update(found.traced.layouts())  # the monitor asks this very mapping
            self.monitor.describe(layers=found.traced.described(parts.arrays))
        return found.outputs(parts.arrays)

    def _gradients(self, parts: Parts) -> dict[str, Any]:
        if self._loss_fn is None or self._targets is None:
            return {}
        with random_numbers_as_before():  # Python runs the model once, to trace it
            found = self._pass_for(parts).gradients(parts.arrays)
        named = zip(parts.names, found, strict=True)
        return {name: value for name, value in named if name is not None and value is not None and name not in parts.state}

    def _gradients_with(self, structure: Any) -> Callable[[Any], list[Any]]:
        """Gradients on the probe as a function of arrays."""
        loss_fn = self._loss_fn
        if loss_fn is None:
            return lambda arrays: []
        return lambda arrays: gradients_of(
            lambda changed: self._model.run(changed, structure, self._inputs, Calls()), loss_fn, self._targets, arrays
        )


class _Taken:
    """What `step` was given, taken apart once and only when it is needed."""

    def __init__(self, model: Model, given: Any) -> None:
        self._model, self._given = model, given
        self._parts: Parts | None = None

    @property
    def parts(self) -> Parts:
        if self._parts is None:
            parts = self._model.parts(self._given)
            self._parts = replace(parts, arrays=local(parts.arrays))
        return self._parts

    def is_copy(self) -> bool:
        """Whether the first process of several logs the same."""
        return is_copy(self._model.parts(self._given).arrays)


def _key(parts: Parts) -> Any:
    """Equal where the same trace serves."""
    leaves, tree = jax.tree.flatten(parts.arrays)
    others, structure = jax.tree.flatten(parts.structure)
    fixed = tuple((one.shape, str(one.dtype), np.asarray(one).tobytes()) if is_array(one) else one for one in others)
    return tree, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves), structure, fixed
