"""`FeatureMapCallback`: one line in `fit` logs everything."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import keras

from tb_featuremap_plugin.integrations.keras import training
from tb_featuremap_plugin.integrations.keras.call_trace import Trace
from tb_featuremap_plugin.integrations.keras.extraction import Extractor, as_tensors, build, first_pass
from tb_featuremap_plugin.integrations.keras.gradients import probe_gradients
from tb_featuremap_plugin.integrations.keras.layer_info import describe
from tb_featuremap_plugin.integrations.keras.layer_selection import Choices, choose
from tb_featuremap_plugin.integrations.keras.values import reader
from tb_featuremap_plugin.monitor import Monitor
from tb_featuremap_plugin.monitor.options import LoopKeywords, MonitorOptions
from tb_featuremap_plugin.recording.keywords import takes
from tb_featuremap_plugin.schema.one_line import described

if TYPE_CHECKING:
    from typing_extensions import Unpack


class FeatureMapCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Logs feature maps, filters and weight change of a model in `fit`, on Keras 3 with TensorFlow, JAX or torch.

    Training is not touched: weights are the same to the last bit with and without it. Every variable is logged under its Keras `path`,
    frozen ones and moving statistics marked as what they are; loss, optimizer and learning rate are read from the compiled model. With
    `steps_per_execution` above 1, updates are those of so many steps, and marked so.

    Args:
        log_dir: a folder or a URL; records go into its sub-folder `run_name`.
        probe: inputs, always the same few: an array, or a list or dictionary for several inputs; or a 2-tuple (inputs, targets).
        layers: whose outputs are logged: names, regular expressions, classes, functions from layer to bool, or layers, one or several.
            By default every convolution and dense layer, activations, normalisations and the outputs.
        gradients: compute gradients of the loss on the probe at each logged step; needs targets.
        **monitor_options: `every` and the others, as of `Monitor`.

    Raises:
        TypeError, ValueError: an argument is wrong. What fits no layer in `layers` is told when `fit` begins.
    """

    @takes(MonitorOptions, without=("layers", "optimizer"))
    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        probe: Any,
        *,
        layers: Choices = None,
        gradients: bool = False,
        **monitor_options: Unpack[LoopKeywords],
    ) -> None:
        super().__init__()
        self._inputs: Any
        self._targets: Any
        self._inputs, self._targets = probe if isinstance(probe, tuple) and len(probe) == 2 else (probe, None)
        if gradients and self._targets is None:
            raise ValueError("gradients is True, but probe has no targets; allowed is a 2-tuple (inputs, targets)")
        self.monitor = Monitor(log_dir, layers=(), **monitor_options)
        self._choices = layers
        self._wants_gradients = gradients
        self._observed: _ObservedModel | None = None
        self._losses: training.StepLosses | None = None
        self._step = 0
        self._epoch_start: int | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Finds out what the model is made of, unless that is known from an earlier `fit`."""
        self._epoch_start = None
        self._losses = None
        model, observed = self.model, self._observed
        if observed is None or observed.model is not model:
            self._observed = None
            self.monitor.guard(lambda: build(model, as_tensors(self._inputs)))
            self._observe(model)
        else:  # compiled again, layers may be frozen that were not
            self.monitor.guard(lambda: self._describe(first_pass(model, as_tensors(self._inputs)), model, observed))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Before the first epoch: logs the untouched start."""
        if self._losses is not None:
            self._losses.start_epoch()
        if self._epoch_start is None:
            self._start(epoch)
        self._epoch_start = self._step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Logs the step, if it is due."""
        start = self._epoch_start or 0
        step = start + min(batch + 1, (self.params or {}).get("steps") or batch + 1)
        finished, self._step = step - self._step, max(step, self._step)
        if finished > 0:
            self._log(self._step_loss(logs, finished))

    def on_train_end(self, logs: Any = None) -> None:
        """Logs the last step and closes the file; another `fit` goes on in a new one."""
        self.monitor.pause()

    def __repr__(self) -> str:
        return described("FeatureMapCallback", f"at step {self._step}", repr(self.monitor))

    def _observe(self, model: Any) -> None:
        traces: list[Trace] = []
        probe = as_tensors(self._inputs)
        self.monitor.guard(lambda: traces.append(first_pass(model, probe)))
        if traces:
            names = [call.name for call in choose(traces[0], self._choices)]
            self.monitor.guard(lambda: self._prepare(model, traces[0], probe, names))

    def _prepare(self, model: Any, trace: Trace, probe: Any, names: list[str]) -> None:
        targets = as_tensors(self._targets) if self._wants_gradients else None
        self._observed = _ObservedModel(model, probe, targets, names)
        self._describe(trace, model, self._observed)

    def _describe(self, trace: Trace, model: Any, observed: _ObservedModel) -> None:
        self.monitor.describe(
            layers=describe(trace, model, observed.variable_names, training.loss_weights(model)),
            loss=training.loss_name(model),
            from_logits=training.from_logits(model),
            loss_facts=training.loss_facts(model, self._targets),
            optimizer=training.optimizer_name(model),
            weight_decay=training.weight_decay(model),
        )

    def _start(self, epoch: int) -> None:
        done = training.iterations(self.model) or epoch * ((self.params or {}).get("steps") or 0)
        if self.monitor.last_step is None or done > self.monitor.last_step:
            self._step = done
            self._log(None)

    def _log(self, loss: float | None) -> None:
        observed = self._observed
        if observed is None:
            return
        self.monitor.log(
            self._step,
            inputs=self._inputs,
            targets=self._targets,
            activations=lambda: self._synced(observed).activations(),
            weights=lambda: self._synced(observed).weights(),
            gradients=(lambda: self._synced(observed).gradients()) if self._wants_gradients else None,
            loss=loss,
            learning_rate=lambda: observed.value_of(training.learning_rate(self.model)),
        )

    def _synced(self, observed: _ObservedModel) -> _ObservedModel:
        """On JAX, asking for the model is what brings its variables up to date."""
        _ = self.model
        return observed

    def _step_loss(self, logs: Any, finished: int) -> float | None:
        reported = (logs or {}).get("loss")
        if reported is None:
            return None
        if self._losses is None:
            self._losses = training.StepLosses(running_mean=training.reports_running_mean(self.model))
        return self._losses.loss(float(reported), finished)


class _ObservedModel:
    """What is read of a model at a logged step."""

    def __init__(self, model: Any, probe: Any, targets: Any, names: list[str]) -> None:
        self.model = model
        self.variable_names: dict[int, str] = {}
        self._variables: dict[str, Any] = {}
        for variable in model.weights:
            name = _unused(variable.path, self._variables)
            self._variables[name] = variable
            self.variable_names[id(variable)] = name
        self._read = reader()
        self.activations = Extractor(model, probe, names)
        self._probe_gradients = None if targets is None else probe_gradients(model, probe, targets)

    def weights(self) -> dict[str, Any]:
        """The values of all variables by path."""
        return {name: self._read(variable) for name, variable in self._variables.items()}

    def value_of(self, number: Any) -> Any:
        """The value of a variable, or what is none as it is."""
        return self._read(number) if isinstance(number, keras.Variable) else number

    def gradients(self) -> dict[str, Any]:
        """Gradients on the probe by path of the variable."""
        if self._probe_gradients is None:
            return {}
        paths = [self.variable_names[id(variable)] for variable in self.model.trainable_variables]
        return dict(zip(paths, self._probe_gradients(), strict=True))


def _unused(path: str, taken: dict[str, Any]) -> str:
    number, candidate = 1, path
    while candidate in taken:
        number += 1
        candidate = f"{path}_{number}"
    return candidate
