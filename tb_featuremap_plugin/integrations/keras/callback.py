"""`FeatureMapCallback`: one line in `fit` logs everything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

from tb_featuremap_plugin.integrations.keras import training
from tb_featuremap_plugin.integrations.keras.batch_losses import as_number
from tb_featuremap_plugin.integrations.keras.last_weights import LastWeights
from tb_featuremap_plugin.integrations.keras.layer_selection import Choices
from tb_featuremap_plugin.integrations.keras.observed_model import ObservedModel
from tb_featuremap_plugin.integrations.keras.probes import probe_of
from tb_featuremap_plugin.integrations.keras.updates import Done, TrainFunction, Updates, follow, unfollow
from tb_featuremap_plugin.monitor import Monitor
from tb_featuremap_plugin.monitor.options import LoopKeywords, MonitorOptions
from tb_featuremap_plugin.recording.keywords import takes
from tb_featuremap_plugin.schema.one_line import described

if TYPE_CHECKING:
    from typing_extensions import Unpack


class FeatureMapCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Logs feature maps, filters and weight change of a model in `fit`, on Keras 3 with TensorFlow, JAX or torch.

    Training is not touched: weights are the same to the last bit with and without it. Every variable is logged under its Keras `path`,
    frozen ones and moving statistics marked as what they are; loss, optimizer and learning rate are read from the compiled model. Steps
    are updates: batches that only accumulate gradients do not count. With `steps_per_execution` above 1, updates are those of so many
    steps, and marked so. What changes in the model is seen at the next logged step.

    Args:
        log_dir: a folder or a URL; records go into its sub-folder `run_name`.
        probe: inputs, always the same few: an array, or a list or dictionary for several inputs; or a 2-tuple (inputs, targets). Of a
            model that has a `train_step` and no `call`: a dictionary with inputs for each inner network, by the names of their
            attributes. Of more than 512 samples the first 256 are used.
        layers: whose outputs are logged: names of layers, blocks and nested models, regular expressions, classes, functions from layer
            to bool, or layers, one or several. By default every convolution and dense layer, activations, normalisations and the outputs.
        gradients: compute gradients of the loss on the probe at each logged step; needs targets.
        **monitor_options: `every` and the others, as of `Monitor`.

    Raises:
        TypeError, ValueError: an argument is wrong. What fits no layer in `layers` is told when `fit` begins.
    """

    monitor: Monitor
    params: dict[str, Any] | None
    _observed: ObservedModel | None
    _updates: Updates | None
    _function: TrainFunction | None
    _last: LastWeights
    _step: int
    _batches: int
    _steps_an_epoch: int | None
    _started: bool

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
        self._probe = probe_of(probe)
        if gradients and self._probe.targets is None:
            raise ValueError("gradients is True, but probe has no targets; allowed is a 2-tuple (inputs, targets)")
        self._log_dir, self._options = log_dir, monitor_options
        self._choices = layers
        self._wants_gradients = gradients
        self._begin_anew()

    def on_train_begin(self, logs: Any = None) -> None:
        """Finds out what the model is made of, and follows its training function."""
        model = self.model
        self._started = False
        self._batches = 0
        if self._observed is None or self._observed.model is not model:
            self._observed = ObservedModel(model, self._probe, self._choices, self._wants_gradients, self.monitor)
            self._observed.begin()
        else:  # compiled again, layers may be frozen that were not
            self.monitor.guard(self._observed.follow)
        self.monitor.guard(self._follow)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Before the first epoch: logs the untouched start."""
        self._batches = 0
        if not self._started:
            self._started = True
            self.monitor.guard(lambda: self._start(epoch))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Takes note of what the update will use, for loops that call the callback themselves."""
        self._last.drop()
        if self._updates is not None and self._function is None:
            self.monitor.guard(self._updates.before)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Logs the step, if the batch finished an update and the step is due."""
        self.monitor.guard(lambda: self._after_batch(batch, logs))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Takes note of the validation loss, and keeps the weights of the last update, which may be changed before `fit` ends."""
        self._steps_an_epoch = self._batches
        self.monitor.guard(lambda: self._validate(logs))
        if self._updates is not None and not self._last.of(self._step):
            self.monitor.guard(self._keep_weights)

    def on_train_end(self, logs: Any = None) -> None:
        """Logs the last step and closes the file; another `fit` goes on in a new one."""
        unfollow(self._model, self._function)
        self._function = None
        self.monitor.guard(self._close)
        self.monitor.pause()
        self._last.drop()

    def __repr__(self) -> str:
        return described("FeatureMapCallback", f"at step {self._step}", repr(self.monitor))

    def __getstate__(self) -> dict[str, Any]:
        """What a copy in another process needs: the arguments, and what a subclass has added; it logs as a new one does."""
        return {name: value for name, value in vars(self).items() if name not in _OF_ONE_TRAINING}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.params, self._model = None, None
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.monitor = Monitor(self._log_dir, layers=(), **self._options)
        self._observed = self._updates = self._function = self._steps_an_epoch = None
        self._last = LastWeights()
        self._step = self._batches = 0
        self._started = False

    def _follow(self) -> None:
        self._updates = Updates(self._model)
        self._function = follow(self._model, self._before_update, self._after_update)

    def _before_update(self, arguments: Any) -> None:
        self.monitor.guard(lambda: self._note_before(arguments))

    def _after_update(self, returned: Any) -> None:
        self.monitor.guard(lambda: self._note_after(returned))

    def _note_before(self, arguments: Any) -> None:
        if self._updates is not None:
            self._last.drop()
            self._updates.readings.use(arguments[0] if keras.backend.backend() == "jax" else None)
            self._updates.before()

    def _note_after(self, returned: Any) -> None:
        if self._updates is not None:
            self._updates.readings.use(returned[1] if keras.backend.backend() == "jax" else None)
            self._updates.after()
            if self._is_last_of_epoch() and not self.monitor.due(self._step + self._updates.finished(1)):
                self._keep_weights(self._updates.finished(1))

    def _is_last_of_epoch(self) -> bool:
        steps = self._planned_steps() or self._steps_an_epoch
        each = getattr(self._model, "steps_per_execution", 1) or 1
        return steps is not None and self._batches + each >= steps

    def _planned_steps(self) -> int | None:
        """Batches of an epoch as `fit` knows them; None for a generator in its first epoch."""
        return (self.params or {}).get("steps")

    def _keep_weights(self, updates: int = 0) -> None:
        if self._observed is not None and self._updates is not None:
            self._last.keep(self._step + updates, self._observed, self._updates.readings)

    def _validate(self, logs: Any) -> None:
        loss = as_number(logs["val_loss"]) if isinstance(logs, Mapping) and "val_loss" in logs else None
        if loss is not None:
            self.monitor.validate(loss)

    def _after_batch(self, batch: int, logs: Any) -> None:
        if self._updates is None:
            self._follow()
        steps = self._planned_steps() or batch + 1
        finished = max(min(batch + 1, steps) - self._batches, 1)
        self._batches += finished
        if self._updates is not None:
            done = self._updates.take(finished, logs)
            if done.updates > 0:
                self._step += done.updates
                self._log(done)
        if getattr(self._model, "stop_training", False) and not self._last.of(self._step):
            self._keep_weights()

    def _start(self, epoch: int) -> None:
        done = training.iterations(self.model) or epoch * (self._planned_steps() or 0)
        if self.monitor.last_step is None or done > self.monitor.last_step:
            self._step = done
            self._log(Done(0, None, self._updates.first_rate() if self._updates is not None else None))

    def _close(self) -> None:
        """The last record is of the weights that the last update made, whatever was put into the model since."""
        self._last.close(self._step, self._observed)

    def _log(self, done: Done) -> None:
        observed, last = self._observed, self._last
        if observed is None:
            return
        self.monitor.log(
            self._step,
            inputs=self._probe.inputs,
            targets=self._probe.targets,
            activations=lambda: {} if last.replaced else self._synced(observed).activations(),
            weights=lambda: last.values if last.replaced else self._synced(observed).weights(),
            gradients=(lambda: {} if last.replaced else self._synced(observed).gradients()) if self._wants_gradients else None,
            loss=done.loss,
            learning_rate=done.rate,
        )

    def _synced(self, observed: ObservedModel) -> ObservedModel:
        """On JAX, asking for the model is what brings its variables up to date."""
        _ = self.model
        return observed


_OF_ONE_TRAINING = frozenset(
    {
        *("monitor", "params", "_model", "_observed", "_updates", "_function", "_last"),
        *("_step", "_batches", "_steps_an_epoch", "_started"),
    }
)
"""Attributes that a copy does not take along."""
